//! PgBouncer: its file, the keys that its releases know, its console.

pub(crate) mod compare;
pub(crate) mod console;
pub mod ini;
pub(crate) mod keys;
pub(crate) mod settings;
pub(crate) mod trial;
