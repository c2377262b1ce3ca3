//! The user's own settings, laid over the topology that `up` writes.
//!
//! `up` writes `flotilla.toml` again each time, so what is changed there doesn't last. What stands
//! in `local.toml` beside it does:
//!
//! ```toml
//! [pgbouncer]
//! default_pool_size = 40
//! ```

use std::fs;

use flotilla::{Error, Result};
use toml_edit::{DocumentMut, Item};

use crate::files::{self, File};
use crate::plan::Plan;
use crate::rendering;

/// The tables that may be changed: the other ones are facts of the stack.
const TABLES: [&str; 3] = ["pgbouncer", "haproxy", "health"];
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
        let table = item.as_table_like().filter(|_| TABLES.contains(&name)).ok_or_else(|| {
            broken(format!("\"{name}\" can't be set here"))
                .hint(format!("Set keys of {}.", TABLES.map(|table| format!("[{table}]")).join(", ")))
        })?;
        for (key, value) in table.iter() {
            let Item::Value(value) = value else { return Err(broken(format!("\"{name}.{key}\" is no value"))) };
            let mut value = value.clone();
            *value.decor_mut() = toml_edit::Decor::new(" ", "");
            document[name][key] = Item::Value(value);
        }
    }
    Ok(document.to_string())
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
