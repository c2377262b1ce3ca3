//! The same acts on S3 and on a folder have the same outcomes.

use bytes::Bytes;
use flotilla_archive::store::{Listing, Over, Store, StoreError};
use flotilla_tests::{ObjectStore, Sandbox};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{folder, listed, open, run};

#[derive(Clone, Debug)]
enum Act {
    Put(String, u8, bool),
    Get(String),
    Range(String, u64, u64),
    Head(String),
    Delete(Vec<String>),
    List(String, bool, Option<String>),
}

/// Few names, so that acts meet: files have a dot, folders none, for a folder can't hold both of a name.
fn name() -> impl Strategy<Value = String> {
    "([a-b](-|/)){0,2}[a-c]\\.[x-y]"
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (name(), 0..4_u8, any::<bool>()).prop_map(|(key, size, keep)| Act::Put(key, size, keep)),
        2 => name().prop_map(Act::Get),
        1 => (name(), 0..4_u64, 1..5_u64).prop_map(|(key, from, size)| Act::Range(key, from, size)),
        1 => name().prop_map(Act::Head),
        1 => prop::collection::vec(name(), 1..4).prop_map(Act::Delete),
        2 => ("[a-b]?[-/]?[a-c]?", any::<bool>(), prop::option::of(name()))
            .prop_map(|(prefix, flat, after)| Act::List(prefix, flat, after)),
    ]
}

fn failure(error: &StoreError) -> String {
    format!("{:?}", error.class())
}

async fn outcome(store: &Store, act: Act) -> String {
    match act {
        Act::Put(key, size, keep) => {
            let content = Bytes::from(vec![b'0' + size; usize::from(size)]);
            let over = if keep { Over::Keep } else { Over::Replace };
            store.put(&key, content, over).await.map_or_else(|e| failure(&e), |put| format!("{put:?}"))
        }
        Act::Get(key) => match store.get(&key).await {
            Ok(body) => format!("{:?}", body.collect(100).await.unwrap()),
            Err(error) => failure(&error),
        },
        Act::Range(key, from, size) => match store.get_range(&key, from..from + size).await {
            Ok(body) => format!("{:?}", body.collect(100).await.unwrap()),
            Err(error) => failure(&error),
        },
        Act::Head(key) => store.head(&key).await.map_or_else(|e| failure(&e), |meta| meta.size.to_string()),
        Act::Delete(keys) => {
            let done = store.delete(keys.iter().map(String::as_str)).await;
            done.map_or_else(|e| failure(&e), |()| "deleted".to_owned())
        }
        Act::List(prefix, flat, after) => {
            let listing = Listing { prefix, flat, after };
            listed(store, listing).await.map_or_else(|e| failure(&e), |names| names.join(" "))
        }
    }
}

#[test]
fn s3_and_a_folder_answer_alike() {
    let (service, sandbox) = (ObjectStore::start(), Sandbox::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (s3, local) = run(async {
        (open(&service.store("differential", "writer")).await, open(&folder(&sandbox.path().join("store"))).await)
    });
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let rounds = std::sync::atomic::AtomicU32::new(0);
    let acts = prop::collection::vec(act(), 1..40);
    runner
        .run(&acts, |acts| {
            let round = rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = format!("round{round}");
            let (s3, local) = (s3.below(&path).unwrap(), local.below(&path).unwrap());
            for act in acts {
                let (one, other) =
                    runtime.block_on(async { (outcome(&s3, act.clone()).await, outcome(&local, act.clone()).await) });
                prop_assert_eq!(one, other, "{:?}", act);
            }
            Ok(())
        })
        .unwrap();
}
