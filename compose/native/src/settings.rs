//! The user's own settings, laid over the topology that `up` writes.
//!
//! `up` writes `flotilla.toml` again each time, so what is changed there doesn't last. What stands
//! in `local.toml` beside it does:
//!
//! ```toml
//! [pgbouncer]
//! default_pool_size = 40
//!
//! [[shards]]
//! name = "s1"
//! rto_seconds = 60
//! ```

use std::fs;

use flotilla::config::Config;
use flotilla::{Error, Result};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Value};

use crate::files::{self, File};
use crate::plan::Plan;
use crate::{clients, rendering};

/// The tables that may be changed: the other ones are facts of the stack.
const TABLES: [&str; 3] = ["pgbouncer", "haproxy", "health"];
/// What a shard may promise otherwise than by default.
const PROMISES: [&str; 2] = ["rto_seconds", "rpo_bytes"];
/// The file with the user's own settings.
const LOCAL: &str = "local.toml";

/// The topology with the user's own settings, where there are any.
pub(crate) fn applied(plan: &Plan, topology: String) -> Result<String> {
    let path = plan.state.join(LOCAL);
    let Some(text) = files::read_if_there(&path)? else { return Ok(topology) };
    let broken = |why: String| Error::config(format!("{}: {why}", path.display()));
    let local: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| broken("not TOML".to_owned()).source(e))?;
    let mut document: DocumentMut =
        topology.parse().map_err(|e: toml_edit::TomlError| Error::internal("the topology is no TOML").source(e))?;
    for (name, item) in local.iter() {
        if let ("shards", Item::ArrayOfTables(shards)) = (name, item) {
            promises(&mut document, shards, &broken)?;
            continue;
        }
        let table = item.as_table_like().filter(|_| TABLES.contains(&name)).ok_or_else(|| {
            broken(format!("\"{name}\" can't be set here")).hint(format!(
                "Set keys of {}, and {} of [[shards]].",
                TABLES.map(|table| format!("[{table}]")).join(", "),
                PROMISES.join(" and ")
            ))
        })?;
        for (key, value) in table.iter() {
            let Item::Value(value) = value else { return Err(broken(format!("\"{name}.{key}\" is no value"))) };
            document[name][key] = plain(value);
        }
    }
    Ok(document.to_string())
}

/// Lays what the user has shards promise over the topology.
fn promises(document: &mut DocumentMut, given: &ArrayOfTables, broken: &impl Fn(String) -> Error) -> Result<()> {
    for wanted in given {
        let name = wanted.get("name").and_then(Item::as_str).unwrap_or_default();
        let shards = document["shards"].as_array_of_tables_mut();
        let shard = shards.and_then(|shards| shards.iter_mut().find(|s| s["name"].as_str() == Some(name)));
        let shard = shard.ok_or_else(|| broken(format!("there is no shard \"{name}\"")))?;
        for (key, value) in wanted.iter().filter(|(key, _)| *key != "name") {
            let value = value.as_value().filter(|_| PROMISES.contains(&key)).ok_or_else(|| {
                broken(format!("\"{key}\" of a shard can't be set here"))
                    .hint(format!("Set {} of [[shards]].", PROMISES.join(" and ")))
            })?;
            shard[key] = plain(value);
        }
    }
    Ok(())
}

/// A value without the blanks and comments that stood around it.
fn plain(value: &Value) -> Item {
    let mut value = value.clone();
    *value.decor_mut() = toml_edit::Decor::new(" ", "");
    Item::Value(value)
}

/// The topology as `up` writes it, read.
pub(crate) fn config(plan: &Plan) -> Result<Config> {
    Config::parse(&applied(plan, clients::topology(plan)?)?, &plan.topology())
}

/// Refuses settings of the user's that nothing can be rendered from, before anything is touched.
pub(crate) fn check(plan: &Plan, topology: String) -> Result<()> {
    if !plan.state.join(LOCAL).exists() {
        return Ok(());
    }
    // Beside the real one, for its relative paths count from there.
    let trial = plan.state.join("flotilla.toml.trial");
    File::new(&trial, applied(plan, topology)?).write(plan)?;
    let checked = rendering::check(plan, &trial);
    let _ = fs::remove_file(&trial);
    checked
        .map_err(|error| error.hint(format!("Correct {}; the stack is as it was.", plan.state.join(LOCAL).display())))
}
