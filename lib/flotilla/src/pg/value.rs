//! Values: from the server's text to JSON, without losing anything.
//!
//! | PostgreSQL | JSON |
//! |---|---|
//! | `NULL` | `null` |
//! | `bool` | `true`, `false` |
//! | `int2`, `int4`, `oid` | number |
//! | `int8`, `numeric` | string: they can pass 2^53 |
//! | `float4`, `float8` | number, the server's shortest that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `json`, `jsonb` | nested as it is, digit for digit, without blanks between its tokens |
//! | `timestamptz` | RFC 3339 in UTC with microseconds; before Christ, after 9999 and infinite: the server's text |
//! | arrays | array, nested for more dimensions; one whose indexes don't start at 1: the server's text |
//! | `bytea` | `"\\x…"` in hexadecimal |
//! | everything else | string: the server's text |

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, NaiveTime, SecondsFormat, Utc};
use tokio_postgres::types::{Kind as TypeKind, Oid, Type};

/// The most dimensions that PostgreSQL's arrays have.
const DIMENSIONS: u8 = 6;

/// How a type's text becomes JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `t` or `f`.
    Bool,
    /// A whole number that JSON readers keep exactly.
    Integer,
    /// A floating-point number, or a word for what JSON has no number for.
    Float,
    /// JSON already.
    Json,
    /// A point in time.
    Instant,
    /// Bytes.
    Bytes,
    /// An array: the kind of its elements, and what stands between them.
    Array(Box<Kind>, char),
    /// Any other text.
    Text,
}

impl Kind {
    /// The kind of a built-in type; `None` for one that only the server's catalog knows.
    pub fn of(oid: Oid) -> Option<Self> {
        let known = Type::from_oid(oid)?;
        Some(match known {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::OID => Self::Integer,
            Type::FLOAT4 | Type::FLOAT8 => Self::Float,
            Type::JSON | Type::JSONB => Self::Json,
            Type::TIMESTAMPTZ => Self::Instant,
            Type::BYTEA => Self::Bytes,
            // Arrays by their storage, but written as numbers with blanks between them.
            Type::INT2_VECTOR | Type::OID_VECTOR => Self::Text,
            Type::BOX_ARRAY => Self::Array(Box::new(Self::Text), ';'),
            ref other => match other.kind() {
                TypeKind::Array(element) => Self::Array(Box::new(Self::of(element.oid()).unwrap_or(Self::Text)), ','),
                _ => Self::Text,
            },
        })
    }

    /// Writes a value as JSON; `None` is NULL.
    pub fn write(&self, text: Option<&str>, out: &mut String) {
        match text {
            None => out.push_str("null"),
            Some(text) => self.write_value(text, out),
        }
    }

    fn write_value(&self, text: &str, out: &mut String) {
        match self {
            Self::Bool if text == "t" => out.push_str("true"),
            Self::Bool if text == "f" => out.push_str("false"),
            Self::Integer | Self::Float if is_number(text) => out.push_str(text),
            Self::Json => compact(text, out),
            Self::Instant => string(instant(text).as_deref().unwrap_or(text), out),
            Self::Bytes => string(&hexadecimal(text), out),
            Self::Array(element, delimiter) => {
                let start = out.len();
                if array(text, element, *delimiter, out).is_none() {
                    out.truncate(start);
                    string(text, out);
                }
            }
            _ => string(text, out),
        }
    }
}

/// Writes a JSON string.
pub fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\')) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Whether JSON would take this text for a number.
fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let n = digits(fraction);
        if n == 0 {
            return false;
        }
        rest = &fraction[n..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let n = digits(exponent);
        return n > 0 && n == exponent.len();
    }
    rest.is_empty()
}

/// Copies JSON without the blanks between tokens: `json` keeps line breaks, which would break a
/// line of ours in two.
fn compact(text: &str, out: &mut String) {
    let (mut quoted, mut escaped) = (false, false);
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if byte == b'"' {
            quoted = true;
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            out.push_str(&text[copied..at]);
            copied = at + 1;
        }
    }
    out.push_str(&text[copied..]);
}

/// RFC 3339 in UTC; `None` for what that can't say.
fn instant(text: &str) -> Option<String> {
    let (date, rest) = text.split_once(' ')?;
    // The offset follows the time; a suffix " BC" or a day past the year 9999 fails to parse below.
    let sign = rest.find(['+', '-'])?;
    let (time, offset) = rest.split_at(sign);
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|_| date.len() == 10)?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?;
    let mut seconds = 0;
    let mut unit = 3600;
    for part in offset[1..].split(':') {
        seconds += i64::from(part.parse::<u8>().ok()?) * unit;
        unit /= 60;
    }
    let east = Duration::seconds(if offset.starts_with('-') { -seconds } else { seconds });
    let at: DateTime<Utc> = date.and_time(time).checked_sub_signed(east)?.and_utc();
    (1..=9999).contains(&at.year()).then(|| at.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// Bytes as `\x…`, also where the server is set to write them in its older, escaped form.
fn hexadecimal(text: &str) -> Cow<'_, str> {
    if text.starts_with("\\x") {
        return Cow::Borrowed(text);
    }
    let mut hex = "\\x".to_owned();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), after)
            }
            (byte, after) => (*byte, after),
        };
        let _ = write!(hex, "{byte:02x}");
        rest = after;
    }
    Cow::Owned(hex)
}

