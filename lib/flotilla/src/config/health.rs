//! What `healthcheck` holds its answers against.

use std::path::PathBuf;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use toml::value::Datetime;

use super::Config;
use crate::error::{Error, Result};
use crate::target;

/// What `healthcheck` holds its answers against: beyond `_warn` something is a warning, beyond `_fail` a failure.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// How long one probe may take, in milliseconds.
    pub timeout_ms: u64,
    /// How often `serve` and `agent` ask, in milliseconds.
    pub interval_ms: u64,
    /// The certificate that is shown to servers which ask for one, as etcd does.
    pub sslcert: Option<PathBuf>,
    /// Its private key.
    pub sslkey: Option<PathBuf>,
    /// How far a replica may be behind, in bytes of WAL.
    pub lag_bytes_warn: u64,
    /// The same, to failure.
    pub lag_bytes_fail: u64,
    /// How far a replica may be behind, in seconds.
    pub lag_seconds_warn: f64,
    /// The same, to failure.
    pub lag_seconds_fail: f64,
    /// How much WAL a slot may hold back, in bytes.
    pub slot_bytes_warn: u64,
    /// How many WAL files may wait to be archived.
    pub archive_waiting_warn: u64,
    /// The same, to failure.
    pub archive_waiting_fail: u64,
    /// How many of the connections that applications may have are in use, as a part of all.
    pub connections_ratio_warn: f64,
    /// The same, to failure.
    pub connections_ratio_fail: f64,
    /// How long a session may be idle in a transaction, in seconds.
    pub idle_in_transaction_seconds_warn: f64,
    /// The same, to failure.
    pub idle_in_transaction_seconds_fail: f64,
    /// How long a transaction may take, in seconds.
    pub transaction_seconds_warn: f64,
    /// The same, to failure.
    pub transaction_seconds_fail: f64,
    /// How old the oldest transaction id may be, in transactions.
    pub xid_age_warn: u64,
    /// The same, to failure.
    pub xid_age_fail: u64,
    /// How old the oldest multixact may be.
    pub multixact_age_warn: u64,
    /// The same, to failure.
    pub multixact_age_fail: u64,
    /// How far past `autovacuum_freeze_max_age` the oldest transaction id may be, as a part of it.
    pub freeze_ratio_warn: f64,
    /// The same, to failure.
    pub freeze_ratio_fail: f64,
    /// How many deadlocks a minute there may be.
    pub deadlocks_per_minute_warn: f64,
    /// How many transactions may be rolled back, as a part of all.
    pub rollback_ratio_warn: f64,
    /// How long a client may wait for a server of a pool, in seconds.
    pub pool_wait_seconds_warn: f64,
    /// The same, to failure.
    pub pool_wait_seconds_fail: f64,
    /// How many clients a pooler may have, as a part of `max_client_conn`.
    pub pool_clients_ratio_warn: f64,
    /// How many sessions a balancer's backend may have, as a part of its limit.
    pub balancer_sessions_ratio_warn: f64,
    /// How much of its memory a Redis may use, as a part of `maxmemory`.
    pub redis_memory_ratio_warn: f64,
    /// How much of a disk may be used, as a part of it.
    pub disk_ratio_warn: f64,
    /// The same, to failure.
    pub disk_ratio_fail: f64,
    /// How many days a certificate must last.
    pub certificate_days_warn: f64,
    /// The same, to failure.
    pub certificate_days_fail: f64,
    /// How far a server's clock may be from this machine's, in seconds.
    pub clock_seconds_warn: f64,
    /// The same, to failure.
    pub clock_seconds_fail: f64,
    /// How old the last backup may be, in seconds.
    pub backup_seconds_warn: f64,
    /// The same, to failure.
    pub backup_seconds_fail: f64,
    /// How long ago an archive may have been verified, in seconds.
    pub verified_seconds_warn: f64,
    /// How long ago a restore may have been practised, in seconds.
    pub drill_seconds_warn: f64,
    /// How many scripts a shard may still lack.
    pub migrations_pending_warn: u32,
    /// The same, to failure.
    pub migrations_pending_fail: u32,
    /// How many scripts may not be what was applied.
    pub migrations_changed_warn: u32,
    /// The same, to failure.
    pub migrations_changed_fail: u32,
    /// How many migrations may have failed on a shard, to failure.
    pub migrations_failed_fail: u32,
    /// Runs that the ledger must show.
    pub jobs: Vec<HealthJob>,
    /// What `healthcheck audit` finds and somebody has decided to live with for a while.
    pub waivers: Vec<HealthWaiver>,
}

