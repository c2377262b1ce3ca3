//! What a shard promises, and every timing that follows from it.
//!
//! A shard states two figures: `rto_seconds`, within which it takes writes again after any one failure,
//! and `rpo_bytes`, how much acknowledged WAL a failover may lose. Patroni, HAProxy and PgBouncer each
//! have timings of their own, and the slowest decides; so all are derived from here, and those that
//! somebody sets by hand are held to the promise.
//!
//! The worst case is a host that dies, since nobody is left to say so: the lease of its leader must run out.
//!
//! ```text
//! ttl                 what is left of the RTO, from 20 (Patroni takes no less) to 60
//! + election          3: etcd ends a lease up to a second late; a replica sees it, compares WAL, promotes
//! + rise × fastinter  the balancers find the new primary; a node that is down is checked so often
//! + login_retry       a pooler that was refused waits so long before it logs in again
//! ≤ rto_seconds
//! ```
//!
//! Measured on PostgreSQL 15 with Patroni 4.1: with a ttl of 20 a dead host was replaced after 20 s at
//! most, a balancer with HAProxy's own timings added 3 to 6 s, a pooler with PgBouncer's up to 15 s.
//!
//! Patroni itself demands `loop_wait + 2 × retry_timeout ≤ ttl` and changes what doesn't fit without a
//! word but in its log: `loop_wait` is a quarter of the ttl, `retry_timeout` a third of the rest.

use serde_json::{Value, json};

use crate::config::{Config, Shard};
use crate::error::{Error, Result};

/// The RTO where none is stated: the shortest that can be kept.
pub const DEFAULT_RTO_SECONDS: u32 = 25;
/// Shorter leases Patroni makes longer by itself.
const SHORTEST_TTL: u32 = 20;
/// A longer lease would spare nothing and find a dead host later.
const LONGEST_TTL: u32 = 60;
/// From the end of a lease to the first write that the next leader takes, in seconds.
const ELECTION: u32 = 3;
/// How long a supervisor takes to start again what has died, in milliseconds: runit waits so long at most.
const RESTART_MS: u32 = 1000;
/// How long an orphaned server takes to be noticed and stopped, in seconds.
const STOPPING: u32 = 3;
/// Patroni's default: candidates further behind don't take over. With quorum commit the quorum decides.
const LAG_BYTES: u64 = 1 << 20;

/// What one shard's Patroni is told. The names are Patroni's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failover {
    /// How long the leader's lease holds, in seconds.
    pub ttl: u32,
    /// How often Patroni looks, in seconds.
    pub loop_wait: u32,
    /// How long it tries to reach etcd and PostgreSQL before it gives up, in seconds.
    pub retry_timeout: u32,
    /// How long a crashed primary may take to come back in place, in seconds; 0: a replica takes over.
    pub primary_start_timeout: u32,
    /// Whether a commit waits for a quorum of replicas.
    pub quorum: bool,
    /// Candidates further behind than this, in bytes of WAL, don't take over.
    pub maximum_lag_on_failover: u64,
}

impl Failover {
    /// What follows from a shard's promise.
    pub fn of(shard: &Shard) -> Self {
        let rto = shard.rto_seconds;
        let pace = pace(rto);
        let ttl = rto.saturating_sub(ELECTION + 2 * pace).clamp(SHORTEST_TTL, LONGEST_TTL);
        let loop_wait = (ttl / 4).min(10);
        let retry_timeout = ((ttl - loop_wait) / 3).min(10);
        let quorum = shard.rpo_bytes == 0;
        // A failover of an asynchronous shard loses what the replica didn't have yet; coming back in place
        // loses nothing. So it is waited for, as long as the RTO leaves time for a failover after all.
        let primary_start_timeout = if quorum { 0 } else { rto.saturating_sub(loop_wait + ELECTION + 2 * pace).max(1) };
        let maximum_lag_on_failover = if quorum { LAG_BYTES } else { shard.rpo_bytes };
        Self { ttl, loop_wait, retry_timeout, primary_start_timeout, quorum, maximum_lag_on_failover }
    }

