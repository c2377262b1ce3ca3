//! Names of restore points.

use flotilla_archive::names::has_segment_run;

/// The longest name that PostgreSQL takes.
const LONGEST: usize = 63;

/// A name that PostgreSQL, every store, and WAL-G's retention take for what it is.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
        return Err(format!("at most {LONGEST} of letters, digits, dots, hyphens and underscores"));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("begin with a letter or a digit".to_owned());
    }
    if has_segment_run(text) {
        return Err("24 hexadecimal digits in a row would be taken for the name of a WAL segment".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_name_is_plain() {
        for good in ["a", "before-release-42", "nightly-2024-06-28", "V1.2_3", &"x".repeat(63)] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "..",
            "-x",
            "ü",
            "000000010000000000000042",
            "d-00000001000000000000004A",
            &"x".repeat(64),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
