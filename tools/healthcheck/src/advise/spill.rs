//! Statements that sort or hash on disk, because `work_mem` is too small for them.

use std::collections::HashMap;

use flotilla::{Context, Result};
use serde::Deserialize;

use super::advice::{Found, Kind};
use super::plan::Plan;
use super::settings::Server;
use super::sight::Sight;
use super::statement::Statement;

/// What a call may write at least before it counts.
const LEAST: f64 = 1_048_576.0;
/// Rows take so much more room in memory than in a file.
const ROOM: f64 = 2.5;
/// More than this is given to nobody without knowing the machine.
const MOST: f64 = 268_435_456.0;

/// What sessions of a role are given: its own in this database, its own, the database's, the server's.
const SQL: &str = "\
SELECT r.oid::regrole::text AS role, quote_ident(current_database()) AS database, \
 pg_size_bytes(coalesce((SELECT regexp_replace(split_part(setting, '=', 2), '^\\d+$', '\\&kB') \
  FROM pg_db_role_setting AS s, unnest(s.setconfig) AS setting \
  WHERE setting LIKE 'work_mem=%' AND s.setrole IN (0, r.oid) \
   AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
  ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1), \
  (SELECT setting || unit FROM pg_settings WHERE name = 'work_mem'))) AS bytes \
FROM pg_roles AS r WHERE r.rolcanlogin";

#[derive(Deserialize)]
struct Given {
    role: String,
    database: String,
    bytes: f64,
}

/// Advises on each.
pub(super) async fn advise(
    cx: &Context,
    sight: &Sight,
    statements: &[Statement],
    plans: &HashMap<String, Plan>,
    servers: &[Server],
    found: &mut Found,
) -> Result<()> {
    let spilling = |statement: &&Statement| statement.temporary_bytes / statement.calls >= LEAST;
    let spilling: Vec<&Statement> = statements.iter().filter(spilling).collect();
    if spilling.is_empty() {
        return Ok(());
    }
    let given: Vec<Given> = sight.primary().rows(cx, SQL).await?;
    // What every connection may take at once without the machine running out of memory.
    let shares =
        servers.iter().filter_map(|server| Some((server.memory()? - server.shared_buffers) / server.connections));
    let most = shares.fold(f64::INFINITY, f64::min);
    let (most, limit) = if most.is_finite() {
        (most, format!("(memory − shared_buffers) / max_connections = {:.0} bytes", most.max(0.0)))
    } else {
        (MOST, format!("{MOST:.0} bytes, as the machine's memory is not known"))
    };
    for statement in spilling {
        let written = statement.temporary_bytes / statement.calls;
        let wanted = (written * ROOM / 1_048_576.0).log2().ceil().exp2();
        let short: Vec<&Given> = given
            .iter()
            .filter(|given| statement.roles.contains(&given.role) && given.bytes < wanted * 1_048_576.0)
            .collect();
        // They have been given enough since it was counted.
        if short.is_empty() {
            continue;
        }
        let sorts = plans.get(&statement.id).into_iter().flat_map(|plan| plan.root.all());
        let sorted = sorts.filter(|node| matches!(node.kind.as_str(), "Sort" | "Hash" | "Materialize" | "Aggregate"));
        let largest = sorted.max_by(|a, b| (a.rows * a.width).total_cmp(&(b.rows * b.width)));
        let by = largest.map_or_else(String::new, |node| {
            format!(
                "; the largest of its plan's nodes that need room is {} of about {} rows of {} bytes",
                node.kind, node.rows, node.width
            )
        });
        let advice = statement
            .advice(Kind::TemporaryFiles, &statement.id)
            .seen("temporary_bytes_per_call", written, "bytes")
            .seen("work_mem", short.iter().map(|given| given.bytes).fold(f64::INFINITY, f64::min), "bytes")
            .why(format!("what it sorts or hashes doesn't fit into work_mem and is written to disk{by}"))
            .formula(format!(
                "{written:.0} bytes in files × {ROOM} for the same rows in memory, as a power of two: {wanted} MB; at most {limit}"
            ));
        found.push(if wanted * 1_048_576.0 <= most {
            let set = |given: &&Given| {
                format!("ALTER ROLE {} IN DATABASE {} SET work_mem = '{wanted}MB'", given.role, given.database)
            };
            advice
                .remedy("It holds for new sessions: let poolers RECONNECT. A role's setting is in the database, on every shard, and none of Patroni's.")
                .sql(short.iter().map(set).collect())
        } else {
            advice.remedy("That is more than every connection can be given: let it sort by an index, ask for fewer rows, or SET LOCAL work_mem in its transaction.")
        });
    }
    Ok(())
}
