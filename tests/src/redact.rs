//! Snapshots without what differs from run to run.

use std::sync::OnceLock;

use regex::Regex;

/// What is replaced, in this order.
const RULES: [(&str, &str); 22] = [
    (r"/[^\s\x22',]*/flotilla-test-[A-Za-z0-9]{6}", "[sandbox]"),
    (r"/[^\s\x22',]*/flotilla-[A-Za-z0-9]{6}", "[server]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "[time]"),
    (r#""execution_time_ms":\d+"#, r#""execution_time_ms":0"#),
    (r#""duration_ms":\d+"#, r#""duration_ms":0"#),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
    (r#"\b1[5-9]\.\d+( \([^)"]*\))?"#, "[version]"),
    (r#"tester@[^"\s]+"#, "tester@[host]"),
    (r#"("lag_bytes"|"lag_seconds"|"lag_ms"):[0-9.]+"#, "$1:0"),
    (r#"("id"|"made_at"):"\d+""#, r#"$1:"[id]""#),
    (r#""sequence":\d+"#, r#""sequence":0"#),
    (r"port \d{4,5}\b", "port [port]"),
    (r#"("\w*lsn"):"[0-9A-F]+/[0-9A-F]+""#, r#"$1:"[lsn]""#),
    (r"\b(base_)?[0-9A-F]{24}\b", "$1[segment]"),
    (r#"("plan"):"[0-9a-f]{20}""#, r#"$1:"[hash]""#),
    // Of every definition and right, so each change of the schema would change it.
    (r#"("fingerprint"):"[0-9a-f]{32}""#, r#"$1:"[hash]""#),
    (r#"("system_identifier"):"\d+""#, r#"$1:"[id]""#),
    (r#"("rpo_seconds"):[0-9.e+]+"#, "$1:0.0"),
    (r#"("counted_seconds"):[0-9.e+]+"#, "$1:0.0"),
    (r#"("run_id"):"[^"]*""#, r#"$1:"[uuid]""#),
    (r#"("(state_seconds|longest_wait_ms|stall_ms|received_bytes|sent_bytes|\w+_time_ms)"):\d+"#, "$1:0"),
];

/// The text with times, durations, temporary paths, ports, ids and versions replaced by words.
pub fn redact(text: &str) -> String {
    static COMPILED: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let rules = COMPILED.get_or_init(|| {
        RULES.iter().map(|(pattern, word)| (Regex::new(pattern).expect("a good pattern"), *word)).collect()
    });
    rules.iter().fold(text.to_owned(), |text, (pattern, word)| pattern.replace_all(&text, *word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let line = r#"{"at":"2026-11-24T00:26:49.123456Z","duration_ms":17,"host":"/tmp/flotilla-aB3dE6","v":"15.18 (Debian 15.18-0+deb12u1)"}"#;
        assert_eq!(redact(line), r#"{"at":"[time]","duration_ms":0,"host":"[server]","v":"[version]"}"#);
        assert_eq!(redact("/tmp/x/flotilla-test-Ab12Cd/flotilla.toml:3"), "[sandbox]/flotilla.toml:3");
    }
}
