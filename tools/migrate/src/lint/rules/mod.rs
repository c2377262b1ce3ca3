//! The rules of this tool: one file each.

mod blocking_rewrite;
mod concurrently_on_partitioned;
mod detach_with_default;
mod exclusion_constraint;
mod foreign_key_across_shards;
mod ignore_without_reason;
mod json_column;
mod local_sequence;
mod not_alone;
mod owner_may_not;
mod repeatable_needs_dropped;
mod shard_key_missing;
mod stored_generated_column;
mod syntax_error;
mod transaction_control;
mod unbounded_backfill;
mod undeclared_table;
mod undo_cannot_tell;
mod undo_missing;
mod undo_not_inverse;
mod unresolved_placeholder;
mod unused_ignore;
mod volatile_default;

pub(crate) use self::volatile_default::volatile_function;

use super::rule::Rule;

pub(super) const SYNTAX_ERROR: &str = syntax_error::RULE.name;
pub(super) const UNRESOLVED_PLACEHOLDER: &str = unresolved_placeholder::RULE.name;
pub(super) const UNUSED_IGNORE: &str = unused_ignore::RULE.name;
pub(super) const IGNORE_WITHOUT_REASON: &str = ignore_without_reason::RULE.name;

/// All of them, by name.
pub(super) const ALL: &[&Rule] = &[
    &blocking_rewrite::RULE,
    &concurrently_on_partitioned::RULE,
    &detach_with_default::RULE,
    &exclusion_constraint::RULE,
    &foreign_key_across_shards::RULE,
    &ignore_without_reason::RULE,
    &json_column::RULE,
    &local_sequence::RULE,
    &not_alone::RULE,
    &owner_may_not::RULE,
    &repeatable_needs_dropped::RULE,
    &shard_key_missing::RULE,
    &stored_generated_column::RULE,
    &syntax_error::RULE,
    &transaction_control::RULE,
    &unbounded_backfill::RULE,
    &undeclared_table::RULE,
    &undo_cannot_tell::RULE,
    &undo_missing::RULE,
    &undo_not_inverse::RULE,
    &unresolved_placeholder::RULE,
    &unused_ignore::RULE,
    &volatile_default::RULE,
];
