//! PgBouncer's console: what it shows, by the names of columns, for every release shows others.

use std::collections::BTreeMap;

use flotilla::config::{Config, Pooler};
use flotilla::pg::Session;
use flotilla::{Code, Context, Error, Result, reach};

use super::keys::Key;
use crate::version::Version;

/// A session at the console.
pub(crate) struct Console {
    session: Session,
}

/// A row of what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(BTreeMap<String, Option<String>>);

impl Row {
    /// A value that isn't null.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// A number.
    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        self.get(column)?.parse().ok()
    }

    /// A value, empty where it is null or there is no such column.
    pub(crate) fn text(&self, column: &str) -> String {
        self.get(column).unwrap_or_default().to_owned()
    }

    /// Every column.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl Console {
    /// Logs in.
    pub(crate) async fn open(cx: &Context, config: &Config, pooler: &Pooler, user: &str) -> Result<Self> {
        Ok(Self { session: cx.connect(reach::console(config, pooler, user)?).await? })
    }

    /// What `SHOW` and this word give.
    pub(crate) async fn show(&self, what: &str) -> Result<Vec<Row>> {
        let rows = self.session.simple(&format!("SHOW {what}")).await?;
        let row = |row: &tokio_postgres::SimpleQueryRow| {
            let value = |at| row.get(at).map(str::to_owned);
            let columns = row.columns().iter().enumerate();
            Row(columns.map(|(at, column)| (column.name().to_owned(), value(at))).collect())
        };
        Ok(rows.iter().map(row).collect())
    }

    /// Its release.
    pub(crate) async fn version(&self) -> Result<Version> {
        let rows = self.show("VERSION").await?;
        let said = rows.first().map(|row| row.text("version")).unwrap_or_default();
        Version::find(&said).ok_or_else(|| {
            Error::new(Code::Unsupported, format!("the pooler says it is {said:?}, which is no version"))
        })
    }

    /// Reads its file again. It answers as if all were well whatever the file holds: look at what is in
    /// force afterwards.
    pub(crate) async fn reload(&self) -> Result<()> {
        self.session.simple("RELOAD").await.map(drop)
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }
}

/// What a pooler runs with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    /// `SHOW CONFIG`, by key.
    pub(crate) config: BTreeMap<String, Setting>,
    /// `SHOW DATABASES`, by name; its own console left out.
    pub(crate) databases: BTreeMap<String, Row>,
}

/// One line of `SHOW CONFIG`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    /// The value.
    pub(crate) value: String,
    /// The program's default; none where it shows none.
    pub(crate) default: Option<String>,
    /// Whether a reload takes another one.
    pub(crate) changeable: bool,
}

impl Running {
    /// Asks for it.
    pub(crate) async fn read(console: &Console) -> Result<Self> {
        let config = console.show("CONFIG").await?;
        let config = config.iter().map(|row| {
            // A release that doesn't say is judged by what is known of its keys.
            let known = || Key::find(&row.text("key")).is_none_or(|key| !key.restart);
            let changeable = row.get("changeable").map_or_else(known, |changeable| changeable != "no");
            let default = row
                .columns()
                .find(|(name, _)| *name == "default")
                .map(|(_, value)| value.unwrap_or_default().to_owned());
            (row.text("key"), Setting { value: row.text("value"), default, changeable })
        });
        let databases = console.show("DATABASES").await?;
        let databases = databases.into_iter().filter(|row| row.get("name") != Some("pgbouncer"));
        Ok(Self { config: config.collect(), databases: databases.map(|row| (row.text("name"), row)).collect() })
    }
}
