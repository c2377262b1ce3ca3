//! The patterns. Their templates lie beside, one file each.

use super::facts::Facts;
use super::parameter::{Parameter, is, needs, takes, told};
use super::pattern::{Pattern, Refusal};
use super::value::Kind;

const TABLE: Parameter = needs("table", Kind::Table, "the table, such as users or app.users");
const COLUMN: Parameter = needs("column", Kind::Name, "the column");
const KEY: Parameter = told(
    "key",
    Kind::Names,
    |facts| facts.primary_key("table"),
    "the columns of the primary key, which rows are gone through by",
);
const BATCH: Parameter = is("batch", Kind::Number, "1000", "how many rows a transaction changes");
const PAUSE: Parameter = is("pause_ms", Kind::Number, "50", "how long to pause between transactions, in milliseconds");
const PHASE: Parameter = is(
    "phase",
    Kind::Word(&["prepare", "finish"]),
    "prepare",
    "prepare, which old and new clients can work with; or finish, when no old client is left",
);
const TYPE_NOW: Parameter = told(
    "from_type",
    Kind::Type,
    |facts| facts.column().map(|column| column.type_name.clone()).filter(|name| !name.is_empty()),
    "the type that the column has",
);

/// All of them, by name.
pub(super) const ALL: &[&Pattern] = &[
    &ADD_CHECK,
    &ADD_COLUMN,
    &ADD_FOREIGN_KEY,
    &ADD_INDEX,
    &ADD_INDEX_PARTITIONED,
    &ADD_NOT_NULL,
    &ADD_UNIQUE,
    &BACKFILL,
    &CHANGE_TYPE,
    &CREATE_TABLE,
    &DETACH_PARTITION,
    &DROP_COLUMN,
    &DROP_TABLE,
    &ENUM_VALUE,
    &RENAME_COLUMN,
];

const ADD_CHECK: Pattern = Pattern {
    name: "add-check",
    does: "Adds a CHECK constraint NOT VALID, then proves it while others read and write",
    describe: "check {{ table.name }}",
    template: include_str!("patterns/add_check.sql.j2"),
    parameters: &[
        TABLE,
        needs("check", Kind::Expression, "what must be true of each row"),
        takes("name", Kind::Name, "the constraint's name"),
    ],
    check: |_| Ok(()),
};

const ADD_COLUMN: Pattern = Pattern {
    name: "add-column",
    does: "Adds a column; a default that is computed for each row is filled in by batches",
    describe: "add {{ column.name }} to {{ table.name }}",
    template: include_str!("patterns/add_column.sql.j2"),
    parameters: &[
        TABLE,
        COLUMN,
        needs("type", Kind::Type, "the column's type"),
        takes("default", Kind::Expression, "the column's default"),
        is("required", Kind::Truth, "false", "whether the column is NOT NULL"),
        is(
            "volatile",
            Kind::Truth,
            "false",
            "whether the default is computed for each row, by a function that isn't known for it",
        ),
        Parameter {
            name: "key",
            kind: Kind::Names,
            without: super::parameter::Without::Told(key_if_volatile),
            about: KEY.about,
        },
        BATCH,
        PAUSE,
    ],
    check: |facts| {
        if facts.is_true("required") && facts.text("default").is_none() {
            return refused(
                "a column that is required needs a default",
                "Give -p default=…, or add it without and use add-not-null later.",
            );
        }
        Ok(())
    },
};

/// Rows are only gone through where the default must be computed for each.
fn key_if_volatile(facts: &Facts) -> Option<String> {
    let volatile = facts.is_true("volatile")
        || facts.text("default").is_some_and(|default| crate::lint::volatile_function(&default).is_some());
    if volatile { facts.primary_key("table") } else { Some("unused".to_owned()) }
}

const ADD_FOREIGN_KEY: Pattern = Pattern {
    name: "add-foreign-key",
    does: "Adds a foreign key NOT VALID, then proves it while others read and write",
    describe: "reference {{ references.name }} from {{ table.name }}",
    template: include_str!("patterns/add_foreign_key.sql.j2"),
    parameters: &[
        TABLE,
        needs("columns", Kind::Names, "the columns that point; the shard key is among them"),
        needs("references", Kind::Table, "the table that they point to"),
        told("to", Kind::Names, |facts| facts.primary_key("references"), "the columns that they point to"),
        is(
            "on_delete",
            Kind::Word(&["no action", "restrict", "cascade", "set null", "set default"]),
            "no action",
            "what becomes of a row when the one that it points to goes",
        ),
        takes("name", Kind::Name, "the constraint's name"),
    ],
    check: |facts| match facts.table("table") {
        Some(table) if table.partitioned.is_some() => refused(
            "PostgreSQL adds no foreign key NOT VALID to a partitioned table",
            "Add it to each partition by this pattern, then to the partitioned table, which finds them.",
        ),
        _ => Ok(()),
    },
};

