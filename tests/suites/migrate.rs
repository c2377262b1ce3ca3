//! `migrate`: migrations over a fleet.

mod apply;
mod codes;
mod gates;
mod killed;
mod live;
mod locks;
mod new;
mod shards;
mod undo;

use flotilla_tests::Fleet;

/// Two shards, set up, with scripts in `migrations`.
fn fleet(scripts: &[(&str, &str)]) -> Fleet {
    let fleet = Fleet::new().init().start();
    write(&fleet, scripts);
    fleet
}

/// Writes scripts.
fn write(fleet: &Fleet, scripts: &[(&str, &str)]) {
    for (name, sql) in scripts {
        fleet.file(format!("migrations/{name}"), sql);
    }
}

/// A shard's history without times: rank, version, type, script, checksum, success.
const HISTORY: &str = "SELECT string_agg(concat_ws('|', installed_rank, version, description, type, script, checksum, \
                       success), E'\\n' ORDER BY installed_rank) FROM flyway_schema_history";
/// A shard's lines in the ledger without times and runs.
const LEDGER: &str = "SELECT string_agg(concat_ws('|', verb, status, changed, detail->>'script', detail->>'rank', \
                      detail->>'statements_done', detail->>'checksum'), E'\\n' ORDER BY line) FROM flotilla.ledger \
                      WHERE tool = 'migrate'";

fn history(fleet: &Fleet, shard: usize) -> String {
    fleet.sql(shard, HISTORY)
}

fn ledger(fleet: &Fleet, shard: usize) -> String {
    fleet.sql(shard, LEDGER)
}
