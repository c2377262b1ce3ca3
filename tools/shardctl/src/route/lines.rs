//! Route lines as bytes. Millions a second go out, so they are not built as values first; a test
//! holds them to the contract's own writer.

use flotilla::clock;
use flotilla::ownership::OwnershipMap;
use flotilla::placement::Bucket;

/// The parts of a line that don't change from key to key.
pub(super) struct Template {
    /// For each shard: what stands before `at`.
    heads: Vec<Vec<u8>>,
    /// For each shard: from after the bucket to the input.
    middles: Vec<Vec<u8>>,
    /// From `at` to the bucket.
    at: Vec<u8>,
}

impl Template {
    pub(super) fn new(map: &OwnershipMap) -> Self {
        let quoted = |name: &str| serde_json::Value::from(name).to_string();
        let heads = map.shards().iter().map(|s| {
            let target = quoted(s);
            format!(r#"{{"schema":"shardctl.route/1","target":{target},"status":"ok","changed":false,"at":""#)
        });
        let middles = map.shards().iter().map(|s| format!(r#","shard":{},"input":"#, quoted(s)));
        let mut template = Self {
            heads: heads.map(String::into_bytes).collect(),
            middles: middles.map(String::into_bytes).collect(),
            at: Vec::new(),
        };
        template.touch();
        template
    }

    /// Sets the clock; once a batch is often enough.
    pub(super) fn touch(&mut self) {
        self.at = format!(r#"{}","duration_ms":0,"bucket":"#, clock::rfc3339(clock::now())).into_bytes();
    }

    /// Appends one line. `input` must be JSON already.
    pub(super) fn push(&self, out: &mut Vec<u8>, shard: usize, bucket: Bucket, input: &[u8]) {
        out.extend_from_slice(&self.heads[shard]);
        out.extend_from_slice(&self.at);
        number(out, bucket.get());
        out.extend_from_slice(&self.middles[shard]);
        out.extend_from_slice(input);
        out.extend_from_slice(b",\"error\":null}\n");
    }
}

/// Appends a number in decimal.
fn number(out: &mut Vec<u8>, mut n: u32) {
    let mut digits = [0_u8; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
