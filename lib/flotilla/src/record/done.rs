//! What work on one target yields when it succeeds.

use super::{Record, Status};
use crate::error::Error;

/// The good end of work on one target.
#[derive(Debug)]
pub struct Done<R> {
    pub(crate) status: Status,
    pub(crate) changed: bool,
    pub(crate) body: R,
    pub(crate) error: Option<Error>,
}

impl<R: Record> Done<R> {
    /// Something was changed.
    pub fn changed(body: R) -> Self {
        Self { status: Status::Ok, changed: true, body, error: None }
    }

    /// All was as it should be already, or the verb only reads.
    pub fn unchanged(body: R) -> Self {
        Self { status: Status::Ok, changed: false, body, error: None }
    }

    /// Changed or not, as `changed` says.
    pub fn new(changed: bool, body: R) -> Self {
        Self { status: Status::Ok, changed, body, error: None }
    }

    /// A dry run: what would be done.
    pub fn planned(body: R) -> Self {
        Self { status: Status::Planned, changed: false, body, error: None }
    }

    /// It failed, but some of it is known or done: what `body` says, and what was changed before.
    pub fn failed(changed: bool, body: R, error: Error) -> Self {
        Self { status: Status::Error, changed, body, error: Some(error) }
    }

    /// Whether anything was changed.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// What is known or done.
    pub fn body(&self) -> &R {
        &self.body
    }

    /// Why it failed; none where it didn't.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}
