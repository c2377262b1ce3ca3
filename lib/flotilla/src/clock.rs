//! Time: what a record's `at` says, and durations as people write them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// The present, by the machine's clock.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A time as every record writes it: RFC 3339, UTC, microseconds, `Z`.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A duration as flags take it: `500ms`, `5s`, `1m 30s`, `2h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; write for example 500ms, 5s, 1m30s"))
}

/// Whole milliseconds, as `duration_ms` fields hold them.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
