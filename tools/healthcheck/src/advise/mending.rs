//! SQL that mends without stopping traffic.

use flotilla::config::Shard;
use postgres_protocol::escape::{escape_identifier, escape_literal};

use super::schema::{Index, Schema, Table};

/// The longest name that PostgreSQL keeps.
const NAME_LIMIT: usize = 63;

/// What goes before a statement that locks out everybody, so that nobody queues behind it for long.
pub(super) const BRIEFLY: &str = "SET lock_timeout = '2s'";

/// What to mind when tables and indexes change.
pub(super) const ON_EVERY_SHARD: &str =
    "Put it into a migration, so that every shard gets it; each statement runs outside a transaction block.";

/// Makes an index on columns. On a partitioned table that is one for each partition, beside traffic, and one above
/// them that becomes valid when all have been attached.
pub(super) fn create_index(schema: &Schema, table: &Table, columns: &[String]) -> Vec<String> {
    let list = columns.join(", ");
    if !table.is_partitioned {
        return vec![format!("CREATE INDEX CONCURRENTLY ON {} ({list})", table.name)];
    }
    let (mut made, mut attached) = (Vec::new(), Vec::new());
    below(schema, table, columns, &list, &mut made, &mut attached);
    made.append(&mut attached);
    made
}

/// Makes the indexes from the top down; attaches them from the bottom up. The name of the top one.
fn below(
    schema: &Schema,
    table: &Table,
    columns: &[String],
    list: &str,
    made: &mut Vec<String>,
    attached: &mut Vec<String>,
) -> String {
    let name = free_name(schema, table, columns);
    let quoted = escape_identifier(&name);
    if table.is_partitioned {
        made.push(format!("CREATE INDEX {quoted} ON ONLY {} ({list})", table.name));
        let whole = format!("{}.{quoted}", table.schema);
        for partition in schema.partitions(table.oid) {
            let part = below(schema, partition, columns, list, made, attached);
            attached.push(format!("ALTER INDEX {whole} ATTACH PARTITION {part}"));
        }
    } else {
        made.push(format!("CREATE INDEX CONCURRENTLY {quoted} ON {} ({list})", table.name));
    }
    format!("{}.{quoted}", table.schema)
}

/// A name as PostgreSQL would choose it, that nothing has yet.
fn free_name(schema: &Schema, table: &Table, columns: &[String]) -> String {
    let columns = columns.iter().map(|name| name.trim_matches('"')).collect::<Vec<_>>().join("_");
    let mut number = 0_u32;
    loop {
        let ending = if number == 0 { "_idx".to_owned() } else { format!("_idx{number}") };
        let mut stem = format!("{}_{columns}", table.bare_name);
        while stem.len() + ending.len() > NAME_LIMIT {
            stem.pop();
        }
        let name = stem + &ending;
        if !schema.has(&name) {
            return name;
        }
        number += 1;
    }
}

/// Drops an index. A partitioned one can't be dropped beside traffic: its partitions' go with it, under a lock that
/// is given up when it isn't granted soon.
pub(super) fn drop_index(index: &Index) -> Vec<String> {
    if index.is_partitioned {
        vec![BRIEFLY.to_owned(), format!("DROP INDEX {}", index.name)]
    } else {
        vec![format!("DROP INDEX CONCURRENTLY {}", index.name)]
    }
}

/// The words for what `drop_index` does.
pub(super) fn dropping(index: &Index) -> String {
    if index.is_partitioned {
        format!(
            "A partitioned index can't be dropped concurrently; repeat it when the lock isn't granted in time. {ON_EVERY_SHARD}"
        )
    } else {
        ON_EVERY_SHARD.to_owned()
    }
}

/// A setting of servers: by Patroni where it keeps them, for it writes the configuration anew; else by the server
/// itself. The SQL and the commands.
pub(super) fn set(shard: &Shard, name: &str, value: &str, restarts: bool) -> (Vec<String>, Vec<String>) {
    if is_by_patroni(shard) {
        let mut commands = vec![format!("patronictl edit-config {} --force --pg {name}={value}", shard.name)];
        if restarts {
            commands.push(format!("patronictl restart {} --pending", shard.name));
        }
        return (Vec::new(), commands);
    }
    let mut sql = vec![format!("ALTER SYSTEM SET {name} = {}", escape_literal(value))];
    if !restarts {
        sql.push("SELECT pg_reload_conf()".to_owned());
    }
    (sql, Vec::new())
}

/// The words for what `set` does.
pub(super) fn setting(shard: &Shard, restarts: bool) -> String {
    match (is_by_patroni(shard), restarts) {
        (true, false) => {
            "Patroni keeps the settings: ALTER SYSTEM would go past it, and each node would have its own.".to_owned()
        }
        (true, true) => {
            "Patroni keeps the settings; this one needs a restart, replicas first, then a switchover by `shardctl switchover`.".to_owned()
        }
        (false, false) => "It holds from the reload on.".to_owned(),
        (false, true) => "It holds from a restart on: restart replicas first.".to_owned(),
    }
}

fn is_by_patroni(shard: &Shard) -> bool {
    shard.nodes.iter().any(|node| node.patroni.is_some())
}
