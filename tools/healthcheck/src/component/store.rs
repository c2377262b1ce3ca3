//! Stores of archives: whether they answer, let the login in, and have room.

use std::path::Path;

use flotilla::config::{Config, StoreUrl};
use flotilla::fanout::BoxFuture;
use flotilla::{Code, Error, Result};
use flotilla_archive::store::{Listing, Store as Objects};
use futures_util::TryStreamExt as _;

use super::{Asking, Component, Found, Instance, Subject, disk};
use crate::check::Check;

/// One store.
pub(crate) struct Store;

impl Component for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Store(store) => Some(match (&store.endpoint, &store.url) {
                (Some(endpoint), StoreUrl::S3 { .. }) => format!("{endpoint} {}", store.url),
                _ => store.url.to_string(),
            }),
            Subject::Target(_) => None,
        }
    }

    fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_secs(10)
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Subject::Store(store) = &instance.subject else {
                return Err(Error::internal("a store was expected"));
            };
            // A listing needs the bucket, the login and its right to read; one page of it is enough.
            let objects = Objects::open(store).await?;
            objects.list(Listing::of("").flat()).try_next().await.map_err(Error::from)?;
            let settings = &asking.config()?.health;
            let room = match &store.url {
                StoreUrl::File(path) => disk::used(path, settings).await,
                StoreUrl::S3 { .. } => Ok(None),
            };
            let room = room.unwrap_or_else(|e| Some(Check::unknown("disk_ratio", e.message().to_owned())));
            Ok(Found { role: None, checks: room.into_iter().collect() })
        })
    }
}

/// The error of a folder that isn't there, for stores and data alike.
pub(super) fn gone(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("could not look at {}", path.display())).source(error)
}
