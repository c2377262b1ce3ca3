//! Flyway-compatible migrations over a whole fleet, with free undo.

pub mod history;
pub mod lint;
pub mod scripts;
pub mod state;
pub mod statements;
