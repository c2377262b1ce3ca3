//! Bad days: what passes is tried again, what doesn't is a clear failure in time, and nothing is ever
//! taken for what it isn't.

use std::time::{Duration, Instant};

use flotilla::config::ArchiveStore;
use flotilla_archive::store::{Class, Listing, Over, Put, Store, Upload};
use flotilla_tests::ObjectStore;
use flotilla_tests::faulty::{Fault, Faulty, Rule};

use super::{listed, noise, open, pieces, run};

/// A service, the proxy before it, and stores by way of the proxy and past it.
struct Bench {
    proxy: Faulty,
    service: ObjectStore,
}

impl Bench {
    fn new() -> Self {
        let service = ObjectStore::start();
        Self { proxy: Faulty::before(&service), service }
    }

    /// With limits that a test can wait for.
    async fn stores(&self, path: &str) -> (Store, Store) {
        let direct = self.service.store(path, "writer");
        let short = ArchiveStore { stall_timeout_seconds: 1, retry_seconds: 6, ..self.proxy.store(direct.clone()) };
        (open(&short).await, open(&direct).await)
    }
}

/// What a whole deadline, a last attempt and a busy machine may take together.
const LATEST: Duration = Duration::from_secs(30);
/// More attempts than this within the deadline would be a flood.
const MOST: usize = 30;

#[test]
fn what_passes_is_tried_again() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("passes").await;
        let content = noise(400_000);
        let faults = [
            Fault::Status(503, "SlowDown"),
            Fault::Status(500, "InternalError"),
            Fault::Status(502, ""),
            Fault::Status(429, "TooManyRequests"),
            Fault::Refuse,
            Fault::LoseAnswer,
            Fault::Hang,
        ];
        for fault in faults {
            let told = format!("{fault:?}");
            bench.proxy.clear();
            for method in ["PUT", "GET", "HEAD", "POST"] {
                bench.proxy.rule(Rule::new(method, "", fault).times(2));
            }
            let put = store.put("x", content.clone(), Over::Replace).await.expect(&told);
            assert!(matches!(put, Put::Written { size: 400_000, .. }), "{told}: {put:?}");
            assert_eq!(store.get("x").await.expect(&told).collect(1 << 20).await.expect(&told), content, "{told}");
            assert_eq!(store.head("x").await.expect(&told).size, 400_000, "{told}");
            assert_eq!(listed(&store, Listing::default()).await.expect(&told), ["x"], "{told}");
            store.delete(["x"]).await.expect(&told);
            assert!(direct.get("x").await.unwrap_err().is_absent(), "{told}");
            assert_eq!((bench.proxy.count("PUT", "/x"), bench.proxy.count("HEAD", "/x")), (3, 3), "{told}");
        }
    });
}

/// The first write succeeds, but nobody hears of it: the second must not be taken for another's.
#[test]
fn a_lost_answer_is_no_stranger() {
    let bench = Bench::new();
    run(async {
        let (store, _) = bench.stores("lost").await;
        let keep = Upload { over: Over::Keep, ..Upload::default() };
        bench.proxy.rule(Rule::new("PUT", "/small", Fault::LoseAnswer).times(1));
        assert!(matches!(store.put("small", "ours".into(), Over::Keep).await.unwrap(), Put::Written { .. }));
        assert_eq!(store.put("small", "theirs".into(), Over::Keep).await.unwrap(), Put::Exists);
        // The request that puts the parts together.
        bench.proxy.rule(Rule::new("POST", "uploadId=", Fault::LoseAnswer).times(1));
        let put = store.upload("large", pieces(&noise(12 << 20)), keep).await.unwrap();
        assert!(matches!(put, Put::Written { .. }), "{put:?}");
        bench.proxy.rule(Rule::new("POST", "uploadId=", Fault::LoseAnswer).times(1));
        let put = store.upload("large", pieces(&noise(13 << 20)), Upload::default()).await.unwrap();
        assert!(matches!(put, Put::Written { size, .. } if size == 13 << 20), "{put:?}");
    });
}

