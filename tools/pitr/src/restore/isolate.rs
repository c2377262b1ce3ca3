//! Cuts a restored copy off: no subscription pulls, no job runs, no slot holds WAL back, and no bucket
//! is its own until it has been compared with the others.

use flotilla::Context;
use flotilla::config::Config;
use flotilla::error::Result;
use flotilla::pg::{Endpoint, Host, Session};
use serde::Serialize;

use super::place::Place;

/// What was found and cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub(crate) struct Isolated {
    /// Subscriptions that were disabled and parted from their slots, as `database.name`.
    pub(crate) subscriptions: Vec<String>,
    /// Replication slots that were dropped.
    pub(crate) slots: Vec<String>,
    /// Scheduled jobs of `pg_cron` that were switched off.
    pub(crate) cron_jobs: u64,
    /// Foreign servers whose user mappings were dropped, as `database.name`: nobody can log in there from the copy.
    pub(crate) foreign_servers: Vec<String>,
    /// Prepared transactions that were open at the point and still are, by their names.
    pub(crate) prepared_transactions: Vec<String>,
    /// Ranges of buckets that the copy owned or imported and no longer does.
    pub(crate) revoked_buckets: Vec<String>,
}

/// How the copy is reached.
pub(crate) fn endpoint(config: &Config, place: &Place, port: u16, dbname: &str) -> Endpoint {
    let host = Host::new(place.socket_folder().display().to_string(), None, port);
    Endpoint::new(vec![host], &*config.users.admin, dbname)
}

/// Cuts it off.
pub(crate) async fn isolate(cx: &Context, place: &Place, port: u16) -> Result<Isolated> {
    let config = cx.config()?;
    let mut found = Isolated::default();
    let session = cx.connect(endpoint(config, place, port, "postgres")).await?;
    found.slots = names(
        &session,
        "SELECT slot_name FROM (SELECT slot_name, pg_drop_replication_slot(slot_name) \
         FROM pg_replication_slots) AS dropped ORDER BY 1",
    )
    .await?;
    found.prepared_transactions = names(&session, "SELECT gid FROM pg_prepared_xacts ORDER BY 1").await?;
    let databases = names(&session, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1").await?;
    session.close().await;
    for database in databases {
        let session = cx.connect(endpoint(config, place, port, &database)).await?;
        let quiet = "SET session_replication_role = replica; SET lock_timeout = '30s'";
        session.simple(quiet).await?;
        links(&session, &database, &mut found).await?;
        if database == config.cluster.dbname {
            disown(&session, &mut found).await?;
        }
        session.close().await;
    }
    Ok(found)
}

/// Everything in a database that reaches out by itself or for whoever asks.
async fn links(session: &Session, database: &str, found: &mut Isolated) -> Result<()> {
    let subscriptions = names(
        session,
        "SELECT quote_ident(subname) FROM pg_subscription \
         WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
    )
    .await?;
    for name in subscriptions {
        session.simple(&format!("ALTER SUBSCRIPTION {name} DISABLE")).await?;
        // Without its slot, dropping it later doesn't reach for the publisher.
        session.simple(&format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")).await?;
        found.subscriptions.push(format!("{database}.{name}"));
    }
    if session.value("SELECT to_regclass('cron.job') IS NOT NULL").await?.as_deref() == Some("t") {
        let off = "WITH off AS (UPDATE cron.job SET active = false WHERE active RETURNING 1) SELECT count(*) FROM off";
        found.cron_jobs += session.value(off).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
    }
    let mappings = "SELECT quote_ident(srvname), \
                    CASE WHEN umuser = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(umuser)) END \
                    FROM pg_user_mappings ORDER BY 1, 2";
    for row in session.simple(mappings).await? {
        let (server, user) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        session.simple(&format!("DROP USER MAPPING FOR {user} SERVER {server}")).await?;
        let name = format!("{database}.{server}");
        if found.foreign_servers.last() != Some(&name) {
            found.foreign_servers.push(name);
        }
    }
    Ok(())
}

/// A shard that comes back from a restore owns nothing until `shardctl map --reconcile` has compared it.
async fn disown(session: &Session, found: &mut Isolated) -> Result<()> {
    if session.value("SELECT to_regclass('flotilla.ownership') IS NOT NULL").await?.as_deref() != Some("t") {
        return Ok(());
    }
    session.simple("SET session_replication_role = origin").await?;
    let rows = session
        .simple("SELECT first_bucket, last_bucket FROM flotilla.ownership WHERE state <> 'none' ORDER BY first_bucket")
        .await?;
    for row in rows {
        let (first, last) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        session.simple(&format!("SELECT flotilla.set_ownership({first}, {last}, 'none', flotilla.epoch())")).await?;
        found.revoked_buckets.push(format!("{first}-{last}"));
    }
    session.simple("CALL flotilla.swap_fences()").await?;
    Ok(())
}

async fn names(session: &Session, sql: &str) -> Result<Vec<String>> {
    Ok(session.simple(sql).await?.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect())
}
