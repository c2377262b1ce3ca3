//! The placement against the vectors that all routers share; a server made them.

#![expect(clippy::unwrap_used, clippy::struct_field_names, reason = "a test, and the file's own names")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flotilla::placement::{Buckets, IdLayout, KeyType, RowId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    schema: String,
    placements: Vec<Placement>,
    row_ids: Vec<Id>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Placement {
    #[serde(rename = "type")]
    kind: KeyType,
    key: String,
    row_hash: String,
    buckets: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
    buckets: u32,
    ms: i64,
    at: DateTime<Utc>,
    bucket: u32,
    sequence: u32,
    user_id: bool,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "type")]
    kind: KeyType,
    key: String,
}

fn vectors() -> Vectors {
    let vectors: Vectors = serde_json::from_str(include_str!("../../clients/vectors.json")).unwrap();
    assert_eq!(vectors.schema, "flotilla.vectors/1");
    vectors
}

#[test]
fn keys_hash_and_land_as_the_server_places_them() {
    let placements = vectors().placements;
    assert!(placements.len() > 100);
    for Placement { kind, key: text, row_hash, buckets } in placements {
        let key = kind.parse(&text).unwrap();
        assert_eq!(key.hash().to_string(), row_hash, "{kind} {text:?}");
        for (count, bucket) in buckets {
            let count = Buckets::new(count.parse().unwrap()).unwrap();
            assert_eq!(key.bucket(count).get(), bucket, "{kind} {text:?} of {count}");
        }
    }
}

#[test]
fn row_ids_come_apart_and_together() {
    let ids = vectors().row_ids;
    assert!(ids.iter().any(|id| id.user_id));
    for vector in ids {
        let buckets = Buckets::new(vector.buckets).unwrap();
        let layout = IdLayout::new(buckets);
        let id = RowId::parse(&vector.id).unwrap();
        let parts = layout.parts(id);
        let found = (parts.ms, parts.at, parts.bucket.get(), parts.sequence);
        assert_eq!(found, (vector.ms, vector.at, vector.bucket, vector.sequence), "{id} of {buckets}");

        let tick = layout.tick(vector.ms << layout.sequence_bits() | i64::from(vector.sequence)).unwrap();
        assert_eq!(layout.id(tick, parts.bucket), id);
        let own = KeyType::Bigint.parse(&vector.id).unwrap().bucket(buckets) == parts.bucket;
        assert_eq!(own, vector.user_id, "{id} of {buckets}");
    }
}

#[test]
fn what_the_server_refuses_is_refused() {
    for Refused { kind, key } in vectors().refused {
        assert!(kind.parse(&key).is_err(), "{kind} {key:?}");
    }
}
