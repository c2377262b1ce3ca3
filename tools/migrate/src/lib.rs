//! Flyway-compatible migrations over a whole fleet, with free undo.

pub mod scripts;
