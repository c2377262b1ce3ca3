//! `migrate` beside Flyway's own command line: the same scripts leave the same rows and states, and the
//! two take turns on one database.

mod bodies;
mod callbacks;
mod cases;
mod checksums;
mod differences;
mod locks;
mod refusals;
mod same;
mod sides;
mod turns;
