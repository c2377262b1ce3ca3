//! Indexes that repeat another one, or its beginning.

use super::advice::{Advice, Found, Kind};
use super::mending;
use super::schema::{Index, Schema};

/// Advises on each.
pub(super) fn advise(schema: &Schema, found: &mut Found) {
    for table in &schema.tables {
        // A partition's part of an index goes with the whole.
        let indexes: Vec<&Index> =
            schema.indexes_of(table.oid).filter(|index| index.is_valid && index.parent.is_none()).collect();
        let mut gone: Vec<i64> = Vec::new();
        for (at, one) in indexes.iter().enumerate() {
            for other in &indexes[at + 1..] {
                if !are_equal(one, other) || gone.contains(&one.oid) || gone.contains(&other.oid) {
                    continue;
                }
                let (keep, drop) = if rank(one) >= rank(other) { (one, other) } else { (other, one) };
                if drop.is_bound {
                    continue;
                }
                gone.push(drop.oid);
                found.push(
                    Advice::new(Kind::DuplicateIndex, &drop.name)
                        .table(&table.name)
                        .seen("index_bytes", bytes(schema, drop), "bytes")
                        .why(format!(
                            "{} has the same columns, operator classes, collations, order, expressions and predicate: every write keeps both up to date",
                            keep.name
                        ))
                        .remedy(mending::dropping(drop))
                        .sql(mending::drop_index(drop)),
                );
            }
        }
        for short in indexes.iter().filter(|index| !gone.contains(&index.oid)) {
            let longer = indexes.iter().filter(|index| !gone.contains(&index.oid));
            let Some(long) = longer.into_iter().find(|long| begins(short, long)) else { continue };
            found.push(
                Advice::new(Kind::RedundantIndex, &short.name)
                    .table(&table.name)
                    .seen("index_bytes", bytes(schema, short), "bytes")
                    .seen("other_index_bytes", bytes(schema, long), "bytes")
                    .why(format!("{} begins with the same columns and finds the same rows", long.name))
                    .remedy(format!(
                        "Keep it where the other one is much larger and this one is read all the time. {}",
                        mending::dropping(short)
                    ))
                    .sql(mending::drop_index(short)),
            );
        }
    }
}

fn are_equal(one: &Index, other: &Index) -> bool {
    let shape = |index: &Index| {
        (
            index.method.clone(),
            index.key_count,
            index.columns.clone(),
            index.classes.clone(),
            index.collations.clone(),
            index.options.clone(),
            index.expressions.clone(),
            index.predicate.clone(),
        )
    };
    // Two rules that differ in what counts as equal are two rules.
    let same_rule = !(one.is_unique && other.is_unique) || one.nulls_not_distinct == other.nulls_not_distinct;
    shape(one) == shape(other) && same_rule
}

/// Which of two equal ones stays: what others depend on, what holds up a rule, what was there first.
fn rank(index: &Index) -> (bool, bool, i64) {
    (index.is_bound, index.is_unique, -index.oid)
}

fn begins(short: &Index, long: &Index) -> bool {
    let count = short.key_count;
    let is_plain = |index: &Index| index.expressions.is_none() && index.method == "btree";
    short.oid != long.oid
        && !short.is_needed
        && is_plain(short)
        && is_plain(long)
        // Columns that are only carried along let a query do without the table.
        && short.columns.len() == count
        && long.key_count > count
        && short.predicate == long.predicate
        && long.keys().starts_with(short.keys())
        && long.classes.starts_with(&short.classes)
        && long.collations.starts_with(&short.collations)
        && long.options.starts_with(&short.options)
}

/// How large an index is, with its partitions' parts.
pub(super) fn bytes(schema: &Schema, index: &Index) -> f64 {
    let parts = schema.indexes.iter().filter(|part| part.parent == Some(index.oid));
    index.bytes + parts.map(|part| bytes(schema, part)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::super::schema::Index;
    use super::{are_equal, begins};

    fn index(more: &str) -> Index {
        let text = format!(
            r#"{{"oid":1,"name":"i","table":1,"bare_name":"i","is_partitioned":false,"parent":null,"method":"btree",
            "is_unique":false,"is_valid":true,"is_needed":false,"is_bound":false,"is_being_built":false,
            "nulls_not_distinct":false,"expressions":null,"bytes":1,"rows":1,"fill":90,"age_seconds":null,{more}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn plain(oid: i64, columns: &str, classes: &str) -> Index {
        let count = columns.split(',').count();
        let zeros = vec!["0"; count].join(",");
        let more = format!(
            r#""key_count":{count},"columns":[{columns}],"classes":[{classes}],"collations":[{zeros}],"options":[{zeros}],"predicate":null"#
        );
        Index { oid, ..index(&more) }
    }

    #[test]
    fn another_operator_class_or_predicate_makes_another_index() {
        let one = plain(1, "1,2", "10,10");
        assert!(are_equal(&one, &plain(2, "1,2", "10,10")));
        assert!(!are_equal(&one, &plain(2, "1,2", "10,11")));
        assert!(!are_equal(&one, &plain(2, "2,1", "10,10")));
        assert!(!are_equal(&one, &Index { predicate: Some("a > 1".into()), ..plain(2, "1,2", "10,10") }));
    }

    #[test]
    fn only_the_beginning_of_another_is_redundant() {
        let long = plain(1, "1,2", "10,10");
        assert!(begins(&plain(2, "1", "10"), &long));
        assert!(!begins(&plain(2, "2", "10"), &long));
        assert!(!begins(&plain(2, "1", "11"), &long));
        assert!(!begins(&Index { is_needed: true, ..plain(2, "1", "10") }, &long));
        assert!(!begins(&long, &long));
    }
}
