//! HAProxy: its file, what the proxies in it amount to, its sockets.

pub mod cfg;
pub(crate) mod compare;
pub(crate) mod proxy;
pub(crate) mod socket;
