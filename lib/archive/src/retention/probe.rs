//! What is tried before anything is deleted.

use chrono::{DateTime, Utc};
use flotilla::{Error, Result};

use crate::archive::Archive;
use crate::store::Over;

const KEY: &str = "flotilla/retain-probe.json";

/// The store's time. An object that is written for it is deleted: whoever may not delete finds out here.
pub(super) async fn clock(archive: &Archive) -> Result<DateTime<Utc>> {
    let store = archive.store();
    let unable = |error: crate::store::StoreError| {
        let error = Error::from(error);
        let hint = error.record().hint;
        let told = Error::new(
            error.code(),
            format!("the store \"{}\" at {} lets nothing be retired; nothing was deleted", store.name(), store.place()),
        );
        let hint = hint.unwrap_or_else(|| "Retiring takes the rights to put, get, list and delete.".to_owned());
        told.hint(hint).source(error)
    };
    store.put(KEY, "{}".into(), Over::Replace).await.map_err(unable)?;
    let meta = store.head(KEY).await.map_err(unable)?;
    store.delete([KEY]).await.map_err(unable)?;
    Ok(meta.modified)
}
