//! Which backups and which part of the log may go, and the order in which they go.
//!
//! A plan is made from names and documents alone. It goes chain by chain, for a delta is nothing without
//! what it stands on, and never down to no restorable chain. Backups that are being made, that are
//! permanent, or that can't be understood stay, and with them the log that they need.

mod delete;
mod intent;
mod plan;

pub use delete::{Step, delete};
pub use intent::Intent;
pub use plan::{Gone, Kept, Plan, Policy, Reason, plan};
