//! Reading objects. A body that breaks off, or stands still, is taken up where it was.

use std::ops::Range;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::{S3, failure, moment, read};
use crate::store::patience::{PROGRESS, Setbacks};
use crate::store::{Body, Class, Meta, Result, StoreError};

/// One object on its way.
struct Reading {
    s3: S3,
    meta: Meta,
    /// What comes next, and where it ends.
    rest: Range<u64>,
    stream: Option<ByteStream>,
    /// Of all that has come; only where the whole object is read.
    digest: Option<Digest>,
    setbacks: Setbacks,
    /// What has come since when.
    window: (u64, Instant),
}

impl S3 {
    pub(super) async fn read(&self, key: String, range: Option<Range<u64>>) -> Result<Body> {
        let what = self.object("read", &key);
        let failed = format!("could not {what}");
        let first = |_| self.read_once(&what, &key, range.clone(), None);
        let (meta, rest, stream) = self.patience.run(&failed, 0, first).await?;
        let digest = range.is_none().then(|| Digest::new(CrcAlgorithm::Crc64Nvme));
        let reading = Reading {
            s3: self.clone(),
            meta: meta.clone(),
            rest,
            stream: Some(stream),
            digest,
            setbacks: Setbacks::new(self.patience),
            window: (0, Instant::now()),
        };
        let chunks = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|chunk| (chunk, reading)))
        });
        Ok(Body::new(meta, Box::pin(chunks)))
    }

    /// One request. With the object's earlier answer, only that same object will do.
    async fn read_once(
        &self,
        what: &str,
        key: &str,
        range: Option<Range<u64>>,
        known: Option<&Meta>,
    ) -> Result<(Meta, Range<u64>, ByteStream)> {
        let mut request = self.client.get_object().bucket(&*self.bucket).key(key);
        // A range isn't covered by the object's checksum.
        request = match &range {
            Some(range) => request.range(format!("bytes={}-{}", range.start, range.end - 1)),
            None => request.checksum_mode(ChecksumMode::Enabled),
        };
        if let Some(known) = known.filter(|known| !known.etag.is_empty()) {
            request = request.if_match(&known.etag);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failure = failure::of_reading(what, error);
                return Err(match failure.class() {
                    Class::Absent if known.is_some() => changed(what),
                    Class::Absent => self.prove_absent(key).await?,
                    Class::Changed => changed(what),
                    _ => failure,
                });
            }
        };
        let wrong = |why: &str| StoreError::new(Class::Corrupt, format!("could not {what}: {why}"));
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or_else(|| wrong("the answer has no length"))?;
        let (rest, size) = match &range {
            None => (0..length, length),
            Some(range) => {
                let said = answer.content_range().and_then(content_range);
                let (rest, size) = said.ok_or_else(|| wrong("the answer doesn't say which range it is"))?;
                let right = rest == (range.start..range.end.min(size)) && length == rest.end - rest.start;
                if !right {
                    return Err(wrong("the answer is another range"));
                }
                (rest, size)
            }
        };
        if known.is_some_and(|known| known.size != size) {
            return Err(changed(what));
        }
        let meta = described(key, size, &answer);
        Ok((meta, rest, answer.body))
    }
}

impl Reading {
    /// The next bytes; none at the end, when everything has come and is right.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let key = self.meta.key.clone();
        let what = self.s3.object("read", &key);
        while !self.rest.is_empty() {
            match self.chunk(&what).await {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(error) => {
                    self.stream = None;
                    self.setbacks.after(error).await?;
                }
            }
        }
        let crc64 = self.digest.take().map(|digest| digest.finalize());
        match (crc64, self.meta.crc64) {
            (Some(seen), Some(known)) if seen != known => Err(StoreError::new(
                Class::Corrupt,
                format!("\"{key}\" in bucket \"{}\" has another checksum than when it was written", self.s3.bucket),
            )),
            _ => Ok(None),
        }
    }

    async fn chunk(&mut self, what: &str) -> Result<Bytes> {
        let stall = self.s3.patience.stall;
        if self.stream.is_none() {
            let again = self.s3.read_once(what, &self.meta.key, Some(self.rest.clone()), Some(&self.meta));
            let late = || StoreError::new(Class::Unreachable, format!("could not {what}: no answer within {stall:?}"));
            let (_, rest, stream) = tokio::time::timeout(stall, again).await.unwrap_or_else(|_| Err(late()))?;
            if rest != self.rest {
                return Err(StoreError::new(Class::Corrupt, format!("could not {what}: it ends elsewhere now")));
            }
            self.stream = Some(stream);
            self.window = (0, Instant::now());
        }
        let Some(stream) = &mut self.stream else {
            return Err(StoreError::new(Class::Other, format!("could not {what}: no body")));
        };
        let chunk = loop {
            match timeout_at(self.window.1 + stall, stream.next()).await {
                Ok(chunk) => break chunk,
                // Slow, but it moves.
                Err(_) if self.window.0 >= PROGRESS => self.window = (0, Instant::now()),
                Err(_) => {
                    return Err(StoreError::new(
                        Class::Unreachable,
                        format!(
                            "could not {what}: it stood still for {stall:?}, {} bytes before its end",
                            left(&self.rest)
                        ),
                    ));
                }
            }
        };
        let broken = || {
            let left = left(&self.rest);
            StoreError::new(Class::Unreachable, format!("could not {what}: it broke off {left} bytes before its end"))
        };
        let chunk = chunk.ok_or_else(broken)?.map_err(|error| broken().source(error))?;
        let size = chunk.len() as u64;
        if size > left(&self.rest) {
            return Err(StoreError::new(
                Class::Corrupt,
                format!("could not {what}: there is more than its length says"),
            ));
        }
        if let Some(digest) = &mut self.digest {
            digest.update(&chunk);
        }
        self.rest.start += size;
        self.window.0 += size;
        if self.window.0 >= PROGRESS {
            self.setbacks.progress();
        }
        Ok(chunk)
    }
}

fn left(rest: &Range<u64>) -> u64 {
    rest.end - rest.start
}

fn changed(what: &str) -> StoreError {
    StoreError::new(Class::Changed, format!("could not {what}: it was replaced meanwhile"))
}

fn described(key: &str, size: u64, answer: &GetObjectOutput) -> Meta {
    Meta {
        key: key.to_owned(),
        size,
        modified: moment(answer.last_modified()),
        etag: answer.e_tag().unwrap_or_default().to_owned(),
        crc64: answer.checksum_crc64_nvme().and_then(read),
    }
}

/// `bytes 5-9/20`: the range and the whole.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn a_range_is_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/20"), Some((5..10, 20)));
        for bad in ["", "bytes */20", "bytes 9-5/20", "bytes 5-20/20", "bytes 5-9/*", "5-9/20", "bytes -1-9/20"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_range_is_longer_than_its_object(text in "(bytes )?[0-9*/-]{0,45}") {
            if let Some((range, size)) = content_range(&text) {
                proptest::prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
