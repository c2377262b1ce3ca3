//! Migrations as Flyway knows them: the scripts of a folder, the history of a database, and what has become of
//! each migration by both.

pub mod schema_history;
pub mod scripts;
pub mod state;
mod values;

pub use self::values::values;
