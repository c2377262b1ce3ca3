//! `migrate lint`: what is wrong with scripts, before any server sees them.

mod engine;
mod finding;
mod ignore;
pub(crate) mod live;
mod model;
mod prepared;
mod rule;
mod rules;
mod squawk;
mod syntax;
mod text;
mod verb;
mod walk;

pub use self::engine::{Listed, Settings, all_rules, check};
pub use self::finding::{Finding, Severity, Source};
pub(crate) use self::model::{Catalogue, Column, Name, Table, object_name, tree};
pub(crate) use self::rules::volatile_function;
pub(crate) use self::verb::{Args, VERB, placeholders, run};
pub(crate) use self::walk::schema;
