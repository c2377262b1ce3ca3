//! What every verb of migrate works with: folders, history table, role, placeholders.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use flotilla::Context;
use flotilla::config::Config;
use flotilla::error::{Error, Result};
use flotilla::target::Target;

use crate::schema_history::Table;
use crate::scripts::{Marks, Placeholders, Set};

/// The role that owns tables unless told otherwise; `shardctl init` makes it.
const OWNER: &str = "owner";

/// Where scripts are and what is filled into them.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ScriptArgs {
    /// Folder of the scripts; may be repeated
    #[arg(
        long = "dir",
        value_name = "DIR",
        env = "FLOTILLA_MIGRATIONS",
        hide_env_values = true,
        value_delimiter = ':'
    )]
    dirs: Vec<PathBuf>,
    /// Value for `${NAME}` in scripts; may be repeated
    #[arg(long = "placeholder", value_name = "NAME=VALUE", value_parser = pair)]
    placeholders: Vec<(String, String)>,
}

/// Where the history is and who owns what is made.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct SettingsArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptArgs,
    /// History table, such as `app.history`
    #[arg(long, value_name = "TABLE", hide_short_help = true)]
    history_table: Option<Table>,
    /// Role that owns what scripts make; empty for the login itself
    #[arg(long, value_name = "ROLE", hide_short_help = true)]
    role: Option<String>,
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The folders of the scripts.
    pub(crate) dirs: Vec<PathBuf>,
    /// The history table.
    pub(crate) table: Table,
    /// The role that owns what is made; none for the login itself.
    pub(crate) role: Option<String>,
    placeholders: Vec<(String, String)>,
}

impl ScriptArgs {
    /// The folders: of the command line, else of the topology if there is one, else `migrations`.
    pub(crate) fn dirs(&self, config: Option<&Config>) -> Vec<PathBuf> {
        let configured = config.and_then(|config| config.migrate.dirs.clone()).unwrap_or_default();
        [self.dirs.clone(), configured, vec![PathBuf::from("migrations")]]
            .into_iter()
            .find(|dirs| !dirs.is_empty())
            .unwrap_or_default()
    }

    /// The values of the topology and the command line; the latter win.
    pub(crate) fn values(&self, config: Option<&Config>) -> Vec<(String, String)> {
        let configured = config.and_then(|config| config.migrate.placeholders.clone()).unwrap_or_default();
        configured.into_iter().chain(self.placeholders.iter().cloned()).collect()
    }
}

impl Settings {
    /// The settings of this call.
    pub(crate) fn new(cx: &Context, args: &SettingsArgs) -> Result<Self> {
        let config = cx.config()?;
        let table = match (&args.history_table, &config.migrate.history_table) {
            (Some(table), _) => table.clone(),
            (None, Some(text)) => text.parse().map_err(|e: Error| e.within("migrate.history_table"))?,
            (None, None) => Table::default(),
        };
        let role = args.role.clone().or_else(|| config.migrate.role.clone()).unwrap_or_else(|| OWNER.to_owned());
        Ok(Self {
            dirs: args.scripts.dirs(Some(config)),
            table,
            role: (!role.is_empty()).then_some(role),
            placeholders: args.scripts.values(Some(config)),
        })
    }

    /// Reads the scripts.
    pub(crate) fn scripts(&self) -> Result<Arc<Set>> {
        let set = Set::read(&self.dirs)?;
        for path in &set.ignored {
            tracing::warn!("{}: not a script's name; it is ignored", path.display());
        }
        for (event, scripts) in set.callbacks.iter().filter(|(event, _)| !event.is_run()) {
            let script = scripts.first().map_or("", |script| &script.script);
            tracing::warn!("{script}: migrate runs no callbacks of {}; it is ignored", event.name());
        }
        Ok(Arc::new(set))
    }

    /// The placeholders for one database: given values, then Flyway's own names and ours.
    pub(crate) fn placeholders(&self, cx: &Context, target: &Target, user: &str) -> Result<Placeholders> {
        let config = cx.config()?;
        let mut placeholders = Placeholders::new(Marks::default());
        for (name, value) in &self.placeholders {
            placeholders.set(name, value);
        }
        let now = flotilla::clock::now();
        let folder = std::env::current_dir().unwrap_or_default();
        placeholders.set("flyway:defaultSchema", &self.table.schema);
        placeholders.set("flyway:user", user);
        placeholders.set("flyway:database", &config.cluster.dbname);
        placeholders.set("flyway:timestamp", now.format("%Y-%m-%d %H:%M:%S").to_string());
        placeholders.set("flyway:workingDirectory", folder.display().to_string());
        placeholders.set("flyway:table", &self.table.name);
        placeholders.set("flyway:environment", &config.cluster.name);
        placeholders.set("flotilla:cluster", &config.cluster.name);
        placeholders.set("flotilla:shard", target.shard().map_or("", |shard| &shard.name));
        placeholders.set("flotilla:buckets", config.cluster.buckets.to_string());
        Ok(placeholders)
    }
}

pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
