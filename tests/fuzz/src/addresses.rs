//! URLs of other programs, durations, and what a pooler says of waiting clients.

use flotilla::{clock, reach};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (host, port) = reach::host_and_port(text);
    assert!(text.contains(&host));
    assert!(port.is_none_or(|port| port.to_string().len() <= text.len()));
    if let Some(found) = poolcfg::render::patroni_endpoint(text) {
        let scheme = if found.tls { "https" } else { "http" };
        let again = poolcfg::render::patroni_endpoint(&format!("{scheme}://{}:{}", found.address, found.port));
        assert_eq!(again.as_ref(), Some(&found));
    }
    let _ = clock::parse_duration(text);
    let (seconds, microseconds) = text.split_once(' ').map_or((text, None), |(a, b)| (a, Some(b)));
    let waited = shardctl::fuzz::waiting(Some(seconds), microseconds);
    assert_eq!(waited.is_some(), seconds.parse::<u64>().is_ok());
}
