//! Writing objects of any size, in parts of which only some are in memory.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::{S3, crc64, failure, written};
use crate::store::{Class, Over, Put, Result, Source, StoreError, Upload};

/// S3's limits.
const LEAST_BYTES: usize = 5 << 20;
const MOST_PARTS: i32 = 10_000;
/// After so many parts the next ones are twice as large, three times.
const STEP: i32 = 2000;

/// An upload on its way. Unless it came to its end, or its parts are to stay, dropping it aborts it.
struct Open {
    s3: S3,
    key: String,
    id: String,
    aborts: bool,
}

/// What the service holds of an earlier upload: of each part its size, tag and checksum.
type Held = HashMap<i32, (u64, String, Option<String>)>;

/// Cuts a source into parts.
struct Parts {
    source: Source,
    rest: Bytes,
    ended: bool,
}

impl S3 {
    pub(super) async fn write_parts(&self, key: String, source: Source, how: Upload) -> Result<Put> {
        let what = self.object("write", &key);
        let least = how.part_bytes.max(LEAST_BYTES);
        let budget = least * how.parallelism.max(1);
        let mut parts = Parts { source, rest: Bytes::new(), ended: false };
        let first = parts.next(&what, least).await?;
        if parts.ended {
            return self.write(key, first, how.over).await;
        }
        let (mut open, held) = self.begin(&what, key, how.resume).await?;
        let sent = open.send(&what, first, &mut parts, (least, budget), &held).await;
        let finished = match sent {
            Ok((done, put)) => open.complete(&what, done, put, how.over).await,
            Err(error) => Err(error),
        };
        let kept = finished.is_err() && how.resume;
        if !matches!(finished, Ok(Put::Written { .. })) && !kept {
            open.abort().await;
        }
        open.aborts = false;
        finished
    }

    /// An upload with what it holds already.
    async fn begin(&self, what: &str, key: String, resume: bool) -> Result<(Open, Held)> {
        let failed = format!("could not {what}");
        let open = |id: String| Open { s3: self.clone(), key: key.clone(), id, aborts: !resume };
        if resume && let Some(id) = self.patience.run(&failed, 0, |_| self.interrupted(what, &key)).await? {
            let held = self.patience.run(&failed, 0, |_| self.held(what, &key, &id)).await?;
            return Ok((open(id), held));
        }
        let create = |_| async {
            let request = self.client.create_multipart_upload().bucket(&*self.bucket).key(&key);
            let request =
                request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
            let made = request.send().await.map_err(|error| failure::of(what, error))?;
            let id = made.upload_id().filter(|id| !id.is_empty()).map(str::to_owned);
            id.ok_or_else(|| StoreError::new(Class::Other, format!("{failed}: the service gave the upload no name")))
        };
        let id = self.patience.run(&failed, 0, create).await?;
        Ok((open(id), Held::new()))
    }

    /// The latest upload of this object that never came to its end.
    async fn interrupted(&self, what: &str, key: &str) -> Result<Option<String>> {
        let request = self.client.list_multipart_uploads().bucket(&*self.bucket).prefix(key);
        let listed = request.send().await.map_err(|error| failure::of(what, error))?;
        let ours = listed.uploads().iter().filter(|upload| {
            upload.key() == Some(key)
                && upload.checksum_algorithm().is_none_or(|known| *known == ChecksumAlgorithm::Crc64Nvme)
                && upload.checksum_type().is_none_or(|known| *known == ChecksumType::FullObject)
        });
        let latest = ours.max_by_key(|upload| upload.initiated().map(|at| (at.secs(), at.subsec_nanos())));
        Ok(latest.and_then(|upload| upload.upload_id()).map(str::to_owned))
    }

