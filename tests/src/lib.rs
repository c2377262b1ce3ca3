//! The harness: real servers, the real binaries, a clean environment, and nothing left behind.
//!
//! ```no_run
//! use flotilla_tests::Fleet;
//!
//! let fleet = Fleet::new().shards(2).replicas(1).init().start();
//! fleet.shardctl(["sql", "--all", "SELECT 1 AS one"]).run().ok();
//! fleet.script("shardctl targets --role primary | jq -r .target").run().ok();
//! ```
//!
//! A [`Sandbox`] is a folder with a home of its own, in which tools run; a [`Fleet`] is a sandbox
//! with PostgreSQL servers and their topology. Both are below a guard and vanish with the test,
//! also when that is killed. Whatever the harness can't do ends the test with the reason: a missing
//! server is a failure, never a skip.

mod archiving;
pub mod contract;
pub mod faulty;
mod fleet;
mod flyway;
mod mute;
mod object_store;
mod pooling;
mod recorder;
mod redact;
mod run;
mod runbook;
mod sandbox;
mod sessions;
mod small_disk;
pub mod tls;
mod tool;
mod topology;
mod wait;

pub use fleet::{Builder, Fleet, Node, PASSWORDS, Shard};
pub use mute::Mute;
pub use object_store::ObjectStore;
pub use pooling::{Busy, Pooling};
pub use recorder::Recorder;
pub use redact::redact;
pub use run::{Outcome, Run, Running, Sink};
pub use runbook::Runbook;
pub use sandbox::Sandbox;
pub use sessions::Blocker;
pub use small_disk::SmallDisk;
pub use tool::{binary, folder};
pub use topology::{NodeEntry, ShardEntry, Topology};
pub use wait::{LIMIT, until, until_replayed};
