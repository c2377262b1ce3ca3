//! Plans of statements whose constants are gone, without running them.
//!
//! PostgreSQL 15 explains no parameters. A statement that is prepared with them has their types inferred, and its
//! generic plan is made without their values; EXPLAIN EXECUTE shows that one, whatever values it is given.

use std::collections::HashMap;

use flotilla::pg::Session;
use flotilla::{Code, Context, Error, Result};
use pg_query::protobuf::Token;
use serde::Deserialize;

use super::advice::Found;
use super::statement::Statement;

/// In a transaction that may only read and is rolled back. The locks are those of the statement, hence the limits;
/// parallel plans would show rows by worker.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '100ms'; \
                     SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL max_parallel_workers_per_gather = 0; \
                     SET LOCAL jit = off";
const END: &str = "ROLLBACK; DEALLOCATE ALL";

/// Fewer milliseconds than this on average need no look at the plan.
const LEAST_MS: f64 = 1.0;

/// A plan.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    #[serde(rename = "Plan")]
    pub(super) root: Node,
}

/// A node of a plan, as EXPLAIN writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Node {
    #[serde(rename = "Node Type")]
    pub(super) kind: String,
    #[serde(rename = "Relation Name")]
    pub(super) relation: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) alias: Option<String>,
    pub(super) filter: Option<String>,
    #[serde(rename = "Join Filter")]
    pub(super) join_filter: Option<String>,
    #[serde(rename = "Plan Rows")]
    pub(super) rows: f64,
    #[serde(rename = "Plan Width")]
    pub(super) width: f64,
    #[serde(rename = "Total Cost")]
    cost: f64,
    #[serde(default)]
    pub(super) plans: Vec<Node>,
}

impl Node {
    /// It and all below it.
    pub(super) fn all(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.plans.iter().flat_map(Self::all)).collect()
    }

    /// The node that costs the most by itself, in words.
    pub(super) fn costliest(&self) -> String {
        let own = |node: &Self| node.cost - node.plans.iter().map(|below| below.cost).sum::<f64>();
        let all = self.all();
        let worst = all.into_iter().max_by(|a, b| own(a).total_cmp(&own(b))).unwrap_or(self);
        match &worst.relation {
            Some(relation) => format!("{} on {relation}, about {} rows", worst.kind, worst.rows),
            None => format!("{}, about {} rows", worst.kind, worst.rows),
        }
    }
}

/// The plans by the statements' ids; what has none is named.
pub(super) async fn explain(
    cx: &Context,
    session: Option<&Session>,
    statements: &[Statement],
    found: &mut Found,
) -> Result<HashMap<String, Plan>> {
    let mut plans = HashMap::new();
    let Some(session) = session else { return Ok(plans) };
    for statement in statements.iter().filter(|statement| statement.mean_ms >= LEAST_MS) {
        let explained = cx.guarded(session.canceller(), one(session, &statement.text)).await;
        match explained {
            Ok(plan) => drop(plans.insert(statement.id.clone(), plan)),
            Err(error) if error.code() == Code::Cancelled => return Err(error),
            Err(error) => found.unseen("plans", Some(&statement.id), error.message(), None),
        }
        cx.guarded(session.canceller(), session.simple(END)).await?;
    }
    Ok(plans)
}

async fn one(session: &Session, text: &str) -> Result<Plan> {
    session.simple(BEGIN).await?;
    // By the extended protocol, in which the server takes one statement and no more, whatever the text holds.
    session.execute(&format!("PREPARE flotilla_advise AS {text}\n"), &[]).await?;
    let values = match parameters(text) {
        0 => String::new(),
        count => format!("({})", vec!["NULL"; count].join(", ")),
    };
    let sql = format!("EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE flotilla_advise{values}");
    let text = session.value(&sql).await?.unwrap_or_default();
    let plans: Vec<Plan> = serde_json::from_str(&text)
        .map_err(|e| Error::new(Code::QueryFailed, "the server's plan can't be read").source(e))?;
    plans.into_iter().next().ok_or_else(|| Error::new(Code::QueryFailed, "the server gave no plan"))
}

/// How many parameters a statement has: the highest number.
fn parameters(text: &str) -> usize {
    let Ok(scanned) = pg_query::scan(text) else { return 0 };
    let number = |token: &pg_query::protobuf::ScanToken| {
        let range = usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?;
        text.get(range)?.strip_prefix('$')?.parse::<usize>().ok()
    };
    scanned.tokens.iter().filter(|token| token.token == Token::Param as i32).filter_map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn parameters_are_counted_where_they_are_none_of_a_text() {
        assert_eq!(parameters("SELECT $2, '$9', \"$8\" -- $7\n, $1"), 2);
        assert_eq!(parameters("SELECT 1"), 0);
    }
}
