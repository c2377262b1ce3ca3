//! Any SQL, its rows streamed in the server's own text and turned into JSON.
//!
//! tokio-postgres asks for rows in binary, which only a client that knows every type can read; and
//! its look-up of unknown types needs prepared statements, which a pooler in transaction mode
//! doesn't keep. Here the server is asked for text, a form that it has for every type. A statement
//! is parsed, bound and described without a name, in one go, so it runs through PgBouncer as well;
//! parameters are text whose types the server infers, and several statements in one string are
//! refused by the server.

mod bind;
mod columns;
mod query;
mod row;
mod session;
mod stream;

pub(super) use columns::fields;
pub use query::Query;
pub use row::{Column, Row};
pub use session::RowSession;
pub use stream::Rows;
