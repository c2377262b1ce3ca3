//! Which engine carries a base backup: WAL-G where it is there and fit, or the embedded one.
//!
//! WAL-G gets its settings by environment alone, made from the topology, and none of the caller's: a
//! file of its own settings, or a variable that was meant for another archive, must not lead it there.

mod adopt;
mod fetch;
mod push;
mod run;
mod settle;

pub(crate) use fetch::fetch;
pub(crate) use push::{Wanted, push, reached};
pub(crate) use run::WalG;
pub(crate) use settle::{Settled, settle};

use flotilla::config::Engine;
use flotilla::error::{Code, Error, Result};
use flotilla::{Context, env};
use flotilla_archive::Archive;
use std::path::PathBuf;
use tokio::process::Command;

use crate::spool::Spool;

/// WAL-G's name in records.
pub(crate) const WAL_G: &str = "wal-g";
/// The embedded engine's name in records.
pub(crate) const EMBEDDED: &str = "embedded";
/// The oldest major version that writes this layout as it is read here.
const OLDEST: u32 = 3;

/// The engine that was chosen.
pub(crate) enum Chosen {
    /// WAL-G.
    WalG(Box<WalG>),
    /// The embedded one, and why though WAL-G might have been.
    Embedded(Option<String>),
}

impl Chosen {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::WalG(_) => WAL_G.to_owned(),
            Self::Embedded(_) => EMBEDDED.to_owned(),
        }
    }

    /// Why it is the embedded one.
    pub(crate) fn because(&self) -> Option<String> {
        match self {
            Self::WalG(_) => None,
            Self::Embedded(why) => why.clone(),
        }
    }
}

/// Chooses. `hindrance` says why WAL-G couldn't do this, where it couldn't.
pub(crate) async fn choose(cx: &Context, archive: &Archive, hindrance: Option<String>) -> Result<Chosen> {
    let wanted = cx.config()?.archive.engine;
    if wanted == Engine::Embedded {
        return Ok(Chosen::Embedded(None));
    }
    let found = match hindrance {
        Some(why) => Err(why),
        None => find(cx, archive).await?,
    };
    match found {
        Ok(walg) => Ok(Chosen::WalG(Box::new(walg))),
        Err(why) if wanted == Engine::Auto => Ok(Chosen::Embedded(Some(why))),
        Err(why) => {
            Err(Error::new(Code::Unsupported, format!("archive.engine is \"wal-g\", and {why}; nothing was touched"))
                .hint("Mend that, or say engine = \"auto\" or \"embedded\"."))
        }
    }
}

/// WAL-G where it is fit, else why not.
async fn find(cx: &Context, archive: &Archive) -> Result<Result<WalG, String>> {
    let path = env::var("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| folder.join(WAL_G));
    let Some(program) = programs.into_iter().find(|path| path.is_file()) else {
        return Ok(Err("there is no wal-g on the PATH".to_owned()));
    };
    if let Err(why) = version(&program).await {
        return Ok(Err(why));
    }
    let walg = WalG::new(program, cx, archive, Spool::make(None)?).await?;
    if archive.is_encrypted()
        && let Err(why) = walg.encrypts().await
    {
        return Ok(Err(why));
    }
    Ok(Ok(walg))
}

async fn version(program: &PathBuf) -> Result<String, String> {
    let named = |what: String| format!("{} {what}", program.display());
    let output = Command::new(program).arg("--version").env_clear().output().await;
    let output = output.map_err(|e| named(format!("can't be run: {e}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&text).map_err(named)
}

/// The version in what `wal-g --version` says.
fn parse(text: &str) -> Result<String, String> {
    let version = text
        .split_ascii_whitespace()
        .find(|word| word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let Some(version) = version else { return Err("doesn't say its version".to_owned()) };
    let major: u32 = version[1..].split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST {
        return Err(format!("is {version}, and {OLDEST} or later is needed"));
    }
    if ["MySQL", "MongoDB", "Redis", "SQLServer", "FDB", "Greenplum", "etcd"].iter().any(|other| text.contains(other)) {
        return Err("is made for another database than PostgreSQL".to_owned());
    }
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_version_decides_whether_it_is_fit() {
        assert_eq!(parse("wal-g version v3.0.7\tdevel\tdevel\tPostgreSQL\n"), Ok("v3.0.7".to_owned()));
        assert_eq!(
            parse("wal-g version v2.0.1\tx\ty\tPostgreSQL"),
            Err("is v2.0.1, and 3 or later is needed".to_owned())
        );
        assert!(parse("wal-g version v3.0.7\tdevel\tdevel\tMySQL").is_err());
        assert!(parse("wal-g version devel").is_err() && parse("").is_err());
    }
}
