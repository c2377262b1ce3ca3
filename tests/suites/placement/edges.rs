//! Keys at the edges: each is placed as the server places it, or refused.

use flotilla::placement::{Buckets, KeyType};
use flotilla_tests::Fleet;
use serde_json::{Value, json};

use super::{server_buckets, session};

/// Keys that must be accepted, and placed as the server places them.
fn right(kind: KeyType) -> Vec<String> {
    let texts: &[&str] = match kind {
        KeyType::Bigint => &[
            "0",
            "1",
            "-1",
            "42",
            "2147483647",
            "2147483648",
            "-2147483648",
            "-2147483649",
            "4294967295",
            "4294967296",
            "-4294967296",
            "9007199254740993",
            "9223372036854775807",
            "-9223372036854775807",
            "-9223372036854775808",
        ],
        KeyType::Int => &["0", "1", "-1", "32768", "-32769", "2147483647", "-2147483648"],
        KeyType::Uuid => &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "F47AC10B-58CC-4372-A567-0E02B2C3D479",
            "f47ac10b58cc4372a5670e02b2c3d479",
            "{f47ac10b-58cc-4372-a567-0e02b2c3d479}",
            "f47a-c10b-58cc-4372-a567-0e02-b2c3-d479",
        ],
        KeyType::Text => &[
            "",
            " ",
            "a",
            "A",
            "a ",
            "007",
            "NULL",
            "\\N",
            "\u{1}",
            "tab\tline\nreturn\r\\",
            "'\"",
            "é",
            "e\u{301}",
            "İ",
            "ß",
            "数据库",
            "قاعدة",
            "👩‍👩‍👧‍👦",
            "\u{feff}bom",
            "\u{ffff}",
            "\u{10ffff}",
            "elevenbytes",
            "twelve bytes",
            "thirteen byte",
        ],
    };
    let mut keys: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    if kind == KeyType::Text {
        keys.extend(["x".repeat(900_000), "🙂".repeat(50_000)]);
    }
    keys
}

/// Keys that must be refused, whatever the server would make of them.
const REFUSED: &[(KeyType, &[&str])] = &[
    (
        KeyType::Bigint,
        &[
            "",
            " ",
            " 1",
            "1 ",
            "1\n",
            "+1",
            "-",
            "--1",
            "-0",
            "007",
            "-01",
            "1.0",
            "1.5",
            "1e3",
            "0x1f",
            "1_000",
            "1,000",
            "１２",
            "٣",
            "null",
            "NULL",
            "\\N",
            "NaN",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999999999999999999999999999",
            "1\0",
        ],
    ),
    (KeyType::Int, &["", "2147483648", "-2147483649", "4294967296", "9223372036854775808", "1.0", "-0", "01", " 7"]),
    (
        KeyType::Uuid,
        &[
            "",
            "0",
            "f47ac10b-58cc-4372-a567-0e02b2c3d47",
            "f47ac10b-58cc-4372-a567-0e02b2c3d4790",
            "g47ac10b-58cc-4372-a567-0e02b2c3d479",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479 ",
            "f47ac10b--58cc-4372-a567-0e02b2c3d479",
            "f-47ac10b58cc4372a5670e02b2c3d479",
            "{f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479}",
            "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479",
        ],
    ),
    (KeyType::Text, &["\0", "a\0b"]),
];

