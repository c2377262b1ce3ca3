//! Which backups and which part of the log may go, and the order in which they go.
//!
//! A plan is made from names and documents alone. It goes chain by chain, for a delta is nothing without
//! what it stands on, and never down to no restorable chain. Backups that are being made, that are
//! permanent, or that can't be understood stay, and with them the log that they need.
//!
//! Deleting begins with a note in the archive of what goes ([`Intent`]). Whoever makes a backup looks at
//! the note before the backup exists ([`check_footing`]), and whoever deletes looks for backups that are
//! being made after the note is there: one of the two sees the other, and backs off.

mod clock;
mod delete;
mod dumps;
mod footing;
mod intent;
mod keep;
mod plan;
mod policy;
mod probe;
mod sound;

pub use delete::{Outcome, Step, delete};
pub use footing::{check_dump_footing, check_footing};
pub use intent::{By, Intent};
pub use plan::{Gone, Group, Kept, Plan, WalGone, plan};
pub use policy::{Policy, Reason};