const ADD_INDEX: Pattern = Pattern {
    name: "add-index",
    does: "Builds an index concurrently, alone in its script",
    describe: "index {{ table.name }} by {{ columns.words|join(' ') }}",
    template: include_str!("patterns/add_index.sql.j2"),
    parameters: &[
        TABLE,
        needs("columns", Kind::IndexElements, "what is indexed, as in CREATE INDEX"),
        takes("where", Kind::Expression, "which rows are indexed"),
        is("method", Kind::Name, "btree", "the kind of index"),
        takes("name", Kind::Name, "the index's name"),
    ],
    check: |facts| match facts.table("table") {
        Some(table) if table.partitioned.is_some() => {
            refused("the table is partitioned", "Use --pattern add-index-partitioned.")
        }
        _ => Ok(()),
    },
};

const ADD_INDEX_PARTITIONED: Pattern = Pattern {
    name: "add-index-partitioned",
    does: "Builds an index concurrently on each partition, then makes them one of the partitioned table",
    describe: "index {{ table.name }} by {{ columns.words|join(' ') }}",
    template: include_str!("patterns/add_index_partitioned.sql.j2"),
    parameters: &[
        TABLE,
        needs("columns", Kind::IndexElements, "what is indexed, as in CREATE INDEX"),
        told("partitions", Kind::Tables, Facts::partitions, "every partition, on which the index is built first"),
        is("method", Kind::Name, "btree", "the kind of index"),
        takes("name", Kind::Name, "the index's name"),
    ],
    check: |_| Ok(()),
};

const ADD_NOT_NULL: Pattern = Pattern {
    name: "add-not-null",
    does: "Makes a column NOT NULL by way of a CHECK, which is proved while others read and write",
    describe: "require {{ column.name }} of {{ table.name }}",
    template: include_str!("patterns/add_not_null.sql.j2"),
    parameters: &[TABLE, COLUMN],
    check: |facts| match facts.column() {
        Some(column) if column.not_null => refused("the column is NOT NULL already", "There is nothing to do."),
        _ => Ok(()),
    },
};

const ADD_UNIQUE: Pattern = Pattern {
    name: "add-unique",
    does: "Builds a unique index concurrently, then makes it a constraint",
    describe: "unique {{ columns|map(attribute='name')|join(' ') }} of {{ table.name }}",
    template: include_str!("patterns/add_unique.sql.j2"),
    parameters: &[
        TABLE,
        needs("columns", Kind::Names, "the columns; the shard key is among them"),
        takes("name", Kind::Name, "the constraint's name"),
    ],
    check: |facts| match (facts.table("table"), facts.shard_key()) {
        (_, Some(key)) if !facts.names("columns").iter().any(|column| column == key) => refused(
            &format!("the columns lack the shard key \"{key}\", and one shard can't see the others' rows"),
            "Add the shard key to the columns; for what must be unique on all shards use flotilla.claim.",
        ),
        (Some(table), _) if table.partitioned.is_some() => refused(
            "PostgreSQL builds no index of a partitioned table concurrently",
            "Use --pattern add-index-partitioned on each partition's behalf, or make the table anew.",
        ),
        _ => Ok(()),
    },
};

const BACKFILL: Pattern = Pattern {
    name: "backfill",
    does: "Changes many rows in batches that commit; it can be interrupted and run again",
    describe: "fill {{ set.words|join(' ') }} of {{ table.name }}",
    template: include_str!("patterns/backfill.sql.j2"),
    parameters: &[
        TABLE,
        needs("set", Kind::Assignments, "what is set, as in UPDATE"),
        needs("where", Kind::Expression, "which rows are yet to be changed; no longer true once they are"),
        KEY,
        BATCH,
        PAUSE,
    ],
    check: |_| Ok(()),
};

const CHANGE_TYPE: Pattern = Pattern {
    name: "change-type",
    does: "Gives a column another type by way of a second column that a trigger keeps equal",
    describe: "{{ phase }} {{ column.name }} of {{ table.name }} as {{ type }}",
    template: include_str!("patterns/change_type.sql.j2"),
    parameters: &[
        TABLE,
        COLUMN,
        needs("type", Kind::Type, "the type that the column is to have"),
        TYPE_NOW,
        takes("using", Kind::Expression, "the new value, computed from the column; a cast otherwise"),
        takes("back", Kind::Expression, "the old value, computed from the column as it will be; a cast otherwise"),
        PHASE,
        KEY,
        BATCH,
        PAUSE,
    ],
    check: not_in_key,
};

const CREATE_TABLE: Pattern = Pattern {
    name: "create-table",
    does: "Makes a table and declares what it is to the fleet: sharded, reference or local",
    describe: "create {{ table.name }}",
    template: include_str!("patterns/create_table.sql.j2"),
    parameters: &[
        TABLE,
        is(
            "kind",
            Kind::Word(&["sharded", "reference", "local"]),
            "sharded",
            "sharded by a key, a reference table equal on all shards, or local",
        ),
        is("shard_key", Kind::Name, "user_id", "the column that a sharded table is sharded by"),
        takes("columns", Kind::Columns, "the columns, as in CREATE TABLE"),
        takes("primary_key", Kind::Names, "the columns of the primary key; the shard key is among them"),
    ],
    check: create_table,
};

