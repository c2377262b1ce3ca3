//! Stores of archives: S3 and folders keep the same promises, on bad days as well.

mod conformance;
mod differential;
mod faults;
mod rights;
mod topology;
mod uploads;

use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use flotilla::config::{ArchiveStore, StoreUrl};
use flotilla_archive::store::{Entry, Listing, Result, Source, Store};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Runs a test's asynchronous part.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    flotilla::tls::install();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// Opens a store of a topology.
pub(crate) async fn open(store: &ArchiveStore) -> Store {
    Store::open(store).await.unwrap()
}

/// A folder as a store.
fn folder(path: &Path) -> ArchiveStore {
    std::fs::create_dir_all(path).unwrap();
    ArchiveStore {
        name: "folder".to_owned(),
        url: StoreUrl::File(path.to_owned()),
        endpoint: None,
        region: None,
        path_style: false,
        ca_file: None,
        profile: None,
        credentials_file: None,
        connect_timeout_seconds: 5,
        stall_timeout_seconds: 2,
        retry_seconds: 30,
    }
}

/// Bytes that no compression and no shift could make of others.
fn noise(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(next).collect::<Vec<u8>>().into()
}

/// Content in pieces of odd sizes.
fn pieces(content: &Bytes) -> Source {
    let pieces: Vec<_> = content.chunks(100_003).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

async fn listed(store: &Store, listing: Listing) -> Result<Vec<String>> {
    let entries: Vec<Entry> = store.list(listing).try_collect().await?;
    Ok(entries.iter().map(|entry| entry.key().to_owned()).collect())
}