    /// The part of Patroni's dynamic configuration that is derived, as its REST interface writes it.
    pub fn dynamic(&self) -> Value {
        json!({
            "ttl": self.ttl,
            "loop_wait": self.loop_wait,
            "retry_timeout": self.retry_timeout,
            "maximum_lag_on_failover": self.maximum_lag_on_failover,
            "primary_start_timeout": self.primary_start_timeout,
            "synchronous_mode": if self.quorum { json!("quorum") } else { json!(false) },
            "synchronous_node_count": 1,
            // etcd out of reach: the primary goes on while every replica still hears it.
            "failsafe_mode": true,
        })
    }

    /// How long Patroni may be silent before the server that it leaves behind is stopped, in seconds.
    ///
    /// Patroni may have died while it was trying to renew the lease, so what is left of that is at least
    /// `ttl − loop_wait − retry_timeout`; before it is over, the orphaned server must be down.
    pub fn silence_seconds(&self) -> u32 {
        (self.ttl - self.loop_wait - self.retry_timeout - STOPPING).min(10)
    }
}

/// What HAProxy is told about checking nodes. The names are HAProxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Milliseconds between two checks of a node.
    pub inter_ms: u32,
    /// Milliseconds between two checks of a node that is down, or whose state is changing.
    pub fastinter_ms: u32,
    /// Failed checks until a node is taken out.
    pub fall: u32,
    /// Good checks until a node is taken back.
    pub rise: u32,
}

/// What PgBouncer is told about waiting. The names are PgBouncer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Seconds between two tries to log in to a server.
    pub server_login_retry: u32,
    /// How long a client may wait for a server, in seconds.
    pub query_wait_timeout: u32,
}

/// The balancers' checks: what the topology sets, else what follows from the strictest shard's RTO.
pub fn checks(config: &Config) -> Checks {
    let settings = &config.haproxy;
    let inter_ms = settings.inter_ms.unwrap_or(1000 * pace(strictest(config)));
    Checks {
        inter_ms,
        fastinter_ms: settings.fastinter_ms.unwrap_or((inter_ms / 2).max(1)),
        fall: settings.fall.unwrap_or(2),
        rise: settings.rise.unwrap_or(1),
    }
}

/// The poolers' waits: what the topology sets, else what follows from the shards' RTO.
pub fn waits(config: &Config) -> Waits {
    let settings = &config.pgbouncer;
    Waits {
        server_login_retry: settings.server_login_retry.unwrap_or(pace(strictest(config))),
        // Clients wait through a failover that meets another rather than fail.
        query_wait_timeout: settings.query_wait_timeout.unwrap_or(longest(config).saturating_mul(2).saturating_add(10)),
    }
}

/// Refuses timings that the shards' promises can't be kept with; the message has the sum. For whoever is
/// about to give them to poolers and balancers.
pub fn check(config: &Config) -> Result<()> {
    let at = config.path.display();
    let (checks, waits) = (checks(config), waits(config));
    for (key, value) in [
        ("haproxy.inter_ms", checks.inter_ms),
        ("haproxy.fastinter_ms", checks.fastinter_ms),
        ("haproxy.fall", checks.fall),
        ("haproxy.rise", checks.rise),
        ("pgbouncer.server_login_retry", waits.server_login_retry),
        ("pgbouncer.query_wait_timeout", waits.query_wait_timeout),
    ] {
        if value == 0 {
            return Err(Error::config(format!("{at}: {key} is 0")).hint("Leave it out; it follows from rto_seconds."));
        }
    }
    if checks.fastinter_ms > checks.inter_ms {
        return Err(Error::config(format!(
            "{at}: haproxy.fastinter_ms is {}, and inter_ms is {}",
            checks.fastinter_ms, checks.inter_ms
        ))
        .hint("A node whose state is changing is checked more often, not less."));
    }
    let patience = checks.fall.saturating_mul(checks.inter_ms);
    if patience <= RESTART_MS {
        return Err(Error::config(format!(
            "{at}: balancers would take a node out that only restarts its Patroni: fall {} × inter_ms {} = {patience} ms, \
             and a supervisor takes {RESTART_MS} ms",
            checks.fall, checks.inter_ms
        ))
        .hint("Raise haproxy.fall or haproxy.inter_ms, or leave both out."));
    }
    for shard in &config.shards {
        let worst = Worst { ttl: Failover::of(shard).ttl, checks, waits };
        if worst.milliseconds() > u64::from(shard.rto_seconds) * 1000 {
            return Err(Error::config(format!(
                "{at}: shard \"{}\" promises an RTO of {} s, but a dead host would take {worst}",
                shard.name, shard.rto_seconds
            ))
            .hint("Leave out the keys of [haproxy] and [pgbouncer] that it names, or promise less."));
        }
        if waits.query_wait_timeout <= shard.rto_seconds {
            return Err(Error::config(format!(
                "{at}: pgbouncer.query_wait_timeout is {} s, and shard \"{}\" may be away for its RTO of {} s",
                waits.query_wait_timeout, shard.name, shard.rto_seconds
            ))
            .hint("Raise it above the RTO, so that clients wait through a failover, or leave it out."));
        }
    }
    Ok(())
}

