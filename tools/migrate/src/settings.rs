//! What every verb of migrate works with: folders, history table, role, placeholders.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use flotilla::Context;
use flotilla::config::Config;
use flotilla::error::Result;
use flotilla::target::Target;

use crate::run::callbacks;

use flotilla::migrations::schema_history::Table;
use flotilla::migrations::scripts::{Placeholders, Set};
use flotilla::migrations::values;

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
        let table = args.history_table.clone().map_or_else(|| config.migrate.table(), Ok)?;
        let role = args.role.as_deref().or(config.migrate.owner()).filter(|role| !role.is_empty());
        Ok(Self {
            dirs: args.scripts.dirs(Some(config)),
            table,
            role: role.map(str::to_owned),
            placeholders: args.scripts.values(Some(config)),
        })
    }

    /// Reads the scripts.
    pub(crate) fn scripts(&self) -> Result<Arc<Set>> {
        let set = Set::read(&self.dirs)?;
        for path in &set.ignored {
            tracing::warn!("{}: not a script's name; it is ignored", path.display());
        }
        for (event, scripts) in set.callbacks.iter().filter(|(event, _)| !callbacks::are_run(**event)) {
            let script = scripts.first().map_or("", |script| &script.script);
            tracing::warn!("{script}: migrate runs no callbacks of {}; it is ignored", event.name());
        }
        Ok(Arc::new(set))
    }

    /// The placeholders for one database: given values, then Flyway's own names and ours.
    pub(crate) fn placeholders(&self, cx: &Context, target: &Target, user: &str) -> Result<Placeholders> {
        let shard = target.shard().map_or("", |shard| &shard.name);
        let given = self.placeholders.iter().cloned();
        let mut placeholders = values(cx.config()?, given, &self.table, Some(user), shard);
        let folder = std::env::current_dir().unwrap_or_default();
        placeholders.set("flyway:workingDirectory", folder.display().to_string());
        Ok(placeholders)
    }
}

pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
