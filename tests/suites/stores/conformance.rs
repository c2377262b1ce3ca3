//! What every store promises, asked of each.

use bytes::Bytes;
use flotilla_archive::store::{Class, Entry, Listing, Over, Put, Rights, Store, Upload};
use flotilla_tests::{ObjectStore, Sandbox};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{folder, listed, noise, open, pieces, run};

#[test]
fn s3_keeps_every_promise() {
    let service = ObjectStore::start();
    run(async {
        let store = open(&service.store("conformance/s0", "writer")).await;
        every_promise(&store).await;
        checksums_are_the_services_too(&store).await;
    });
}

#[test]
fn a_folder_keeps_every_promise() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().join("store");
    run(async {
        let store = open(&folder(&root)).await.below("conformance/s0").unwrap();
        every_promise(&store).await;
    });
    // Nothing half made stays, and no empty folder.
    let left: Vec<_> = walk(&root);
    assert_eq!(left, [root.join(".flotilla-new")]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

async fn every_promise(store: &Store) {
    what_is_written_is_read(store).await;
    what_is_not_there_is_absent(store).await;
    an_object_that_is_kept_stays(store).await;
    a_note_is_only_of_what_was_written(store).await;
    one_of_many_writers_wins(store).await;
    ranges_are_cut_at_the_end(store).await;
    listings_are_whole_and_in_order(store).await;
    large_objects_come_and_go_in_parts(store).await;
    a_source_that_fails_leaves_nothing(store).await;
    copies_are_equal(store).await;
    names_stay_within(store).await;
    let missing = store.preflight(Rights::Write).await;
    assert!(missing.missing().is_empty(), "{missing:?}");
    assert!(store.preflight(Rights::Read).await.missing().is_empty());
    let all = listed(store, Listing::default()).await.unwrap();
    store.delete(all.iter().map(String::as_str)).await.unwrap();
    assert!(listed(store, Listing::default()).await.unwrap().is_empty());
}

async fn read(store: &Store, key: &str) -> Bytes {
    store.get(key).await.unwrap().collect(64 << 20).await.unwrap()
}

async fn what_is_written_is_read(store: &Store) {
    for size in [0, 1, 8191, 300_000] {
        let content = noise(size);
        let put = store.put("a/b.bin", content.clone(), Over::Replace).await.unwrap();
        let Put::Written { size: written, .. } = put else { panic!("{put:?}") };
        assert_eq!(written, size as u64);
        assert_eq!(read(store, "a/b.bin").await, content);
        let meta = store.head("a/b.bin").await.unwrap();
        assert_eq!((meta.key.as_str(), meta.size), ("a/b.bin", size as u64));
        assert!(!meta.etag.is_empty());
        let age = chrono::Utc::now() - meta.modified;
        assert!(age.num_minutes().abs() < 5, "{age}");
    }
    let before = store.head("a/b.bin").await.unwrap().etag;
    store.put("a/b.bin", "other".into(), Over::Replace).await.unwrap();
    assert_ne!(store.head("a/b.bin").await.unwrap().etag, before);
    let refused = store.get("a/b.bin").await.unwrap().collect(4).await.unwrap_err();
    assert_eq!(refused.class(), Class::Other);
    store.delete(["a/b.bin"]).await.unwrap();
    store.delete(["a/b.bin", "never/there"]).await.unwrap();
}

async fn what_is_not_there_is_absent(store: &Store) {
    store.put("here/x", "1".into(), Over::Replace).await.unwrap();
    for key in ["nowhere", "nowhere/at/all", "here", "her", "here/x2"] {
        assert!(store.get(key).await.unwrap_err().is_absent(), "{key}");
        assert!(store.head(key).await.unwrap_err().is_absent(), "{key}");
        assert!(store.get_range(key, 0..5).await.unwrap_err().is_absent(), "{key}");
    }
    store.delete(["here/x"]).await.unwrap();
    assert!(store.get("here/x").await.unwrap_err().is_absent());
}

async fn an_object_that_is_kept_stays(store: &Store) {
    let first = store.put("once", "first".into(), Over::Keep).await.unwrap();
    assert!(matches!(first, Put::Written { size: 5, .. }));
    assert_eq!(store.put("once", "second".into(), Over::Keep).await.unwrap(), Put::Exists);
    let keep = Upload { over: Over::Keep, ..Upload::default() };
    for size in [10, 12 << 20] {
        assert_eq!(store.upload("once", pieces(&noise(size)), keep).await.unwrap(), Put::Exists);
    }
    assert_eq!(read(store, "once").await, "first");
    store.delete(["once"]).await.unwrap();
    let large = store.upload("once", pieces(&noise(12 << 20)), keep).await.unwrap();
    assert!(matches!(large, Put::Written { .. }));
    store.delete(["once"]).await.unwrap();
}

async fn a_note_is_only_of_what_was_written(store: &Store) {
    let noted = async |content: &'static str, over, note: &'static str| {
        let how = Upload { over, ..Upload::default() };
        let note = async move { Ok(("notes/of/it".to_owned(), note.into())) };
        store.upload_noted("both/of/them", pieces(&content.into()), how, Box::pin(note)).await.unwrap()
    };
    let both = async || (read(store, "both/of/them").await, read(store, "notes/of/it").await);
    assert!(matches!(noted("first", Over::Keep, "1").await, Put::Written { size: 5, .. }));
    assert_eq!(both().await, ("first".into(), "1".into()));
    assert_eq!(noted("second", Over::Keep, "2").await, Put::Exists);
    assert_eq!(both().await, ("first".into(), "1".into()));
    assert!(matches!(noted("second", Over::Replace, "2").await, Put::Written { size: 6, .. }));
    assert_eq!(both().await, ("second".into(), "2".into()));
    store.delete(["both/of/them", "notes/of/it"]).await.unwrap();
}

async fn one_of_many_writers_wins(store: &Store) {
    let writers = (0..8).map(|number| {
        let content = Bytes::from(format!("writer {number}"));
        async move { store.put("race/one", content, Over::Keep).await.unwrap() }
    });
    let outcomes = futures_util::future::join_all(writers).await;
    let won: Vec<usize> = (0..8).filter(|i| matches!(outcomes[*i], Put::Written { .. })).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert_eq!(read(store, "race/one").await, format!("writer {}", won[0]));
    store.delete(["race/one"]).await.unwrap();
}

async fn ranges_are_cut_at_the_end(store: &Store) {
    let content = noise(1000);
    store.put("range", content.clone(), Over::Replace).await.unwrap();
    for (range, wanted) in [(0..1, 0..1_usize), (10..20, 10..20), (990..2000, 990..1000), (0..1000, 0..1000)] {
        let body = store.get_range("range", range).await.unwrap();
        assert_eq!(body.meta().size, 1000);
        assert_eq!(body.collect(2000).await.unwrap(), content.slice(wanted));
    }
    for range in [1000..1001, 5000..6000, 5..5] {
        assert_eq!(store.get_range("range", range).await.unwrap_err().class(), Class::Other);
    }
    store.delete(["range"]).await.unwrap();
}

async fn listings_are_whole_and_in_order(store: &Store) {
    // More than a page, and names whose order isn't that of their folders.
    let names: Vec<String> = (0..1005).map(|number| format!("many/{number:05}")).collect();
    let puts = stream::iter(&names).map(|name| store.put(name, "x".into(), Over::Replace));
    let puts: Vec<Put> = puts.buffer_unordered(16).try_collect().await.unwrap();
    assert_eq!(puts.len(), names.len());
    assert_eq!(listed(store, Listing::of("many/")).await.unwrap(), names);
    assert_eq!(listed(store, Listing::of("many/").after("many/01000")).await.unwrap(), names[1001..]);
    assert_eq!(listed(store, Listing::of("many/0000")).await.unwrap(), names[..10]);
    assert_eq!(listed(store, Listing::default().flat()).await.unwrap(), ["many/"]);
    store.delete(names.iter().map(String::as_str)).await.unwrap();

    let odd = ["a-b", "a.b/x", "a/b", "a/b-c/d", "a/b.c", "ab", "b/z", "b/ä/ö"];
    for name in odd {
        store.put(name, name.into(), Over::Replace).await.unwrap();
    }
    assert_eq!(listed(store, Listing::default()).await.unwrap(), odd);
    assert_eq!(listed(store, Listing::default().flat()).await.unwrap(), ["a-b", "a.b/", "a/", "ab", "b/"]);
    assert_eq!(listed(store, Listing::of("a/").flat()).await.unwrap(), ["a/b", "a/b-c/", "a/b.c"]);
    assert_eq!(listed(store, Listing::of("a").flat()).await.unwrap(), ["a-b", "a.b/", "a/", "ab"]);
    assert_eq!(listed(store, Listing::default().after("a/b-c/d")).await.unwrap(), ["a/b.c", "ab", "b/z", "b/ä/ö"]);
    assert_eq!(listed(store, Listing::of("none/")).await.unwrap(), Vec::<String>::new());
    let entries: Vec<Entry> = store.list(Listing::of("b/z")).try_collect().await.unwrap();
    assert!(matches!(&entries[..], [Entry::Object(meta)] if meta.size == 3), "{entries:?}");
    store.delete(odd).await.unwrap();
    assert!(listed(store, Listing::default().flat()).await.unwrap().is_empty());
}

async fn large_objects_come_and_go_in_parts(store: &Store) {
    for size in [(8 << 20) - 1, 8 << 20, (8 << 20) + 1, 21_000_000] {
        let content = noise(size);
        let put = store.upload("large", pieces(&content), Upload::default()).await.unwrap();
        let Put::Written { size: written, crc64 } = put else { panic!("{put:?}") };
        assert_eq!(written, size as u64);
        assert_eq!(read(store, "large").await, content);
        let known = store.head("large").await.unwrap().crc64;
        assert!(known.is_none_or(|known| known == crc64));
    }
    store.delete(["large"]).await.unwrap();
}

async fn a_source_that_fails_leaves_nothing(store: &Store) {
    for size in [1000, 20 << 20] {
        let broken = stream::once(async { Err(std::io::Error::other("the disk is gone")) });
        let source = pieces(&noise(size)).chain(broken).boxed();
        let error = store.upload("broken", source, Upload::default()).await.unwrap_err();
        assert_eq!(error.class(), Class::Other);
        assert!(format!("{error:?}").contains("the disk is gone"), "{error:?}");
        assert!(store.head("broken").await.unwrap_err().is_absent());
    }
}

async fn copies_are_equal(store: &Store) {
    for size in [0, 5000, 9 << 20] {
        let content = noise(size);
        store.upload("from", pieces(&content), Upload::default()).await.unwrap();
        let put = store.copy("from", store, "deep/to", Upload::default()).await.unwrap();
        assert!(matches!(put, Put::Written { size: copied, .. } if copied == size as u64));
        assert_eq!(read(store, "deep/to").await, content);
    }
    assert!(store.copy("nowhere", store, "x", Upload::default()).await.unwrap_err().is_absent());
    store.delete(["from", "deep/to"]).await.unwrap();
}

async fn names_stay_within(store: &Store) {
    for key in ["", "/etc/passwd", "../up", "a/../b", "a//b", "a\0b", "."] {
        assert_eq!(store.put(key, "x".into(), Over::Replace).await.unwrap_err().class(), Class::Other, "{key:?}");
        assert_eq!(store.get(key).await.unwrap_err().class(), Class::Other, "{key:?}");
        assert_eq!(store.delete([key]).await.unwrap_err().class(), Class::Other, "{key:?}");
        assert!(store.below(key).is_err(), "{key:?}");
    }
    assert!(listed(store, Listing::of("../")).await.is_err());
}

/// The service computes the checksum, too, of parts put together as of objects sent whole.
async fn checksums_are_the_services_too(store: &Store) {
    for (size, parts) in [(1000, false), (21_000_000, true)] {
        let content = noise(size);
        let put = if parts {
            store.upload("sum", pieces(&content), Upload::default()).await.unwrap()
        } else {
            store.put("sum", content, Over::Replace).await.unwrap()
        };
        let Put::Written { crc64, .. } = put else { panic!("{put:?}") };
        assert_eq!(store.head("sum").await.unwrap().crc64, Some(crc64));
    }
    store.delete(["sum"]).await.unwrap();
}