/// Refuses a promise that can't be kept whatever is set.
pub(crate) fn promise(at: &dyn std::fmt::Display, shard: &Shard) -> Result<()> {
    if shard.rto_seconds < DEFAULT_RTO_SECONDS {
        return Err(Error::config(format!(
            "{at}: shard \"{}\" promises an RTO of {} s, and the shortest is {DEFAULT_RTO_SECONDS}: a lease of \
             {SHORTEST_TTL}, an election of {ELECTION}, a check and a login of 1 each",
            shard.name, shard.rto_seconds
        ))
        .hint("Patroni takes no lease shorter than 20 s. Promise 25 s or more."));
    }
    if shard.rto_seconds > 3600 {
        return Err(Error::config(format!("{at}: shard \"{}\" has rto_seconds {}", shard.name, shard.rto_seconds))
            .hint("Use 25 to 3600."));
    }
    Ok(())
}

/// What passes until writes are back when a host dies.
struct Worst {
    ttl: u32,
    checks: Checks,
    waits: Waits,
}

impl Worst {
    fn milliseconds(&self) -> u64 {
        let found = u64::from(self.checks.rise) * u64::from(self.checks.fastinter_ms);
        1000 * u64::from(self.ttl + ELECTION) + found + 1000 * u64::from(self.waits.server_login_retry)
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.milliseconds();
        write!(
            f,
            "ttl {} + election {ELECTION} + haproxy.rise {} × fastinter_ms {} + pgbouncer.server_login_retry {} = {}.{:03} s",
            self.ttl,
            self.checks.rise,
            self.checks.fastinter_ms,
            self.waits.server_login_retry,
            total / 1000,
            total % 1000
        )
    }
}

/// How many seconds poolers and balancers may take for a look: with a long RTO they ask Patroni, whose
/// every answer is a TLS handshake, less often.
fn pace(rto: u32) -> u32 {
    (rto / DEFAULT_RTO_SECONDS).clamp(1, 3)
}

/// Balancers and poolers serve all shards: the one with the shortest RTO decides.
fn strictest(config: &Config) -> u32 {
    config.shards.iter().map(|shard| shard.rto_seconds).min().unwrap_or(DEFAULT_RTO_SECONDS)
}