const DETACH_PARTITION: Pattern = Pattern {
    name: "detach-partition",
    does: "Detaches a partition concurrently, alone in its script",
    describe: "detach {{ partition.name }} from {{ table.name }}",
    template: include_str!("patterns/detach_partition.sql.j2"),
    parameters: &[
        TABLE,
        needs("partition", Kind::Table, "the partition"),
        told("bounds", Kind::Bounds, Facts::bounds, "the partition's bounds, to attach it again"),
    ],
    check: |_| Ok(()),
};

const DROP_COLUMN: Pattern = Pattern {
    name: "drop-column",
    does: "Lets clients leave a column out, then drops it when none uses it",
    describe: "{{ 'stop requiring' if phase == 'prepare' else 'drop' }} {{ column.name }} of {{ table.name }}",
    template: include_str!("patterns/drop_column.sql.j2"),
    parameters: &[TABLE, COLUMN, PHASE, TYPE_NOW],
    check: |facts| match facts.column() {
        Some(column) if !column.not_null && facts.is("phase", "prepare") => {
            refused("clients may leave the column out already", "Give -p phase=finish when none uses it any more.")
        }
        _ => not_in_key(facts),
    },
};

const DROP_TABLE: Pattern = Pattern {
    name: "drop-table",
    does: "Renames a table, so that whoever still uses it is found, then drops it after a time of grace",
    describe: "{{ 'retire' if phase == 'prepare' else 'drop' }} {{ table.name }}",
    template: include_str!("patterns/drop_table.sql.j2"),
    parameters: &[TABLE, PHASE],
    check: |_| Ok(()),
};

const ENUM_VALUE: Pattern = Pattern {
    name: "enum-value",
    does: "Adds a value to an enum at a stated place",
    describe: "add a value to {{ type.name }}",
    template: include_str!("patterns/enum_value.sql.j2"),
    parameters: &[
        needs("type", Kind::Table, "the enum, such as mood or app.mood"),
        needs("value", Kind::Text, "the value to add"),
        takes("after", Kind::Text, "the value that it comes after"),
        takes("before", Kind::Text, "the value that it comes before"),
    ],
    check: |facts| match (facts.text("after"), facts.text("before")) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => refused("an enum's values have an order", "Give either -p after=… or -p before=…."),
    },
};

const RENAME_COLUMN: Pattern = Pattern {
    name: "rename-column",
    does: "Renames a column by way of a second one that a trigger keeps equal",
    describe: "{{ phase }} {{ column.name }} of {{ table.name }} as {{ to.name }}",
    template: include_str!("patterns/rename_column.sql.j2"),
    parameters: &[
        TABLE,
        COLUMN,
        needs("to", Kind::Name, "the name that the column is to have"),
        TYPE_NOW,
        PHASE,
        KEY,
        BATCH,
        PAUSE,
    ],
    check: not_in_key,
};

fn refused(message: &str, hint: &'static str) -> Result<(), Refusal> {
    Err((message.to_owned(), hint))
}

/// A key is what rows are found by, on this shard and among all.
fn not_in_key(facts: &Facts) -> Result<(), Refusal> {
    let Some(column) = facts.name("column") else { return Ok(()) };
    let in_key = facts
        .table("table")
        .and_then(crate::lint::Table::primary_key)
        .is_some_and(|key| key.columns.contains(&column.name));
    if in_key || facts.shard_key() == Some(&*column.name) {
        return refused(
            &format!("column {column} is in the table's key"),
            "Make another table with create-table, and copy the rows to it through routing.",
        );
    }
    Ok(())
}

fn create_table(facts: &Facts) -> Result<(), Refusal> {
    if facts.table("table").is_some() {
        return refused("the scripts make such a table already", "Give it another name.");
    }
    let (columns, mut key) = (facts.names("columns"), facts.names("primary_key"));
    let sharded = facts.is("kind", "sharded");
    let shard_key = facts.name("shard_key").map(|name| name.name.clone()).unwrap_or_default();
    if sharded && !key.is_empty() && !key.contains(&shard_key) {
        return refused(
            &format!("the primary key lacks the shard key \"{shard_key}\""),
            "Add the shard key to -p primary_key=….",
        );
    }
    if sharded {
        key.push(shard_key);
    }
    match key.iter().find(|column| !columns.is_empty() && !columns.contains(column)) {
        Some(missing) => {
            refused(&format!("the columns lack \"{missing}\", which is in the primary key"), "Add it to -p columns=….")
        }
        None if columns.is_empty() || !facts.names("primary_key").is_empty() || sharded => Ok(()),
        None if columns.iter().any(|column| column == "id") => Ok(()),
        None => refused("a table needs a primary key", "Give -p primary_key=…."),
    }
}
