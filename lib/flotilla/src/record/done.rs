//! What work on one target yields when it succeeds.

use super::{Record, Status};

/// The good end of work on one target.
#[derive(Debug)]
pub struct Done<R> {
    pub(crate) status: Status,
    pub(crate) changed: bool,
    pub(crate) body: R,
}

impl<R: Record> Done<R> {
    /// Something was changed.
    pub fn changed(body: R) -> Self {
        Self { status: Status::Ok, changed: true, body }
    }

    /// All was as it should be already, or the verb only reads.
    pub fn unchanged(body: R) -> Self {
        Self { status: Status::Ok, changed: false, body }
    }

    /// Changed or not, as `changed` says.
    pub fn new(changed: bool, body: R) -> Self {
        Self { status: Status::Ok, changed, body }
    }

    /// A dry run: what would be done.
    pub fn planned(body: R) -> Self {
        Self { status: Status::Planned, changed: false, body }
    }
}
