//! PostgreSQL: connecting as libpq does, sessions, advisory locks, and rows as JSON.
//!
//! [`Endpoint`] says where, as whom and how; [`Endpoint::connect`] gives a [`Session`] (a
//! `tokio_postgres::Client` that looks after its connection), [`Endpoint::connect_rows`] a
//! [`RowSession`], which runs any SQL and streams its rows in the server's own text, and
//! [`Endpoint::connect_replication`] a [`replication::Replication`], which takes base backups.
//!
//! tokio-postgres speaks the protocol and does the login; finding the server, its password and its
//! certificate is done here, with libpq's rules, since that crate has only a part of them.

pub mod advisory;
mod connect;
mod conninfo;
mod dial;
mod endpoint;
mod failure;
pub(crate) mod fuzz;
mod keywords;
pub mod knock;
mod link;
mod passfile;
mod pooler;
mod programs;
pub mod replication;
mod report;
mod rows;
mod service;
mod session;
pub mod sqlstate;
mod ssl;
mod startup;
mod surroundings;
pub mod value;
mod wire;

pub use conninfo::Conninfo;
pub use endpoint::{ChannelBinding, Endpoint, Host, SessionAttrs};
pub use programs::{Login, Programs};
pub use rows::{Column, Query, Row, RowSession, Rows};
pub use session::{Canceller, Role, Session};
pub use ssl::{RootSource, Ssl, SslMode};
