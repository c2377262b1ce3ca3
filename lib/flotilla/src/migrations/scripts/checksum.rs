//! Flyway's checksum: CRC-32 over the lines of a text without their ends, as a signed number.
//!
//! Line ends, a byte order mark and blank lines at the end make no difference. Source: Flyway's
//! `ChecksumCalculator`; held to the real tool by the suite `flyway`.

/// The checksum of a text.
pub fn checksum(text: &str) -> i32 {
    let mut crc = crc32fast::Hasher::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A lone carriage return ends a line too; the empty lines that splitting CR from LF makes add nothing.
    for line in text.split(['\n', '\r']) {
        crc.update(line.as_bytes());
    }
    crc.finalize().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn line_ends_and_marks_make_no_difference() {
        let plain = checksum("select 1;\nselect 2;");
        for same in ["select 1;\r\nselect 2;\r\n", "\u{feff}select 1;\rselect 2;\n\n\n", "select 1;\n\n\nselect 2;"] {
            assert_eq!(checksum(same), plain, "{same:?}");
        }
        assert_ne!(checksum("select 1;\nselect 2; "), plain);
    }

    #[test]
    fn nothing_is_zero() {
        assert_eq!(checksum(""), 0);
        assert_eq!(checksum("\u{feff}\r\n"), 0);
    }
}
