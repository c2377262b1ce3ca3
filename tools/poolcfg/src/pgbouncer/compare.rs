//! What a pooler runs with against what a file says.

use super::console::{Row, Running};
use super::keys::Key;
use super::settings::{Named, Settings};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Differs {
    /// The key: `pool_mode`, or `databases.s0.port`.
    pub(crate) key: String,
    /// What the file says; none where the database isn't in it.
    pub(crate) wanted: Option<String>,
    /// What it runs with; none where it doesn't have the database.
    pub(crate) running: Option<String>,
    /// Whether only a restart takes it.
    pub(crate) restart: bool,
}

/// Keys that a process has from elsewhere than its file.
const NOT_COMPARED: &[&str] = &["conffile", "verbose"];

/// Every difference, and how many keys were compared.
pub(crate) fn differences(settings: &Settings, running: &Running) -> (Vec<Differs>, usize) {
    let mut found = Vec::new();
    let mut compared = 0;
    for (name, setting) in &running.config {
        if NOT_COMPARED.contains(&name.as_str()) {
            continue;
        }
        // What the file doesn't say is what the program itself calls its default.
        let Some(wanted) = settings.set(name).map(|(value, _)| value).or(setting.default.as_deref()) else { continue };
        compared += 1;
        let same = Key::find(name).map_or(wanted == setting.value, |key| key.is_same(wanted, &setting.value));
        if !same {
            found.push(Differs {
                key: name.clone(),
                wanted: Some(wanted.to_owned()),
                running: Some(setting.value.clone()),
                restart: !setting.changeable,
            });
        }
    }
    for database in settings.databases.iter().filter(|database| database.name != "*") {
        let prefix = format!("databases.{}", database.name);
        let Some(row) = running.databases.get(&database.name) else {
            compared += 1;
            let wanted = database.pairs().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ");
            found.push(Differs { key: prefix, wanted: Some(wanted), running: None, restart: false });
            continue;
        };
        for (column, wanted) in columns(settings, database) {
            let Some(running) = value(row, column) else { continue };
            compared += 1;
            if running != wanted {
                let key = format!("{prefix}.{column}");
                found.push(Differs { key, wanted: Some(wanted), running: Some(running), restart: false });
            }
        }
    }
    // With a database "*", others come and go by themselves.
    if settings.databases.iter().all(|database| database.name != "*") {
        for name in running.databases.keys().filter(|name| settings.databases.iter().all(|own| own.name != **name)) {
            compared += 1;
            let key = format!("databases.{name}");
            found.push(Differs { key, wanted: None, running: Some("there".to_owned()), restart: false });
        }
    }
    (found, compared)
}

/// What `SHOW DATABASES` should have in its columns.
fn columns(settings: &Settings, database: &Named) -> Vec<(&'static str, String)> {
    let own = |key: &str| database.get(key).map(str::to_owned);
    let number = |key: &str, default: &str| {
        let own = database.number(key).filter(|number| *number >= 0);
        own.unwrap_or_else(|| settings.number(default)).to_string()
    };
    let reserve = database.number("reserve_pool_size").or_else(|| database.number("reserve_pool"));
    let reserve = reserve.filter(|n| *n >= 0).unwrap_or_else(|| settings.number("reserve_pool_size")).to_string();
    vec![
        ("host", own("host").unwrap_or_default()),
        ("port", own("port").unwrap_or_else(|| "5432".to_owned())),
        ("database", own("dbname").unwrap_or_else(|| database.name.clone())),
        ("force_user", own("user").unwrap_or_default()),
        ("pool_size", number("pool_size", "default_pool_size")),
        ("min_pool_size", number("min_pool_size", "min_pool_size")),
        ("reserve_pool", reserve.clone()),
        ("reserve_pool_size", reserve),
        ("pool_mode", own("pool_mode").unwrap_or_default().to_ascii_lowercase()),
        ("max_connections", number("max_db_connections", "max_db_connections")),
    ]
}

/// A value that this release shows; null is nothing.
fn value(row: &Row, column: &str) -> Option<String> {
    row.columns().find(|(name, _)| *name == column).map(|(_, value)| value.unwrap_or_default().to_owned())
}
