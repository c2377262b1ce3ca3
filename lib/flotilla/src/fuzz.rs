//! Doors for `tests/fuzz` to parsers of foreign bytes that nothing else may call from outside.

use std::path::Path;

use secrecy::ExposeSecret as _;

use crate::error::Result;
use crate::pg::fuzz;
use crate::pg::{Conninfo, Endpoint};

pub use crate::pg::fuzz::{Login, messages};

/// The endpoint of these options in an environment without variables and home.
pub fn endpoint(info: Conninfo) -> Result<Endpoint> {
    fuzz::endpoint(info)
}

/// The password that a password file with this text gives for a login.
pub fn password(text: &str, login: &Login<'_>) -> Option<String> {
    fuzz::password(text, login).map(|found| found.expose_secret().to_owned())
}

/// The options that a service file with this text gives for a service; `None` where it has no such service.
pub fn service(text: &str, name: &str) -> Result<Option<Conninfo>> {
    fuzz::service(text, name, Path::new("pg_service.conf"))
}
