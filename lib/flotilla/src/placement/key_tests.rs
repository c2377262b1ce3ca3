use proptest::prelude::*;
use serde_json::json;

use super::{Key, KeyType, Value};

fn message(kind: KeyType, text: &str) -> String {
    kind.parse(text).expect_err(text).message().to_owned()
}

#[test]
fn integers_have_one_spelling() {
    for text in ["0", "1", "-1", "999999999999999999", "9223372036854775807", "-9223372036854775808"] {
        assert_eq!(KeyType::Bigint.parse(text).expect(text).to_string(), text);
    }
    for text in ["", "-", "+1", " 1", "1 ", "1\n", "1_000", "0x10", "1.0", "1e3", "--1", "١", "1\0"] {
        assert!(message(KeyType::Bigint, text).starts_with("invalid input syntax for type bigint: "), "{text:?}");
    }
    for text in ["00", "-0", "007", "-01"] {
        assert!(message(KeyType::Bigint, text).contains("plain spelling"), "{text:?}");
    }
    for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999999999"] {
        assert!(message(KeyType::Bigint, text).contains("out of range for type bigint"), "{text:?}");
    }
    assert!(KeyType::Int.parse("2147483647").is_ok());
    assert!(message(KeyType::Int, "2147483648").contains("out of range for type int"));
    assert!(message(KeyType::Bigint, &"9".repeat(1 << 20)).len() < 200, "a huge key isn't printed whole");
}

#[test]
fn uuids_are_read_as_the_server_reads_them() {
    let key = KeyType::Uuid.parse("f47ac10b-58cc-4372-a567-0e02b2c3d479").expect("canonical");
    for text in [
        "F47AC10B-58CC-4372-A567-0E02B2C3D479",
        "f47ac10b58cc4372a5670e02b2c3d479",
        "{f47ac10b-58cc-4372-a567-0e02b2c3d479}",
        "{f47ac10b58cc4372a5670e02b2c3d479}",
        "f47a-c10b-58cc-4372-a567-0e02-b2c3-d479",
        "f47ac10b-58cc4372-a5670e02-b2c3d479",
    ] {
        assert_eq!(KeyType::Uuid.parse(text).expect(text), key);
    }
    for text in [
        "",
        "{}",
        "f47ac10b-58cc-4372-a567-0e02b2c3d47",
        "f47ac10b-58cc-4372-a567-0e02b2c3d4790",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479-",
        "{f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479}",
        " f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "f4-7ac10b58cc4372a5670e02b2c3d479",
        "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "g47ac10b-58cc-4372-a567-0e02b2c3d479",
    ] {
        assert!(message(KeyType::Uuid, text).starts_with("invalid input syntax for type uuid: "), "{text:?}");
    }
}

#[test]
fn text_is_taken_as_it_stands() {
    for text in ["", " ", "a", "007", "ünïcode", "🛶\n\t"] {
        assert_eq!(KeyType::Text.parse(text).expect(text), Key::Text(text.to_owned()));
    }
    assert_eq!(message(KeyType::Text, "a\0b"), "a text key cannot hold a NUL byte");
}

#[test]
fn json_is_read_by_the_declared_type() {
    let read = |kind: KeyType, value: Value| kind.parse_json(&value);
    assert_eq!(read(KeyType::Bigint, json!(42)).expect("a number"), Key::Bigint(42));
    assert_eq!(read(KeyType::Bigint, json!("42")).expect("digits"), Key::Bigint(42));
    assert_eq!(read(KeyType::Bigint, json!(i64::MIN)).expect("a number"), Key::Bigint(i64::MIN));
    assert_eq!(read(KeyType::Text, json!("42")).expect("a string"), Key::Text("42".to_owned()));
    for (kind, value) in [
        (KeyType::Bigint, json!(null)),
        (KeyType::Bigint, json!(1.0)),
        (KeyType::Bigint, json!(u64::MAX)),
        (KeyType::Bigint, json!(true)),
        (KeyType::Bigint, json!([1])),
        (KeyType::Int, json!(1_i64 << 31)),
        (KeyType::Text, json!(42)),
        (KeyType::Text, json!({"id": 1})),
        (KeyType::Text, json!("\0")),
        (KeyType::Uuid, json!(0)),
    ] {
        assert!(kind.parse_json(&value).is_err(), "{kind} {value}");
    }
    // Not 0 and not an integer's spelling: JSON readers disagree about it.
    let minus_zero: Value = serde_json::from_str("-0").expect("JSON");
    assert!(KeyType::Bigint.parse_json(&minus_zero).is_err());
}

#[test]
fn names_of_key_types() {
    for kind in KeyType::ALL {
        assert_eq!(kind.name().parse::<KeyType>().expect("its own name"), kind);
    }
    assert!("BIGINT".parse::<KeyType>().is_err());
}

proptest! {
    #[test]
    fn every_integer_survives(key: i64) {
        prop_assert_eq!(KeyType::Bigint.parse(&key.to_string()).ok(), Some(Key::Bigint(key)));
        prop_assert_eq!(KeyType::Bigint.parse_json(&json!(key)).ok(), Some(Key::Bigint(key)));
        prop_assert_eq!(KeyType::Int.parse(&key.to_string()).is_ok(), i32::try_from(key).is_ok());
    }

    #[test]
    fn every_uuid_survives(key: u128) {
        let key = uuid::Uuid::from_u128(key);
        prop_assert_eq!(KeyType::Uuid.parse(&key.to_string()).ok(), Some(Key::Uuid(key)));
        prop_assert_eq!(KeyType::Uuid.parse(&key.simple().to_string()).ok(), Some(Key::Uuid(key)));
    }

    #[test]
    fn no_input_panics(text: String) {
        for kind in KeyType::ALL {
            if let Ok(key) = kind.parse(&text) {
                // One spelling, uuids aside: what is read prints as it was written.
                if kind != KeyType::Uuid {
                    prop_assert_eq!(key.to_string(), text.clone());
                }
            }
        }
    }

    #[test]
    fn digits_are_read_as_the_standard_library_reads_them(text in "-?[0-9]{1,21}") {
        let plain = text.parse::<i64>().ok().filter(|key| key.to_string() == text).map(Key::Bigint);
        prop_assert_eq!(KeyType::Bigint.parse(&text).ok(), plain);
    }
}
