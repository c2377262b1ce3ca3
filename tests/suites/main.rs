//! The suites: one binary, so that it is linked once. Servers are real, so is the tools' own binary.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod archive;
mod archiving;
mod backup;
mod badinput;
mod barrier;
mod cli;
mod clients;
mod fence;
mod flyway;
mod harness;
mod health;
mod init;
mod keys;
mod libpq;
mod manners;
mod migrate;
mod outage;
mod pipes;
mod pitr;
mod placement;
mod pool;
mod records;
mod replication;
mod sessions;
mod stack;
mod stores;