#[tokio::test]
async fn edge_keys_are_right_or_refused() {
    let fleet = Fleet::new().shards(1).init().start();
    let client = session(fleet.primary(0)).await;
    for kind in KeyType::ALL {
        let keys = right(kind);
        let buckets = server_buckets(&client, kind, &keys).await.expect("the server takes each of them");
        for (text, bucket) in keys.iter().zip(buckets) {
            let key = kind.parse(text).unwrap_or_else(|e| panic!("{kind} {text:.40?}: {e}"));
            assert_eq!(i64::from(key.bucket(Buckets::DEFAULT).get()), i64::from(bucket), "{kind} {text:.40?}");
        }
    }
    for &(kind, texts) in REFUSED {
        for text in texts {
            assert!(kind.parse(text).is_err(), "{kind} {text:?} is taken");
            assert!(kind.parse_json(&json!(text)).is_err(), "{kind} {text:?} is taken from JSON");
        }
        for value in [Value::Null, json!(true), json!([1]), json!({"k": 1}), json!(1.5)] {
            assert!(kind.parse_json(&value).is_err(), "{kind} {value} is taken");
        }
        let nothing = format!("SELECT flotilla.bucket(NULL::{kind}) IS NULL");
        assert_eq!(fleet.sql(0, &nothing), "t", "{kind}: NULL has no bucket");
    }
}

/// What the server itself refuses, Rust must refuse: a row that can't exist has no place.
#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let fleet = Fleet::new().shards(1).init().start();
    let client = session(fleet.primary(0)).await;
    let mut refused = 0;
    for from in KeyType::ALL {
        // Each type's keys, right and wrong ones, read as each other type.
        let mut texts = right(from);
        texts.extend(
            REFUSED.iter().filter(|(kind, _)| *kind == from).flat_map(|(_, t)| t.iter().map(ToString::to_string)),
        );
        for kind in KeyType::ALL {
            for text in &texts {
                let server = server_buckets(&client, kind, std::slice::from_ref(text)).await.ok();
                let ours = kind.parse(text).ok().map(|key| i64::from(key.bucket(Buckets::DEFAULT).get()));
                refused += usize::from(server.is_none());
                match (server, ours) {
                    (None, ours) => assert_eq!(ours, None, "{kind} {text:.40?}: the server refuses it"),
                    (Some(_), None) => {}
                    (Some(server), Some(_)) => {
                        assert_eq!(ours, Some(i64::from(server[0])), "{kind} {text:.40?}");
                    }
                }
            }
        }
    }
    assert!(refused > 100, "the server refused {refused} only");
}

/// Through the tool: good lines are routed, each bad one is an error line, and the run says so.
#[test]
fn the_tool_refuses_bad_keys_line_by_line() {
    for kind in KeyType::ALL {
        let fleet = Fleet::new().shards(1).key_type(kind.name()).init().start();
        let good = right(kind);
        let bad = REFUSED.iter().find(|(of, _)| *of == kind).expect("some are refused").1;
        let values = good.iter().map(|key| json!(key)).chain(bad.iter().map(|key| json!(key))).chain([
            Value::Null,
            json!(true),
            json!([1]),
        ]);
        let lines: String = values.map(|value| json!({ "k": value }).to_string() + "\n").collect();
        let outcome = fleet.shardctl(["route", "--by", "key", "--field", "k"]).stdin(lines).run();
        let statuses: Vec<_> = outcome.lines().iter().map(|line| line["status"].clone()).collect();
        assert_ne!(outcome.code(), Some(0), "{kind}: {}", outcome.stderr);
        assert_eq!(statuses.len(), good.len() + bad.len() + 3, "{kind}");
        for (at, status) in statuses.iter().enumerate() {
            let expected = if at < good.len() { "ok" } else { "error" };
            assert_eq!(status, expected, "{kind}: line {}: {:.200}", at + 1, outcome.lines()[at].to_string());
        }
    }
}

#[test]
fn negative_keys_are_operands() {
    let fleet = Fleet::new().shards(1).init().start();
    let outcome = fleet.shardctl(["route", "--by", "key", "-1", "-9223372036854775808"]).run().ok();
    let buckets: Vec<_> = outcome.lines().iter().map(|line| line["bucket"].to_string()).collect();
    let server = fleet.sql(0, "SELECT flotilla.bucket(-1), flotilla.bucket(-9223372036854775808)");
    assert_eq!(buckets.join("|"), server, "{}", outcome.transcript());
}
