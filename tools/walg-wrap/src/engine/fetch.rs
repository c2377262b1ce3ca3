//! A base backup restored by WAL-G, and looked at before it is one.

use std::path::Path;

use flotilla::error::Result;
use flotilla_archive::Archive;
use flotilla_archive::base::{self, RestoreOptions, Restored};
use flotilla_archive::catalog::Backup;

use super::WalG;

/// Restores the chain. Where WAL-G calls it a failure, it is one; where it doesn't, the files decide.
pub(crate) async fn fetch(
    walg: &WalG,
    archive: &Archive,
    chain: &[&Backup],
    into: &Path,
    options: &RestoreOptions,
) -> Result<Restored> {
    let name = chain.last().map(|backup| backup.name.to_string()).unwrap_or_default();
    base::restore_by(archive, chain, into, options, |folder| async move {
        let args = ["backup-fetch".to_owned(), folder.display().to_string(), name];
        walg.run(args, []).await?.complaint.map_or(Ok(()), Err)
    })
    .await
}
