//! Credentials that may do less than is needed, or nothing.

use std::fs;

use flotilla::config::{ArchiveStore, StoreUrl};
use flotilla_archive::store::{Class, Over, Preflight, Rights};
use flotilla_tests::{ObjectStore, Sandbox, tls};

use super::{folder, open, run};

fn missing(found: &Preflight) -> Vec<&'static str> {
    found.missing().into_iter().map(|(right, _)| right).collect()
}

#[test]
fn preflight_names_what_credentials_may_not() {
    let service = ObjectStore::start();
    run(async {
        let as_user = |user: &'static str| {
            let store = service.store("rights", user);
            async move { open(&store).await }
        };
        let (writer, reader, fetcher) = (as_user("writer").await, as_user("reader").await, as_user("fetcher").await);
        assert!(missing(&writer.preflight(Rights::Write).await).is_empty());
        assert!(missing(&reader.preflight(Rights::Read).await).is_empty());
        assert_eq!(missing(&reader.preflight(Rights::Write).await), ["put"]);
        let found = fetcher.preflight(Rights::Read).await;
        assert_eq!(missing(&found)[0], "list");
        let told = found.check(&fetcher).unwrap_err();
        assert!(told.message().contains("can't do: list"), "{told:?}");
        assert_eq!(told.record().code, flotilla::Code::AuthFailed);

        // Whoever can't list gets objects, and never an "absent".
        writer.put("x", "1".into(), Over::Replace).await.unwrap();
        assert_eq!(fetcher.get("x").await.unwrap().collect(10).await.unwrap(), "1");
        for error in [fetcher.get("y").await.unwrap_err(), fetcher.head("y").await.unwrap_err()] {
            assert_eq!(error.class(), Class::Denied, "{error:?}");
        }
        assert!(reader.get("y").await.unwrap_err().is_absent());
        assert_eq!(reader.put("y", "1".into(), Over::Replace).await.unwrap_err().class(), Class::Denied);
        assert_eq!(reader.delete(["x"]).await.unwrap_err().class(), Class::Denied);
        assert_eq!(writer.get("x").await.unwrap().collect(10).await.unwrap(), "1");
    });
}

#[test]
fn what_is_wrong_with_a_store_is_said() {
    let (service, sandbox) = (ObjectStore::start(), Sandbox::new());
    let good = service.store("wrong", "writer");
    let elsewhere = tls::Identity::of_address("127.0.0.1");
    let stranger = sandbox.file("other.crt", elsewhere.authority());
    let nobody = sandbox.file("nobody", "[writer]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n");
    let wrong = sandbox.file("wrong", "[writer]\naws_access_key_id = writer\naws_secret_access_key = planted\n");
    let bucket = StoreUrl::S3 { bucket: "no-such-bucket".to_owned(), path: String::new() };
    let cases = [
        (ArchiveStore { ca_file: Some(stranger), ..good.clone() }, Class::Other, "certificate"),
        (ArchiveStore { credentials_file: Some(nobody), ..good.clone() }, Class::Denied, "(403)"),
        (ArchiveStore { credentials_file: Some(wrong), ..good.clone() }, Class::Denied, "(403)"),
        (ArchiveStore { profile: Some("none".to_owned()), ..good.clone() }, Class::Denied, "no usable credentials"),
        (ArchiveStore { url: bucket, ..good.clone() }, Class::Denied, "(403)"),
    ];
    run(async {
        for (store, class, says) in cases {
            let opened = open(&store).await;
            for error in
                [opened.get("x").await.unwrap_err(), opened.put("x", "1".into(), Over::Keep).await.unwrap_err()]
            {
                assert_eq!(error.class(), class, "{says}: {error:?}");
                assert!(error.to_string().contains(says), "{says}: {error:?}");
                let told = flotilla::Error::from(error);
                assert!(told.record().hint.is_some(), "{told:?}");
                assert!(!told.text("x").contains("planted"), "{told:?}");
            }
        }
    });
}

#[test]
fn a_folder_that_is_not_there_is_no_empty_store() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("store");
    let config = folder(&root);
    run(async {
        let store = open(&config).await;
        store.put("a/x", "1".into(), Over::Replace).await.unwrap();
        fs::rename(&root, sandbox.path().join("unmounted")).unwrap();
        for error in [
            store.get("a/x").await.unwrap_err(),
            store.head("a/x").await.unwrap_err(),
            store.put("a/y", "1".into(), Over::Replace).await.unwrap_err(),
            store.delete(["a/x"]).await.unwrap_err(),
            super::listed(&store, flotilla_archive::store::Listing::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.class(), Class::Other, "{error:?}");
        }
        assert!(!root.exists());
        let error = flotilla_archive::store::Store::open(&config).await.unwrap_err();
        assert!(error.message().contains("is not there"), "{error:?}");
    });
}