fn longest(config: &Config) -> u32 {
    config.shards.iter().map(|shard| shard.rto_seconds).max().unwrap_or(DEFAULT_RTO_SECONDS)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(shard: &str, more: &str) -> Config {
        let text = format!(
            "[cluster]\nname = \"c\"\ndbname = \"app\"\n{more}\n[[shards]]\nname = \"s0\"\n{shard}\n\
             [[shards.nodes]]\nname = \"s0-a\"\nhost = \"h\"\n"
        );
        Config::parse(&text, Path::new("flotilla.toml")).unwrap()
    }

    #[test]
    fn the_shortest_rto_gives_the_shortest_lease_and_quorum_commit() {
        let config = config("", "");
        let failover = Failover::of(&config.shards[0]);
        assert_eq!((failover.ttl, failover.loop_wait, failover.retry_timeout), (20, 5, 5));
        assert_eq!((failover.primary_start_timeout, failover.quorum), (0, true));
        assert_eq!(failover.silence_seconds(), 7);
        assert_eq!(failover.dynamic()["synchronous_mode"], "quorum");
        assert_eq!(checks(&config), Checks { inter_ms: 1000, fastinter_ms: 500, fall: 2, rise: 1 });
        assert_eq!(waits(&config), Waits { server_login_retry: 1, query_wait_timeout: 60 });
        check(&config).unwrap();
    }

    #[test]
    fn an_asynchronous_shard_waits_for_its_primary() {
        let config = config("rpo_bytes = 16777216", "");
        let failover = Failover::of(&config.shards[0]);
        assert_eq!((failover.primary_start_timeout, failover.quorum), (15, false));
        assert_eq!(failover.maximum_lag_on_failover, 16_777_216);
        assert_eq!(failover.dynamic()["synchronous_mode"], false);
    }

    #[test]
    fn every_rto_yields_a_set_that_patroni_leaves_alone_and_that_keeps_it() {
        for rto in DEFAULT_RTO_SECONDS..=3600 {
            for rpo in [0, 1 << 20] {
                let config = config(&format!("rto_seconds = {rto}\nrpo_bytes = {rpo}"), "");
                let failover = Failover::of(&config.shards[0]);
                let Failover { ttl, loop_wait, retry_timeout, primary_start_timeout, .. } = failover;
                assert!(ttl >= 20 && loop_wait >= 1 && retry_timeout >= 3, "{rto}: {failover:?}");
                assert!(loop_wait + 2 * retry_timeout <= ttl, "{rto}: {failover:?}");
                assert!(primary_start_timeout + loop_wait < rto, "{rto}: {failover:?}");
                // Longer than a supervisor's restart, shorter than what is left of the lease.
                let silence = failover.silence_seconds();
                assert!(silence > 3 && silence + STOPPING <= ttl - loop_wait - retry_timeout, "{rto}: {failover:?}");
                check(&config).unwrap();
            }
        }
    }

    #[test]
    fn keys_that_break_the_promise_are_refused_with_the_sum() {
        for (more, says) in [
            (
                "[pgbouncer]\nserver_login_retry = 15",
                "promises an RTO of 25 s, but a dead host would take ttl 20 + election 3 + haproxy.rise 1 × \
                 fastinter_ms 500 + pgbouncer.server_login_retry 15 = 38.500 s",
            ),
            ("[haproxy]\ninter_ms = 3000\nrise = 2", "haproxy.rise 2 × fastinter_ms 1500"),
            ("[haproxy]\ninter_ms = 500\nfall = 2", "fall 2 × inter_ms 500 = 1000 ms"),
            ("[haproxy]\nfastinter_ms = 2000", "fastinter_ms is 2000, and inter_ms is 1000"),
            ("[haproxy]\nfall = 0", "haproxy.fall is 0"),
            ("[pgbouncer]\nquery_wait_timeout = 20", "query_wait_timeout is 20 s"),
        ] {
            let error = check(&config("", more)).unwrap_err();
            assert!(error.message().contains(says), "{more}: {}", error.message());
        }
        // What doesn't break it stays the user's business.
        check(&config("rto_seconds = 40", "[pgbouncer]\nserver_login_retry = 5")).unwrap_err();
        check(&config("rto_seconds = 70", "[pgbouncer]\nserver_login_retry = 5")).unwrap();
    }

    #[test]
    fn a_promise_that_nobody_can_keep_is_refused_where_it_is_read() {
        let text = "[cluster]\nname = \"c\"\ndbname = \"app\"\n[[shards]]\nname = \"s0\"\nrto_seconds = 10\n\
                    [[shards.nodes]]\nname = \"s0-a\"\nhost = \"h\"\n";
        let error = Config::parse(text, Path::new("flotilla.toml")).unwrap_err();
        assert!(error.message().contains("the shortest is 25"), "{}", error.message());
    }
}
