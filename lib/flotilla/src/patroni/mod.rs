//! Patroni's REST interface: asking what each node is, and giving orders.
//!
//! Anyone may ask. Orders need a client certificate, which the topology names under `[patroni]`.

mod rest;
mod state;

pub use rest::{Answer, Rest};
pub use state::{Role, State, states};