#[test]
fn what_stays_is_a_clear_failure_in_time() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("stays").await;
        direct.put("x", noise(100_000), Over::Replace).await.unwrap();
        let cases = [
            (Fault::Status(503, "SlowDown"), Class::Busy),
            (Fault::Status(500, ""), Class::Busy),
            (Fault::Refuse, Class::Unreachable),
            (Fault::Hang, Class::Unreachable),
            (Fault::Cut(1000), Class::Unreachable),
            (Fault::Stall(1000), Class::Unreachable),
            // Denied, missing bucket and what isn't S3 at all stay as they are: one attempt.
            (Fault::Status(403, "AccessDenied"), Class::Denied),
            (Fault::Status(404, "NoSuchBucket"), Class::Other),
            (Fault::Status(404, ""), Class::Other),
            (Fault::Status(301, "PermanentRedirect"), Class::Other),
        ];
        for (fault, class) in cases {
            bench.proxy.clear();
            bench.proxy.rule(Rule::new("GET", "/x", fault));
            let began = Instant::now();
            let error = match store.get("x").await {
                Ok(body) => body.collect(1 << 20).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.class(), class, "{fault:?}: {error:?}");
            assert!(began.elapsed() < LATEST, "{fault:?} took {:?}", began.elapsed());
            let attempts = bench.proxy.count("GET", "/x");
            let wanted = if class.is_transient() { 2..=MOST } else { 1..=1 };
            assert!(wanted.contains(&attempts), "{fault:?}: {attempts} attempts");
            let told = flotilla::Error::from(error);
            assert!(told.message().contains("\"stays/x\""), "{told:?}");
            assert_eq!(told.is_retryable(), class.is_transient(), "{told:?}");
        }
        bench.proxy.clear();
        bench.proxy.rule(Rule::new("PUT", "", Fault::Status(503, "SlowDown")));
        let error = store.put("y", "1".into(), Over::Replace).await.unwrap_err();
        assert_eq!(error.class(), Class::Busy);
        assert!(error.attempts() >= 2 && direct.head("y").await.unwrap_err().is_absent());
    });
}

#[test]
fn a_body_that_breaks_off_is_taken_up_where_it_was() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("broken").await;
        let content = noise(3_000_000);
        direct.put("x", content.clone(), Over::Replace).await.unwrap();
        // The last one's second answer is a single byte, which arrives.
        let faults =
            [(Fault::Cut(1_000_000), 3), (Fault::Stall(1_000_000), 3), (Fault::Cut(0), 3), (Fault::Cut(2_999_999), 2)];
        for (fault, requests) in faults {
            bench.proxy.clear();
            bench.proxy.rule(Rule::new("GET", "/x", fault).times(2));
            let read =
                store.get("x").await.unwrap().collect(4 << 20).await.unwrap_or_else(|e| panic!("{fault:?}: {e:?}"));
            assert!(read == content, "{fault:?}");
            assert_eq!(bench.proxy.count("GET", "/x"), requests, "{fault:?}");
        }
        // Slow, but not standing still: it is left alone. 60 pieces, 0.1 s each: longer than a stall.
        bench.proxy.clear();
        bench.proxy.rule(Rule::new("GET", "/x", Fault::Slow(50_000, 100)));
        assert!(store.get("x").await.unwrap().collect(4 << 20).await.unwrap() == content);
        assert_eq!(bench.proxy.count("GET", "/x"), 1);
    });
}

/// So slow that it would take days: as good as standing still.
#[test]
fn a_trickle_is_cut() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("trickle").await;
        direct.put("x", noise(1_000_000), Over::Replace).await.unwrap();
        bench.proxy.rule(Rule::new("GET", "/x", Fault::Slow(10, 100)));
        let began = Instant::now();
        let error = store.get("x").await.unwrap().collect(4 << 20).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error:?}");
        assert!(began.elapsed() < LATEST && bench.proxy.count("GET", "/x") <= MOST);
    });
}

