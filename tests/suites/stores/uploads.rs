//! Uploads that are cut off: nothing of them stays, or all of it is of use.

use std::pin::pin;
use std::time::Duration;

use flotilla_archive::store::{Class, Over, Put, Upload};
use flotilla_tests::ObjectStore;
use flotilla_tests::faulty::{Fault, Faulty, Rule};
use futures_util::StreamExt as _;

use super::{noise, open, pieces, run};

#[test]
fn an_upload_that_is_taken_up_sends_only_what_is_missing() {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    run(async {
        let store = open(&proxy.store(service.store("resume", "writer"))).await;
        let (content, how) = (noise(45 << 20), Upload { resume: true, parallelism: 1, ..Upload::default() });
        // The fourth part is refused for good.
        proxy.rule(Rule::new("PUT", "partNumber=4", Fault::Status(403, "AccessDenied")));
        let error = store.upload("large", pieces(&content), how).await.unwrap_err();
        assert_eq!(error.class(), Class::Denied);
        assert!(store.head("large").await.unwrap_err().is_absent());
        proxy.clear();
        let put = store.upload("large", pieces(&content), how).await.unwrap();
        assert!(matches!(put, Put::Written { .. }));
        assert_eq!(proxy.count("PUT", "partNumber="), 3, "{:?}", proxy.requests());
        assert!(store.get("large").await.unwrap().collect(64 << 20).await.unwrap() == content);
        // Parts of other content are no use, and no harm.
        proxy.clear();
        proxy.rule(Rule::new("PUT", "partNumber=4", Fault::Status(403, "AccessDenied")));
        store.upload("large", pieces(&content), how).await.unwrap_err();
        proxy.clear();
        let mut other = content.to_vec();
        other[0] ^= 1;
        let put = store.upload("large", pieces(&other.clone().into()), how).await.unwrap();
        assert!(matches!(put, Put::Written { .. }));
        assert_eq!(proxy.count("PUT", "partNumber="), 4, "{:?}", proxy.requests());
        assert!(store.get("large").await.unwrap().collect(64 << 20).await.unwrap() == other);
    });
}

#[test]
fn an_upload_that_is_dropped_or_fails_gives_its_parts_back() {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    run(async {
        let store = open(&proxy.store(service.store("aborted", "writer"))).await;
        let given_back = || async {
            for _ in 0..200 {
                if proxy.count("DELETE", "uploadId=") > 0 {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        };
        // Its source never ends; it is dropped on the way.
        let endless = pieces(&noise(20 << 20)).chain(futures_util::stream::pending()).boxed();
        {
            let mut upload = pin!(store.upload("x", endless, Upload::default()));
            loop {
                let _ = tokio::time::timeout(Duration::from_millis(50), &mut upload).await;
                if proxy.count("PUT", "partNumber=") >= 2 {
                    break;
                }
            }
        }
        assert!(given_back().await, "{:?}", proxy.requests());
        proxy.clear();
        proxy.rule(Rule::new("PUT", "partNumber=2", Fault::Status(403, "AccessDenied")));
        store.upload("x", pieces(&noise(20 << 20)), Upload::default()).await.unwrap_err();
        assert!(given_back().await, "{:?}", proxy.requests());
        assert!(store.head("x").await.unwrap_err().is_absent());
        store.put("x", "1".into(), Over::Keep).await.unwrap();
    });
}

#[test]
fn a_part_that_fails_for_a_while_is_sent_again() {
    let service = ObjectStore::start();
    let proxy = Faulty::before(&service);
    run(async {
        let store = open(&proxy.store(service.store("parts", "writer"))).await;
        let content = noise(20 << 20);
        for fault in [Fault::Status(503, "SlowDown"), Fault::Refuse, Fault::LoseAnswer] {
            proxy.clear();
            proxy.rule(Rule::new("PUT", "partNumber=2", fault).times(1));
            proxy.rule(Rule::new("PUT", "partNumber=3", fault).times(2));
            proxy.rule(Rule::new("POST", "uploads", fault).times(1));
            proxy.rule(Rule::new("POST", "uploadId=", fault).times(1));
            let put = store.upload("x", pieces(&content), Upload::default()).await;
            assert!(matches!(put, Ok(Put::Written { .. })), "{fault:?}: {put:?}");
            assert!(store.get("x").await.unwrap().collect(32 << 20).await.unwrap() == content, "{fault:?}");
        }
    });
}
