//! Values as the server writes them: the first byte chooses the type, the text follows.

use flotilla::pg::value::Kind;
use serde_json::Value;
use serde_json::value::RawValue;

fn kind(byte: u8) -> Kind {
    let scalar = match byte % 7 {
        0 => Kind::Bool,
        1 => Kind::Integer,
        2 => Kind::Float,
        3 => Kind::Json,
        4 => Kind::Instant,
        5 => Kind::Bytes,
        _ => Kind::Text,
    };
    match byte / 7 % 3 {
        0 => scalar,
        1 => Kind::Array(Box::new(scalar), ','),
        _ => Kind::Array(Box::new(scalar), ';'),
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let [first, rest @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let kind = kind(*first);
    let mut out = String::new();
    kind.write(Some(text), &mut out);
    let is_json = |text: &str| serde_json::from_str::<Box<RawValue>>(text).is_ok();
    // Values of type json are copied, so they are what the server makes of them; a row looks again.
    let copied = match &kind {
        Kind::Json => !is_json(text),
        Kind::Array(element, _) => **element == Kind::Json,
        _ => false,
    };
    if !copied {
        assert!(is_json(&out), "{kind:?} {text:?} is not JSON: {out}");
        assert!(!out.contains(['\n', '\r']), "{kind:?} {text:?}: a line is broken in two");
    }
    match kind {
        Kind::Text => assert_eq!(serde_json::from_str::<String>(&out).expect("a string"), text),
        // Digit for digit, where it is JSON at all.
        Kind::Json => {
            if let (Ok(before), Ok(after)) = (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(&out))
            {
                assert_eq!(before, after);
            }
        }
        _ => {}
    }
}
