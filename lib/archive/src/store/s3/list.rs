//! Listing, page by page.

use std::collections::VecDeque;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use futures_util::stream;

use super::{S3, failure, moment};
use crate::store::{Class, Entries, Entry, Listing, Meta, Result, StoreError, key};

/// One listing on its way.
struct Pages {
    s3: S3,
    /// What stands before every name here, and isn't the caller's business.
    base: String,
    listing: Listing,
    page: VecDeque<Entry>,
    next: Next,
}

/// What is asked for next.
enum Next {
    First,
    Page(String),
    End,
}

pub(super) fn entries(s3: S3, base: &str, listing: Listing) -> Entries {
    let base = if base.is_empty() { String::new() } else { format!("{base}/") };
    let pages = Pages { s3, base, listing, page: VecDeque::new(), next: Next::First };
    Box::pin(stream::try_unfold(pages, |mut pages| async move { Ok(pages.entry().await?.map(|entry| (entry, pages))) }))
}

impl Pages {
    async fn entry(&mut self) -> Result<Option<Entry>> {
        while self.page.is_empty() {
            let token = match &self.next {
                Next::End => return Ok(None),
                Next::First => None,
                Next::Page(token) => Some(token.clone()),
            };
            self.turn(token.as_deref()).await?;
        }
        Ok(self.page.pop_front())
    }

    async fn turn(&mut self, token: Option<&str>) -> Result<()> {
        let prefix = format!("{}{}", self.base, self.listing.prefix);
        let what = format!("list \"{prefix}\" in bucket \"{}\"", self.s3.bucket);
        let after = self.listing.after.as_ref().map(|after| key::join(self.base.trim_end_matches('/'), after));
        let attempt = |_| async {
            let mut request = self.s3.client.list_objects_v2().bucket(&*self.s3.bucket).prefix(&prefix);
            request = request.set_continuation_token(token.map(str::to_owned));
            if token.is_none() {
                request = request.set_start_after(after.clone());
            }
            if self.listing.flat {
                request = request.delimiter("/");
            }
            let page = request.send().await.map_err(|error| failure::of(&what, error))?;
            let wrong = |why: &str| StoreError::new(Class::Corrupt, format!("could not {what}: {why}"));
            let next = match (page.is_truncated().unwrap_or(false), page.next_continuation_token()) {
                (false, _) => Next::End,
                // A listing that ends here in silence would make objects vanish.
                (true, None) => return Err(wrong("there is more, and the answer doesn't say where")),
                (true, Some(next)) if Some(next) == token => return Err(wrong("it goes in circles")),
                (true, Some(next)) => Next::Page(next.to_owned()),
            };
            let entries = self.read(&page).ok_or_else(|| wrong("it names objects that weren't asked for"))?;
            Ok((entries, next))
        };
        let (page, next) = self.s3.patience.run(&format!("could not {what}"), 0, attempt).await?;
        (self.page, self.next) = (page, next);
        Ok(())
    }

    /// Objects and folders of a page, in the order of their names.
    fn read(&self, page: &ListObjectsV2Output) -> Option<VecDeque<Entry>> {
        let name = |full: Option<&str>| {
            let name = full?.strip_prefix(&*self.base)?;
            name.starts_with(&self.listing.prefix).then(|| name.to_owned())
        };
        let mut entries = Vec::new();
        for object in page.contents() {
            entries.push(Entry::Object(Meta {
                key: name(object.key())?,
                size: u64::try_from(object.size()?).ok()?,
                modified: moment(object.last_modified()),
                etag: object.e_tag().unwrap_or_default().to_owned(),
                crc64: None,
            }));
        }
        for folder in page.common_prefixes() {
            entries.push(Entry::Folder(name(folder.prefix())?));
        }
        // Some services make objects of folders, with a slash at the end.
        entries.retain(|entry| !matches!(entry, Entry::Object(meta) if meta.key.is_empty() || meta.key.ends_with('/')));
        entries.sort_by(|one, other| one.key().cmp(other.key()));
        Some(entries.into())
    }
}