/// Writes an array; `None` if the text isn't one that starts at 1, with `out` half written.
fn array(text: &str, element: &Kind, delimiter: char, out: &mut String) -> Option<()> {
    let rest = array_body(text.strip_prefix('{')?, element, delimiter, DIMENSIONS, out)?;
    rest.is_empty().then_some(())
}

/// What follows an opening brace, up to its closing one; returns the rest. `depth` counts down, for what
/// a server sends must not be able to exhaust the stack.
fn array_body<'a>(text: &'a str, element: &Kind, delimiter: char, depth: u8, out: &mut String) -> Option<&'a str> {
    let depth = depth.checked_sub(1)?;
    out.push('[');
    let mut rest = text;
    if let Some(rest) = rest.strip_prefix('}') {
        out.push(']');
        return Some(rest);
    }
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = array_body(inner, element, delimiter, depth, out)?;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = unquote(quoted)?;
            element.write_value(&value, out);
            rest = after;
        } else {
            let end = rest.find([delimiter, '}'])?;
            match &rest[..end] {
                null if null.eq_ignore_ascii_case("null") => out.push_str("null"),
                value => element.write_value(value, out),
            }
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix('}') {
            out.push(']');
            return Some(after);
        }
        rest = rest.strip_prefix(delimiter)?;
        out.push(',');
    }
}

/// An element up to its closing quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(kind: &Kind, text: &str) -> String {
        let mut out = String::new();
        kind.write(Some(text), &mut out);
        serde_json::from_str::<serde_json::Value>(&out).unwrap();
        out
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(json(&Kind::Float, "0.1"), "0.1");
        assert_eq!(json(&Kind::Float, "1e+300"), "1e+300");
        assert_eq!(json(&Kind::Float, "-0"), "-0");
        assert_eq!(json(&Kind::Float, "NaN"), "\"NaN\"");
        assert_eq!(json(&Kind::Float, "-Infinity"), "\"-Infinity\"");
        assert_eq!(json(&Kind::of(20).unwrap(), "9223372036854775807"), "\"9223372036854775807\"");
        assert_eq!(json(&Kind::of(1700).unwrap(), "0.10"), "\"0.10\"");
        assert_eq!(json(&Kind::of(23).unwrap(), "-5"), "-5");
    }

    #[test]
    fn instants_are_utc() {
        for (text, expected) in [
            ("2024-02-29 12:00:00+00", "2024-02-29T12:00:00.000000Z"),
            ("2024-01-01 00:30:00.5+01", "2023-12-31T23:30:00.500000Z"),
            ("1890-01-01 00:00:00-03:06:28", "1890-01-01T03:06:28.000000Z"),
            ("9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31 23:59:59-01", "9999-12-31 23:59:59-01"),
            ("0044-03-15 00:00:00+00 BC", "0044-03-15 00:00:00+00 BC"),
            ("294276-12-31 23:59:59.999999+00", "294276-12-31 23:59:59.999999+00"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
        ] {
            assert_eq!(json(&Kind::Instant, text), format!("\"{expected}\""), "{text}");
        }
    }

    #[test]
    fn json_is_nested_verbatim_in_one_line() {
        let text = "{\n  \"a b\" : [1, 123456789012345678901234567890.10, \"x \\\" y\"] ,\r\n\t\"a b\":null}";
        assert_eq!(
            json(&Kind::Json, text),
            "{\"a b\":[1,123456789012345678901234567890.10,\"x \\\" y\"],\"a b\":null}"
        );
    }

    #[test]
    fn arrays_nest_and_know_null() {
        let ints = Kind::of(1007).unwrap();
        assert_eq!(json(&ints, "{{1,2},{3,NULL}}"), "[[1,2],[3,null]]");
        assert_eq!(json(&ints, "{}"), "[]");
        assert_eq!(json(&ints, "[0:1]={1,2}"), "\"[0:1]={1,2}\"");
        let texts = Kind::of(1009).unwrap();
        assert_eq!(json(&texts, r#"{a,"b,\"}{",NULL,"NULL",""}"#), r#"["a","b,\"}{",null,"NULL",""]"#);
        let documents = Kind::of(3807).unwrap();
        assert_eq!(json(&documents, r#"{"{\"a\": [1, 2]}",null}"#), r#"[{"a":[1,2]},null]"#);
        assert_eq!(json(&Kind::of(1020).unwrap(), "{(1,1),(0,0);(2,2),(0,0)}"), r#"["(1,1),(0,0)","(2,2),(0,0)"]"#);
        assert_eq!(json(&Kind::of(22).unwrap(), "1 2"), "\"1 2\"");
        assert_eq!(json(&ints, "{1,2"), "\"{1,2\"");
    }

    #[test]
    fn bytes_are_hexadecimal_however_the_server_writes_them() {
        assert_eq!(json(&Kind::Bytes, "\\x00ff"), r#""\\x00ff""#);
        assert_eq!(json(&Kind::Bytes, r"a\\\377\000"), r#""\\x615cff00""#);
    }

    proptest! {
        #[test]
        fn strings_are_json(text in ".*") {
            let mut out = String::new();
            string(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_text_of_any_kind_is_json(text in ".*") {
            for kind in [Kind::Bool, Kind::Integer, Kind::Float, Kind::Instant, Kind::Bytes, Kind::Text,
                         Kind::Array(Box::new(Kind::Float), ','), Kind::Array(Box::new(Kind::Text), ',')] {
                json(&kind, &text);
            }
        }

        #[test]
        fn numbers_are_what_json_takes(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            prop_assert_eq!(is_number(&text), serde_json::from_str::<serde_json::Number>(&text).is_ok());
        }
    }
}