/// A body that goes on in another object's would be of neither.
#[test]
fn an_object_that_is_replaced_meanwhile_is_noticed() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("replaced").await;
        for (key, gone) in [("replaced", false), ("deleted", true)] {
            direct.put(key, noise(2_000_000), Over::Replace).await.unwrap();
            bench.proxy.clear();
            bench.proxy.rule(Rule::new("GET", format!("/{key}?"), Fault::Cut(500_000)).times(1));
            let body = store.get(key).await.unwrap();
            if gone {
                direct.delete([key]).await.unwrap();
            } else {
                let mut other = noise(2_000_000).to_vec();
                other.reverse();
                direct.put(key, other.into(), Over::Replace).await.unwrap();
            }
            let error = body.collect(4 << 20).await.unwrap_err();
            assert_eq!(error.class(), Class::Changed, "{error:?}");
        }
    });
}

#[test]
fn a_body_that_is_not_what_was_written_is_refused() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("spoiled").await;
        for (key, size) in [("small", 100_000), ("large", 12_000_000)] {
            direct.upload(key, pieces(&noise(size)), Upload::default()).await.unwrap();
            for fault in [
                Fault::Flip(0),
                Fault::Flip(size - 1),
                Fault::Flip(size / 2),
                Fault::Shorten(1),
                Fault::Shorten(size / 2),
            ] {
                bench.proxy.clear();
                bench.proxy.rule(Rule::new("GET", format!("/{key}"), fault));
                let error = store.get(key).await.unwrap().collect(16 << 20).await.unwrap_err();
                assert_eq!(error.class(), Class::Corrupt, "{key} {fault:?}: {error:?}");
            }
        }
    });
}

/// "There is none" ends a recovery. It takes a proof: an answer that says so, and a listing that agrees.
#[test]
fn only_a_proof_makes_an_object_absent() {
    let bench = Bench::new();
    run(async {
        let (store, direct) = bench.stores("proof").await;
        direct.put("x", "1".into(), Over::Replace).await.unwrap();
        // A cache or a replica that lags says that a known object isn't there: the listing knows better.
        bench.proxy.rule(Rule::new("GET", "/x?", Fault::Status(404, "NoSuchKey")).times(2));
        bench.proxy.rule(Rule::new("HEAD", "/x", Fault::Status(404, "")).times(2));
        assert_eq!(store.get("x").await.unwrap().collect(10).await.unwrap(), "1");
        assert_eq!(store.head("x").await.unwrap().size, 1);
        // The listing is refused, or isn't one.
        for (fault, class) in [
            (Fault::Status(403, "AccessDenied"), Class::Denied),
            (Fault::Status(404, "NoSuchBucket"), Class::Other),
            (Fault::Status(404, "NoSuchKey"), Class::Absent),
            (Fault::Status(503, "SlowDown"), Class::Busy),
        ] {
            bench.proxy.clear();
            bench.proxy.rule(Rule::new("GET", "list-type=2", fault));
            for error in [store.get("none").await.unwrap_err(), store.head("none").await.unwrap_err()] {
                if class == Class::Absent {
                    // Nonsense of a listing.
                    assert!(!error.is_absent(), "{error:?}");
                } else {
                    assert_eq!(error.class(), class, "{error:?}");
                }
            }
        }
        bench.proxy.clear();
        assert!(store.get("none").await.unwrap_err().is_absent());
    });
}

#[test]
fn an_outage_of_the_service_is_lived_through() {
    let mut bench = Bench::new();
    let store = bench.service.store("outage", "writer");
    run(async {
        let store = open(&store).await;
        store.put("x", noise(1000), Over::Replace).await.unwrap();
        bench.service.kill();
        let waiting = tokio::spawn(async move { store.get("x").await.unwrap().collect(2000).await.unwrap() });
        tokio::time::sleep(Duration::from_millis(500)).await;
        tokio::task::block_in_place(|| bench.service.resume());
        assert!(waiting.await.unwrap() == noise(1000));
    });
}
