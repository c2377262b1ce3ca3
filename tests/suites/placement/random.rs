//! Random keys: made here, placed here, and proved by the server.

use std::fmt::Write as _;
use std::io::Cursor;
use std::pin::pin;

use flotilla::placement::{Buckets, KeyType};
use flotilla_tests::Fleet;
use futures_util::SinkExt as _;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{server_buckets, session};

/// How many keys of each type.
const KEYS: usize = 120_000;

/// How many of them go through `shardctl route` too.
const ROUTED: usize = 3_000;

/// Partitions that the server routes into by itself; they divide every number of buckets tried.
const PARTITIONS: u32 = 16;

/// `SplitMix64`: a seed that a failure names makes the same keys again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// An integer of any magnitude: uniform ones alone would hardly ever be small.
    fn integer(&mut self) -> i64 {
        let shift = self.below(64);
        self.next().cast_signed() >> shift
    }

    /// Any character but NUL, which no text holds; as often a short one as a long one.
    fn letter(&mut self) -> char {
        const ENDS: [u64; 4] = [0x80, 0x800, 0x1_0000, 0x11_0000];
        loop {
            let end = ENDS[usize::try_from(self.below(4)).expect("below 4")];
            let code = u32::try_from(1 + self.below(end - 1)).expect("a code point");
            // Surrogates are no characters.
            if let Some(letter) = char::from_u32(code) {
                return letter;
            }
        }
    }

    /// A text: mostly of the lengths around the hash's blocks, sometimes empty, sometimes long.
    fn text(&mut self) -> String {
        let length = match self.below(1000) {
            0 => 2_000 + self.below(20_000),
            1..20 => 0,
            _ => 1 + self.below(40),
        };
        (0..length).map(|_| self.letter()).collect()
    }
}

#[tokio::test]
async fn bigint_keys_are_placed_as_the_server_places_them() {
    agree(KeyType::Bigint, |random| random.integer().to_string()).await;
}

#[tokio::test]
async fn int_keys_are_placed_as_the_server_places_them() {
    agree(KeyType::Int, |random| (random.integer() >> 32).to_string()).await;
}

#[tokio::test]
async fn uuid_keys_are_placed_as_the_server_places_them() {
    agree(KeyType::Uuid, |random| Uuid::from_u64_pair(random.next(), random.next()).to_string()).await;
}

#[tokio::test]
async fn text_keys_are_placed_as_the_server_places_them() {
    agree(KeyType::Text, Random::text).await;
}

async fn agree(kind: KeyType, mut draw: impl FnMut(&mut Random) -> String) {
    let seed = Uuid::new_v4().as_u64_pair().0;
    let mut random = Random(seed);
    let keys: Vec<String> = (0..KEYS).map(|_| draw(&mut random)).collect();
    let fleet = Fleet::new().key_type(kind.name()).init().start();
    let client = session(fleet.primary(0)).await;
    let proof = prove(&client, kind, &keys).await;
    assert_eq!(proof.rows, i64::try_from(KEYS).expect("a count"), "seed {seed}");
    assert_eq!(proof.mismatches, [0; 5], "seed {seed}: by partition, 1024, 65536, function, expression");
    assert_eq!(proof.buckets, 1024, "seed {seed}: every bucket gets keys");
    route(&fleet, kind, &keys[..ROUTED], seed).await;
}

/// What the server says about the buckets of all keys.
struct Proof {
    rows: i64,
    buckets: i64,
    mismatches: [i64; 5],
}

/// Streams the keys, with the buckets that Rust finds, into a table that the server partitions by its
/// own hash, and asks how many are in another place than Rust says.
async fn prove(client: &Client, kind: KeyType, keys: &[String]) -> Proof {
    let mut table =
        format!("CREATE TABLE placed (key {kind}, bucket int NOT NULL, finest int NOT NULL) PARTITION BY HASH (key);");
    for remainder in 0..PARTITIONS {
        let _ = write!(
            table,
            "CREATE TABLE part{remainder} PARTITION OF placed FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {remainder});"
        );
    }
    client.batch_execute(&table).await.expect("a partitioned table");
    copy(client, kind, keys).await;
    let expression = "SELECT flotilla.bucket_expression('key', $1)";
    let expression: String = client.query_one(expression, &[&kind.name()]).await.expect("an expression").get(0);
    let sql = format!(
        "SELECT count(*), count(DISTINCT bucket),
                count(*) FILTER (WHERE tableoid <> ('part' || bucket % {PARTITIONS})::regclass),
                count(*) FILTER (WHERE NOT satisfies_hash_partition('placed'::regclass, 1024, bucket, key)),
                count(*) FILTER (WHERE NOT satisfies_hash_partition('placed'::regclass, 65536, finest, key)),
                count(*) FILTER (WHERE bucket <> flotilla.bucket(key)),
                count(*) FILTER (WHERE bucket <> {expression})
         FROM placed"
    );
    let row = client.query_one(&sql, &[]).await.expect("a proof");
    Proof { rows: row.get(0), buckets: row.get(1), mismatches: [2, 3, 4, 5, 6].map(|at| row.get(at)) }
}

async fn copy(client: &Client, kind: KeyType, keys: &[String]) {
    let finest = Buckets::new(Buckets::MAX).expect("a power of two");
    let sink = client.copy_in("COPY placed FROM STDIN").await.expect("a copy");
    let mut sink = pin!(sink);
    for keys in keys.chunks(4096) {
        let mut rows = String::new();
        for text in keys {
            let key = kind.parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
            let (bucket, finest) = (key.bucket(Buckets::DEFAULT), key.bucket(finest));
            let _ = writeln!(rows, "{}\t{bucket}\t{finest}", escaped(text));
        }
        sink.send(Cursor::new(rows.into_bytes())).await.expect("the server reads");
    }
    sink.finish().await.expect("the server takes every row");
}

/// A text as COPY's text format writes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}

/// The tool's own word on a sample: bucket and shard are those that the servers name.
async fn route(fleet: &Fleet, kind: KeyType, keys: &[String], seed: u64) {
    let lines: String = keys.iter().map(|key| json!({ "k": key }).to_string() + "\n").collect();
    let outcome = fleet.shardctl(["route", "--by", "key", "--field", "k"]).stdin(lines).run().ok();
    let routed = outcome.lines();
    assert_eq!(routed.len(), keys.len(), "seed {seed}");
    let owns = "SELECT EXISTS (SELECT FROM flotilla.ownership WHERE state = 'owned' AND b BETWEEN first_bucket AND \
                last_bucket) FROM unnest($1::int[]) WITH ORDINALITY AS u (b, n) ORDER BY n";
    for (at, shard) in fleet.shards.iter().enumerate() {
        let client = session(fleet.primary(at)).await;
        let buckets = server_buckets(&client, kind, keys).await.expect("buckets");
        let owned = client.query(owns, &[&buckets]).await.expect("ownership");
        for (((line, key), bucket), owned) in routed.iter().zip(keys).zip(buckets).zip(owned) {
            assert_eq!((&line["input"]["k"], &line["bucket"]), (&json!(key), &json!(bucket)), "seed {seed}");
            assert_eq!(line["shard"] == shard.name.as_str(), owned.get::<_, bool>(0), "seed {seed}: {line}");
        }
    }
}
