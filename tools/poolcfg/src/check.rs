//! `poolcfg check`: what is wrong with files, before any program reads them.

mod capacity;
mod engine;
mod ignore;
mod patroni;
mod pgdog;
mod rule;
mod rules;
mod verb;
mod world;

pub(crate) use self::engine::ask_haproxy;
pub use self::engine::{Finding, Listed, Settings, all_rules, check, check_texts};
pub use self::rule::Severity;
pub(crate) use self::verb::{Args, VERB, refusal, run};
