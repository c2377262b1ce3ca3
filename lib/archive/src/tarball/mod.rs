//! Tars as WAL-G writes them: names begin with `/`, owners, modes and whole seconds are kept, and there
//! are folders and files alone.

mod member;
mod reader;
mod roots;
mod writer;

pub use member::{Kind, Member, relative};
pub use reader::{read_members, read_server_members};
pub use roots::Roots;
pub use writer::TarWriter;