    async fn held(&self, what: &str, key: &str, id: &str) -> Result<Held> {
        let mut held = Held::new();
        let mut marker: Option<String> = None;
        loop {
            let request = self.client.list_parts().bucket(&*self.bucket).key(key).upload_id(id);
            let page = request.set_part_number_marker(marker.clone()).send().await;
            let page = page.map_err(|error| failure::of(what, error))?;
            for part in page.parts() {
                if let (Some(number), Some(size), Some(tag)) = (part.part_number(), part.size(), part.e_tag()) {
                    let size = u64::try_from(size).unwrap_or_default();
                    held.insert(number, (size, tag.to_owned(), part.checksum_crc64_nvme().map(str::to_owned)));
                }
            }
            match page.next_part_number_marker() {
                Some(next) if page.is_truncated().unwrap_or(false) && Some(next) != marker.as_deref() => {
                    marker = Some(next.to_owned());
                }
                _ => return Ok(held),
            }
        }
    }
}

impl Open {
    /// Sends all parts, several at once, as many as the budget of memory allows.
    async fn send(
        &self,
        what: &str,
        first: Bytes,
        parts: &mut Parts,
        (least, budget): (usize, usize),
        held: &Held,
    ) -> Result<(BTreeMap<i32, CompletedPart>, Put)> {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut done = BTreeMap::new();
        let mut under_way = FuturesUnordered::new();
        let (mut size, mut in_memory, mut number) = (0, 0, 1);
        let mut next = Some(first);
        while let Some(part) = next.take() {
            digest.update(&part);
            size += part.len() as u64;
            in_memory += part.len();
            under_way.push(self.part(what, number, part, held));
            number += 1;
            let coming = least << (number / STEP).min(3);
            while in_memory > 0 && (parts.ended || in_memory + coming > budget) {
                let Some(sent) = under_way.next().await else { break };
                let (part, bytes) = sent?;
                done.insert(part.part_number().unwrap_or_default(), part);
                in_memory -= bytes;
            }
            if parts.ended {
                break;
            }
            if number > MOST_PARTS {
                return Err(StoreError::new(Class::Other, format!("could not {what}: it is larger than S3 can hold"))
                    .hint("Write it in several objects, or in larger parts."));
            }
            // What is under way goes on while the source is read.
            let mut reading = Box::pin(parts.next(what, coming));
            next = loop {
                tokio::select! {
                    part = &mut reading => break Some(part?).filter(|part| !part.is_empty()),
                    Some(sent) = under_way.next(), if !under_way.is_empty() => {
                        let (part, bytes) = sent?;
                        done.insert(part.part_number().unwrap_or_default(), part);
                        in_memory -= bytes;
                    }
                }
            };
        }
        while let Some(sent) = under_way.next().await {
            let (part, _) = sent?;
            done.insert(part.part_number().unwrap_or_default(), part);
        }
        Ok((done, Put::Written { size, crc64: digest.finalize() }))
    }

    /// Sends one part, unless the service holds the very same already.
    async fn part(&self, what: &str, number: i32, content: Bytes, held: &Held) -> Result<(CompletedPart, usize)> {
        let (bytes, checksum) = (content.len(), written(crc64(&content)));
        let completed = |tag: String| {
            CompletedPart::builder().part_number(number).e_tag(tag).checksum_crc64_nvme(&checksum).build()
        };
        if let Some((size, tag, Some(known))) = held.get(&number)
            && *size == bytes as u64
            && *known == checksum
        {
            return Ok((completed(tag.clone()), bytes));
        }
        let attempt = |_| {
            let (content, checksum) = (content.clone(), &checksum);
            async move {
                let request = self.s3.client.upload_part().bucket(&*self.s3.bucket).key(&self.key);
                let request = request.upload_id(&self.id).part_number(number).checksum_crc64_nvme(checksum);
                let request = request.body(ByteStream::from(content)).customize();
                let request = if self.s3.signs_content { request } else { request.disable_payload_signing() };
                let sent = request.send().await;
                let sent = sent.map_err(|error| failure::of(what, error))?;
                let tag = sent.e_tag().map(str::to_owned);
                tag.ok_or_else(|| StoreError::new(Class::Other, format!("could not {what}: a part got no tag")))
            }
        };
        let tag = self.s3.patience.run(&format!("could not {what}"), bytes as u64, attempt).await?;
        Ok((completed(tag), bytes))
    }

