//! Times as people write them: with an offset from UTC, or in UTC.
//!
//! A time without an offset is never taken for local time: where clocks are set back in autumn, one
//! hour happens twice, and which of the two was meant decides what is restored.

use chrono::{DateTime, FixedOffset, NaiveDateTime, SubsecRound as _, Utc};

/// A time, and whether it said from which zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// The time, in whole microseconds.
    pub(crate) at: DateTime<Utc>,
    /// Whether it had an offset.
    pub(crate) has_offset: bool,
}

/// Reads a time for a command line.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    let trimmed = text.trim();
    let (plain, utc) = ["Z", "z", " UTC", " GMT"]
        .iter()
        .find_map(|suffix| trimmed.strip_suffix(suffix))
        .map_or((trimmed, false), |plain| (plain.trim_end(), true));
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(plain, form) {
            return Ok(When { at: at.and_utc().trunc_subsecs(6), has_offset: utc });
        }
        if !utc && let Some(at) = with_offset(plain, form) {
            return Ok(When { at: at.to_utc().trunc_subsecs(6), has_offset: true });
        }
    }
    let hint = if trimmed.chars().any(char::is_alphabetic) {
        "names of zones are not taken, for where clocks are set back an hour happens twice; give the offset"
    } else {
        "give date and time"
    };
    Err(format!("{hint}, as 2024-06-28T15:30:00Z, \"2024-06-28 15:30:00\" (UTC) or \"2024-06-28 17:30:00+02:00\""))
}

fn with_offset(text: &str, form: &str) -> Option<DateTime<FixedOffset>> {
    ["%#z", " %#z"].iter().find_map(|offset| DateTime::parse_from_str(text, &format!("{form}{offset}")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, bool)> {
        let when = parse(text).ok()?;
        Some((flotilla::clock::rfc3339(when.at), when.has_offset))
    }

    #[test]
    fn a_time_is_utc_unless_it_says_its_offset() {
        for (text, at, has_offset) in [
            ("2024-06-28 15:30:00", "2024-06-28T15:30:00.000000Z", false),
            ("2024-06-28 15:30", "2024-06-28T15:30:00.000000Z", false),
            ("2024-06-28T15:30:00.123456789Z", "2024-06-28T15:30:00.123456Z", true),
            ("2024-06-28 15:30:00 UTC", "2024-06-28T15:30:00.000000Z", true),
            ("2024-06-28 15:30:00+02", "2024-06-28T13:30:00.000000Z", true),
            ("2024-06-28 15:30:00.5 -03:30", "2024-06-28T19:00:00.500000Z", true),
            ("2024-06-28T15:30+0200", "2024-06-28T13:30:00.000000Z", true),
        ] {
            assert_eq!(read(text), Some((at.to_owned(), has_offset)), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_times_is_refused() {
        for text in [
            "2024-10-27 02:30:00 Europe/Berlin",
            "2024-10-27 02:30:00 CET",
            "2024-06-28",
            "15:30",
            "06/28/2024 15:30:00",
            "2024-06-31 15:30:00",
            "yesterday",
            "",
            "2024-06-28 15:30:00+02 UTC",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_record_writes_is_read_back(micros in 0_i64..4_102_444_800_000_000) {
            let at = DateTime::from_timestamp_micros(micros).unwrap_or_default();
            let when = parse(&flotilla::clock::rfc3339(at));
            proptest::prop_assert_eq!(when, Ok(When { at, has_offset: true }));
        }

        #[test]
        fn anything_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
