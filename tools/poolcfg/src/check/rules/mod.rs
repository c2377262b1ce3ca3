//! The rules: one file each.

mod admin_shared;
mod auth_md5;
mod auth_off;
mod auth_query;
mod bad_value;
mod balancer_cuts_idle;
mod ban_too_short;
mod capacity;
mod capacity_after_loss;
mod client_limit;
mod client_tls_off;
mod database_is_node;
mod default_pool_shared;
mod dns_cache;
mod haproxy_refuses;
mod ignore_without_reason;
mod lifetime_above_rotation;
mod listen_everywhere;
mod login_retry;
mod name_again;
mod open_files;
mod passthrough_plain;
mod patroni_timing;
mod pool_above_cap;
mod port_shared;
mod prepared_statements;
mod probe_misses_port;
mod query_timeout;
mod query_wait;
mod query_wait_too_long;
mod reads_without_fallback;
mod relative_include;
mod replicas_without_lag;
mod reserve_too_large;
mod reset_always;
mod reuseport_without_peers;
mod rto;
mod section_again;
mod server_limit;
mod server_tls_unverified;
mod session_state;
mod sessions_survive;
mod shard_numbers;
mod stats_open;
mod stats_socket_open;
mod syntax;
mod tool_through_pool;
mod unbounded_pools;
mod unknown_key;
mod unused_ignore;
mod write_without_role;

use super::rule::Rule;

pub(super) const SYNTAX: &Rule = &syntax::RULE;
pub(super) const HAPROXY_REFUSES: &Rule = &haproxy_refuses::RULE;
pub(super) const UNUSED_IGNORE: &Rule = &unused_ignore::RULE;
pub(super) const IGNORE_WITHOUT_REASON: &Rule = &ignore_without_reason::RULE;

/// All of them, by name.
pub(super) const ALL: &[&Rule] = &[
    &admin_shared::RULE,
    &auth_md5::RULE,
    &auth_off::RULE,
    &auth_query::RULE,
    &bad_value::RULE,
    &balancer_cuts_idle::RULE,
    &ban_too_short::RULE,
    &capacity::RULE,
    &capacity_after_loss::RULE,
    &client_limit::RULE,
    &client_tls_off::RULE,
    &database_is_node::RULE,
    &default_pool_shared::RULE,
    &dns_cache::RULE,
    &haproxy_refuses::RULE,
    &ignore_without_reason::RULE,
    &lifetime_above_rotation::RULE,
    &listen_everywhere::RULE,
    &login_retry::RULE,
    &name_again::RULE,
    &open_files::RULE,
    &passthrough_plain::RULE,
    &patroni_timing::RULE,
    &pool_above_cap::RULE,
    &port_shared::RULE,
    &prepared_statements::RULE,
    &probe_misses_port::RULE,
    &query_timeout::RULE,
    &query_wait::RULE,
    &query_wait_too_long::RULE,
    &reads_without_fallback::RULE,
    &relative_include::RULE,
    &replicas_without_lag::RULE,
    &reserve_too_large::RULE,
    &reset_always::RULE,
    &reuseport_without_peers::RULE,
    &rto::RULE,
    &section_again::RULE,
    &server_limit::RULE,
    &server_tls_unverified::RULE,
    &session_state::RULE,
    &sessions_survive::RULE,
    &shard_numbers::RULE,
    &stats_open::RULE,
    &stats_socket_open::RULE,
    &syntax::RULE,
    &tool_through_pool::RULE,
    &unbounded_pools::RULE,
    &unknown_key::RULE,
    &unused_ignore::RULE,
    &write_without_role::RULE,
];
