//! Routing a stream: read a batch, write a batch, in constant memory.

use std::io::Read;
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla::input::Lines;
use flotilla::output::Output;
use flotilla::ownership::OwnershipMap;
use flotilla::placement::Bucket;
use flotilla::record::{Line, Status};
use flotilla::signal::Stop;
use serde_json::value::{RawValue, to_raw_value};

use super::RouteRow;
use super::keys::Reader;
use super::lines::Template;

/// How many bytes are gathered before they are written.
const BATCH: usize = 1 << 17;

/// Routes values by a map.
pub(super) struct Router<'a> {
    output: &'a Output,
    map: &'a OwnershipMap,
    reader: Reader,
    /// Whether good lines are written as bytes, or as records for the table or for nothing.
    fast: bool,
}

impl<'a> Router<'a> {
    pub(super) fn new(output: &'a Output, map: &'a OwnershipMap, reader: Reader) -> Self {
        let fast = !output.is_table() && !output.is_quiet();
        Self { output, map, reader, fast }
    }

    /// Routes values given on the command line.
    pub(super) fn operands(&self, values: &[String]) -> Result<()> {
        for value in values {
            let input = json_string(value)?;
            match self.reader.value(value).and_then(|b| Ok((b, self.map.owner(b)?))) {
                Ok((bucket, shard)) => self.record(bucket, shard, input)?,
                Err(error) => self.failed(&error, Some(input))?,
            }
        }
        Ok(())
    }

    /// Routes every line. A bad line is an error line; the rest goes on.
    pub(super) fn stream(&self, source: impl Read, stop: &Stop) -> Result<()> {
        let mut lines = Lines::new(source);
        let mut template = Template::new(self.map);
        let mut out = Vec::with_capacity(2 * BATCH);
        let mut good = 0_u64;
        loop {
            let Some(line) = lines.next_line().map_err(unreadable)? else { break };
            let number = line.number;
            match line.bytes {
                // Blank lines between JSON values say nothing; a plain line is its value, also an empty one.
                Ok([]) if self.reader.is_json() => {}
                Ok(bytes) => match self.reader.bucket(bytes, number).and_then(|b| Ok((b, self.map.owner(b)?))) {
                    Ok((bucket, shard)) if self.fast => {
                        good += 1;
                        self.push(&template, &mut out, bucket, shard, bytes);
                    }
                    Ok((bucket, shard)) => self.record(bucket, shard, self.input(bytes)?)?,
                    Err(error) => {
                        self.flush(&mut out, &mut good)?;
                        self.failed(&error, self.input(bytes).ok())?;
                    }
                },
                Err(error) => {
                    self.flush(&mut out, &mut good)?;
                    self.failed(&error, None)?;
                }
            }
            // Nobody waits for a line that is ready: write when the batch is full, or when the next
            // line may take its time.
            if out.len() >= BATCH || !lines.is_ready() {
                self.flush(&mut out, &mut good)?;
                template.touch();
                stop.check()?;
            }
        }
        self.flush(&mut out, &mut good)
    }

    fn push(&self, template: &Template, out: &mut Vec<u8>, bucket: Bucket, shard: usize, bytes: &[u8]) {
        if self.reader.is_json() {
            template.push(out, shard, bucket, bytes);
        } else if bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') {
            let mut quoted = [b'"'; 80];
            if let Some(inner) = quoted.get_mut(1..=bytes.len()).filter(|_| bytes.len() < 78) {
                inner.copy_from_slice(bytes);
                template.push(out, shard, bucket, &quoted[..bytes.len() + 2]);
            } else {
                template.push(out, shard, bucket, &string_bytes(bytes));
            }
        } else {
            template.push(out, shard, bucket, &string_bytes(bytes));
        }
    }

    fn flush(&self, out: &mut Vec<u8>, good: &mut u64) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        self.output.count_good(std::mem::take(good));
        let sent = self.output.raw(out);
        out.clear();
        sent
    }

    fn record(&self, bucket: Bucket, shard: usize, input: Box<RawValue>) -> Result<()> {
        let shard = self.map.shards()[shard].clone();
        let row = RouteRow { bucket: Some(bucket.get()), shard: Some(shard.clone()), input: Some(input) };
        self.output.line(&Line::ok(Some(shard), false, row, Duration::ZERO))
    }

    fn failed(&self, error: &Error, input: Option<Box<RawValue>>) -> Result<()> {
        let row = RouteRow { input, ..RouteRow::default() };
        let line = Line::failed(None, error, Duration::ZERO).with_body(row);
        debug_assert_eq!(line.status, Status::Error);
        self.output.line(&line)
    }

    /// The input as the record nests it: an object as it is, anything else as a string.
    fn input(&self, bytes: &[u8]) -> Result<Box<RawValue>> {
        let text = String::from_utf8_lossy(bytes);
        if self.reader.is_json()
            && let Ok(raw) = RawValue::from_string(text.trim().to_owned())
        {
            return Ok(raw);
        }
        json_string(&text)
    }
}

fn json_string(text: &str) -> Result<Box<RawValue>> {
    to_raw_value(text).map_err(|e| Error::internal("a string is not JSON").source(e))
}

fn string_bytes(bytes: &[u8]) -> Vec<u8> {
    serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string().into_bytes()
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(Code::Io, "could not read standard input").source(error)
}
