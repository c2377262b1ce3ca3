//! Indexes that statements lack, by their plans: whole tables are read for a few rows.

use std::collections::{BTreeMap, HashMap};

use super::advice::{Found, Kind};
use super::plan::{Node, Plan};
use super::schema::{Schema, Table};
use super::statement::Statement;
use super::{Args, filter, mending};

/// More than this part of a table is read as fast without an index.
const FEW: f64 = 0.1;
/// The same of pairs: of two conditions that only say which is larger the planner thinks that a ninth holds.
const FEW_PAIRS: f64 = 0.2;
/// So many rows compared with each other take seconds.
const MANY_PAIRS: f64 = 1e6;

/// An index that is lacking: the table and its columns.
type Lack = (i64, Vec<String>);

/// What one statement reads for nothing.
struct Waste<'a> {
    kind: Kind,
    statement: &'a Statement,
    /// Rows that are read, or pairs that are compared.
    read: f64,
    /// What is kept of them.
    kept: f64,
}

/// Advises on each index once, with the statement that spends the most on it.
pub(super) fn advise(
    schema: &Schema,
    statements: &[Statement],
    plans: &HashMap<String, Plan>,
    args: &Args,
    found: &mut Found,
) {
    let mut lacks: BTreeMap<Lack, Vec<Waste<'_>>> = BTreeMap::new();
    for statement in statements {
        let Some(plan) = plans.get(&statement.id) else { continue };
        scanned(schema, statement, &plan.root, args, &mut lacks);
        for node in plan.root.all() {
            paired(schema, statement, node, args, &mut lacks);
        }
    }
    for ((oid, columns), mut wastes) in lacks {
        let Some(table) = schema.table(oid) else { continue };
        wastes.sort_by(|a, b| b.statement.total_ms.total_cmp(&a.statement.total_ms));
        let Some(worst) = wastes.first() else { continue };
        if found.advice.iter().any(|advice| advice.makes_index(&table.name, &columns)) {
            continue;
        }
        let object = format!("{} ({})", table.name, columns.join(", "));
        let (read, kept) = (worst.read.round(), worst.kept.round());
        let why = match worst.kind {
            Kind::NestedLoop => {
                format!("about {read} pairs of rows are compared, and about {kept} of them belong together")
            }
            _ => format!("about {read} rows of {} are read for about {kept} of them", table.name),
        };
        found.push(
            worst
                .statement
                .advice(worst.kind, &object)
                .table(&table.name)
                .seen("table_bytes", schema.bytes(oid), "bytes")
                .seen("read_rows", read, if matches!(worst.kind, Kind::NestedLoop) { "pairs" } else { "rows" })
                .seen("kept_rows", kept, "rows")
                .seen("statement_count", as_number(wastes.len()), "statements")
                .why(why)
                .formula(format!(
                    "kept / read = {kept} / {read} = {:.2} %, by the planner's estimate for values that it doesn't know; the limit is {:.0} %",
                    100.0 * worst.kept / worst.read.max(1.0),
                    100.0 * if matches!(worst.kind, Kind::NestedLoop) { FEW_PAIRS } else { FEW }
                ))
                .remedy(format!("Mind that each write keeps it up to date. {}", mending::ON_EVERY_SHARD))
                .sql(mending::create_index(schema, table, &columns)),
        );
    }
}

/// Whole tables that are read for a few rows; a partitioned one is read partition by partition.
fn scanned<'a>(
    schema: &Schema,
    statement: &'a Statement,
    plan: &Node,
    args: &Args,
    lacks: &mut BTreeMap<Lack, Vec<Waste<'a>>>,
) {
    let mut kept: BTreeMap<Lack, (f64, f64)> = BTreeMap::new();
    for node in plan.all().into_iter().filter(|node| node.kind == "Seq Scan") {
        let (Some(table), Some(condition)) = (relation(schema, node), &node.filter) else { continue };
        let alias = node.alias.as_deref().unwrap_or(&table.bare_name);
        let columns = filter::columns(schema, table.oid, alias, condition);
        let sums = kept.entry((schema.root(table.oid), columns)).or_default();
        sums.0 += table.rows;
        sums.1 += node.rows;
    }
    for ((root, columns), (read, kept)) in kept {
        if is_worth_it(schema, root, &columns, args) && kept <= read * FEW {
            let waste = Waste { kind: Kind::SequentialScan, statement, read, kept };
            lacks.entry((root, columns)).or_default().push(waste);
        }
    }
}

/// Each row of one table compared with each of another one.
fn paired<'a>(
    schema: &Schema,
    statement: &'a Statement,
    node: &Node,
    args: &Args,
    lacks: &mut BTreeMap<Lack, Vec<Waste<'a>>>,
) {
    let (Some(condition), [outer, inner]) = (&node.join_filter, node.plans.as_slice()) else { return };
    let pairs = outer.rows * inner.rows;
    if node.kind != "Nested Loop" || pairs < MANY_PAIRS || node.rows > pairs * FEW_PAIRS {
        return;
    }
    // With an index on either one, that one is looked up for each row of the other.
    let lack = |side| {
        let scan = below(side);
        let table = relation(schema, scan).filter(|_| scan.kind == "Seq Scan")?;
        let alias = scan.alias.as_deref().unwrap_or(&table.bare_name);
        let columns = filter::columns(schema, table.oid, alias, condition);
        let root = schema.root(table.oid);
        is_worth_it(schema, root, &columns, args).then_some((root, columns))
    };
    let sides = [lack(inner), lack(outer)].into_iter().flatten();
    if let Some(lack) = sides.max_by(|a, b| schema.bytes(a.0).total_cmp(&schema.bytes(b.0))) {
        let waste = Waste { kind: Kind::NestedLoop, statement, read: pairs, kept: node.rows };
        lacks.entry(lack).or_default().push(waste);
    }
}

/// What is scanned, below what keeps its rows for the next round.
fn below(node: &Node) -> &Node {
    match (node.kind.as_str(), node.plans.as_slice()) {
        ("Materialize" | "Memoize", [scan]) => below(scan),
        _ => node,
    }
}

fn relation<'a>(schema: &'a Schema, node: &Node) -> Option<&'a Table> {
    schema.named(node.schema.as_deref()?, node.relation.as_deref()?)
}

/// Whether an index on these columns could serve. Where one is there already the planner had its reasons.
fn is_worth_it(schema: &Schema, table: i64, columns: &[String], args: &Args) -> bool {
    let numbers: Vec<i16> =
        schema.columns_of(table).filter(|column| columns.contains(&column.name)).map(|column| column.number).collect();
    !columns.is_empty()
        && numbers.len() == columns.len()
        && schema.bytes(table) >= args.least_bytes()
        && !schema.indexes_of(table).any(|index| index.leads_with(&numbers))
}

#[expect(clippy::cast_precision_loss, reason = "a handful of statements")]
fn as_number(count: usize) -> f64 {
    count as f64
}