    async fn complete(&self, what: &str, parts: BTreeMap<i32, CompletedPart>, put: Put, over: Over) -> Result<Put> {
        let Put::Written { size, crc64 } = put else { return Ok(put) };
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts.into_values().collect())).build();
        let attempt = |number: u32| {
            let all = all.clone();
            async move {
                let request = self.s3.client.complete_multipart_upload().bucket(&*self.s3.bucket).key(&self.key);
                let mut request = request.upload_id(&self.id).multipart_upload(all);
                request = request.checksum_crc64_nvme(written(crc64)).checksum_type(ChecksumType::FullObject);
                if over == Over::Keep {
                    request = request.if_none_match("*");
                }
                let Err(error) = request.send().await else { return Ok(put) };
                let gone = error.as_service_error().and_then(aws_sdk_s3::error::ProvideErrorMetadata::code)
                    == Some("NoSuchUpload");
                match failure::of(what, error) {
                    // An earlier attempt may have succeeded, and only its answer been lost.
                    failure if number > 1 && (gone || failure.class() == Class::Changed) => {
                        match self.s3.ours(&self.key, put).await {
                            Ok(Put::Exists) if over == Over::Replace => Err(failure),
                            other => other,
                        }
                    }
                    failure if failure.class() == Class::Changed => Ok(Put::Exists),
                    failure => Err(failure),
                }
            }
        };
        // The service may have to put the parts together.
        self.s3.patience.run(&format!("could not {what}"), size / 16, attempt).await
    }

    /// Gives the parts back; what can't be is for the bucket's own rules.
    async fn abort(&self) {
        let request = self.s3.client.abort_multipart_upload().bucket(&*self.s3.bucket).key(&self.key);
        let request = request.upload_id(&self.id);
        let answered = tokio::time::timeout(self.s3.patience.stall, request.send()).await;
        if !matches!(answered, Ok(Ok(_))) {
            tracing::warn!(key = self.key, ?answered, "parts of an upload were left behind");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.aborts
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let open = Self { s3: self.s3.clone(), key: self.key.clone(), id: self.id.clone(), aborts: false };
            runtime.spawn(async move { open.abort().await });
        }
    }
}

impl Parts {
    /// The next part; shorter than asked for only at the end.
    async fn next(&mut self, what: &str, size: usize) -> Result<Bytes> {
        if self.rest.len() >= size {
            return Ok(self.rest.split_to(size));
        }
        let mut part = BytesMut::with_capacity(size);
        part.extend_from_slice(&std::mem::take(&mut self.rest));
        while part.len() < size && !self.ended {
            match self.source.next().await {
                None => self.ended = true,
                Some(Ok(mut chunk)) => {
                    if chunk.len() > size - part.len() {
                        self.rest = chunk.split_off(size - part.len());
                    }
                    part.extend_from_slice(&chunk);
                }
                Some(Err(source)) => {
                    return Err(
                        StoreError::new(Class::Other, format!("could not {what}: its source failed")).source(source)
                    );
                }
            }
        }
        Ok(part.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Parts};
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use proptest::prelude::*;

    proptest! {
        /// However a source is cut, its parts are its bytes, and only the last is short.
        #[test]
        fn parts_are_the_source(chunks in prop::collection::vec(0..50_usize, 0..20), size in 1..40_usize) {
            let whole: Vec<u8> = (0..chunks.iter().sum::<usize>()).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut rest = &whole[..];
            let mut cut = Vec::new();
            for length in chunks {
                let (one, others) = rest.split_at(length);
                cut.push(Ok(Bytes::copy_from_slice(one)));
                rest = others;
            }
            let mut parts = Parts { source: stream::iter(cut).boxed(), rest: Bytes::new(), ended: false };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut seen = Vec::new();
            loop {
                let part = runtime.block_on(parts.next("x", size)).unwrap();
                prop_assert!(part.len() == size || parts.ended);
                seen.extend_from_slice(&part);
                if parts.ended {
                    break;
                }
            }
            prop_assert_eq!(seen, whole);
        }
    }
}