/// A run that the ledger must show.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthJob {
    /// The tool.
    pub tool: String,
    /// Its verb.
    pub verb: String,
    /// How often it has to end well on every shard, in seconds.
    pub every_seconds: u64,
}

/// Something that `healthcheck audit` finds and somebody has decided to live with for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthWaiver {
    /// The rule.
    pub rule: String,
    /// Where it is waived: a target or a store of archives; everywhere where none is given.
    #[serde(default)]
    pub target: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    #[serde(deserialize_with = "date")]
    pub until: NaiveDate,
}

/// A day: TOML's own date, or the same in quotes.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Date(Datetime),
        Text(String),
    }
    let text = match Given::deserialize(deserializer)? {
        Given::Date(date) => date.to_string(),
        Given::Text(text) => text,
    };
    NaiveDate::parse_from_str(&text, "%Y-%m-%d")
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a day; write it as 2027-01-31")))
}

/// Refuses waivers without a reason, and those of nothing in the topology.
pub(super) fn check(config: &Config) -> Result<()> {
    let at = config.path.display();
    for waiver in &config.health.waivers {
        let rule = &waiver.rule;
        if waiver.reason.trim().is_empty() {
            return Err(Error::config(format!("{at}: the waiver of rule \"{rule}\" has no reason"))
                .hint("Say in `reason` why it may stay so until then."));
        }
        let Some(name) = &waiver.target else { continue };
        let is_there = target::all(config).iter().any(|target| target.name == *name)
            || config.archive.stores.iter().any(|store| store.name == *name);
        if !is_there {
            return Err(Error::config(format!("{at}: rule \"{rule}\" is waived on \"{name}\", which isn't there"))
                .hint("Name a target, as `shardctl targets` lists them, or a store of archives."));
        }
    }
    Ok(())
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            timeout_ms: 2000,
            interval_ms: 2000,
            sslcert: None,
            sslkey: None,
            lag_bytes_warn: 50 << 20,
            lag_bytes_fail: 100 << 20,
            lag_seconds_warn: 5.0,
            lag_seconds_fail: 300.0,
            slot_bytes_warn: 10 << 30,
            archive_waiting_warn: 10,
            archive_waiting_fail: 100,
            connections_ratio_warn: 0.75,
            connections_ratio_fail: 0.9,
            idle_in_transaction_seconds_warn: 300.0,
            idle_in_transaction_seconds_fail: 900.0,
            transaction_seconds_warn: 300.0,
            transaction_seconds_fail: 43_200.0,
            xid_age_warn: 300_000_000,
            xid_age_fail: 1_000_000_000,
            multixact_age_warn: 400_000_000,
            multixact_age_fail: 1_000_000_000,
            freeze_ratio_warn: 1.1,
            freeze_ratio_fail: 1.25,
            deadlocks_per_minute_warn: 5.0,
            rollback_ratio_warn: 0.1,
            pool_wait_seconds_warn: 1.0,
            pool_wait_seconds_fail: 10.0,
            pool_clients_ratio_warn: 0.8,
            balancer_sessions_ratio_warn: 0.8,
            redis_memory_ratio_warn: 0.9,
            disk_ratio_warn: 0.75,
            disk_ratio_fail: 0.85,
            certificate_days_warn: 21.0,
            certificate_days_fail: 7.0,
            clock_seconds_warn: 0.5,
            clock_seconds_fail: 5.0,
            backup_seconds_warn: 93_600.0,
            backup_seconds_fail: 180_000.0,
            verified_seconds_warn: 691_200.0,
            drill_seconds_warn: 691_200.0,
            migrations_pending_warn: 0,
            migrations_pending_fail: 10,
            migrations_changed_warn: 0,
            migrations_changed_fail: 10,
            migrations_failed_fail: 0,
            jobs: Vec::new(),
            waivers: Vec::new(),
        }
    }
}
