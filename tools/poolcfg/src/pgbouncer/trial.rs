//! A trial: the installed PgBouncer is started with a text, aside, and must come up with it.
//!
//! PgBouncer has no switch that checks a file. At its start it refuses what it can't read; at a reload it
//! takes what stands before the error and sets the rest to defaults, and answers as if all were well. So
//! a file is started with first: on a socket of its own, without the network, log, or process file.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use flotilla::{Code, Error, Result};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::settings::Settings;
use crate::version::Program;

/// How long it may take to come up.
const LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// What is set for the trial alone.
const ASIDE: &[(&str, &str)] = &[("listen_addr", ""), ("listen_port", "6432"), ("logfile", ""), ("pidfile", "")];

/// Starts it with the text that is to stand in a file, and stops it again.
pub(crate) async fn run(path: &Path, text: &str, settings: &Settings) -> Result<()> {
    let program = Program::Pgbouncer.find().ok_or_else(|| {
        Error::refused("pgbouncer is not installed here, so the new file can't be tried before it is in force")
            .hint("Run this where the pooler runs; or give --no-trial, and trust to what is read back.")
    })?;
    let owner = account(path)?;
    // The caller's own folder for such files may be closed to others, the pooler's account among them.
    let folder = if owner.is_some() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    let place = tempfile::Builder::new().prefix("poolcfg-trial-").tempdir_in(folder).map_err(unmade)?;
    let file = place.path().join("trial.ini");
    fs::write(&file, aside(text, settings, place.path())).map_err(unmade)?;
    if let Some((user, group)) = owner {
        for path in [place.path(), &file] {
            std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(unmade)?;
        }
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(unmade)?;
    // With its parent's end it ends too, however that comes.
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some((user, group)) = owner {
        command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(program).arg(&file);
    command.current_dir(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("/")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).env_clear();
    let mut child =
        command.spawn().map_err(|e| Error::new(Code::Io, "could not start pgbouncer for a trial").source(e))?;
    let up = comes_up(&mut child, &place.path().join(".s.PGSQL.6432")).await;
    let _ = child.kill().await;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_end(&mut said).await;
    }
    let said = complaints(&String::from_utf8_lossy(&said), &place.path().display().to_string());
    if up && said.is_empty() {
        return Ok(());
    }
    let why = if said.is_empty() { "it didn't come up".to_owned() } else { said.join("; ") };
    Err(Error::refused("PgBouncer doesn't take the new file; nothing was touched")
        .hint("Correct what it names. The pooler goes on with the old file.")
        .source(why))
}

/// True when it listens; false when it has ended or the time is up.
async fn comes_up(child: &mut Child, socket: &Path) -> bool {
    let end = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < end {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if socket.exists() {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

/// The text with what keeps the trial away from the real one, behind the last key of `[pgbouncer]`.
fn aside(text: &str, settings: &Settings, place: &Path) -> String {
    use std::fmt::Write as _;
    let mut own = String::new();
    for (key, value) in ASIDE {
        let _ = writeln!(own, "{key} = {value}");
    }
    let _ = writeln!(own, "unix_socket_dir = {}", place.display());
    for key in ["user", "syslog", "so_reuseport", "unix_socket_group"] {
        if settings.set(key).is_some() {
            let off = if key == "syslog" || key == "so_reuseport" { "0" } else { "" };
            let _ = writeln!(own, "{key} = {off}");
        }
    }
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        let _ = writeln!(out, "{line}");
        if number + 1 == settings.ini.insert_at {
            out.push_str(&own);
        }
    }
    if settings.ini.insert_at == 0 {
        let _ = write!(out, "[pgbouncer]\n{own}");
    }
    out
}

/// Whom to run it as: PgBouncer refuses root. The owner of the file, for the real one can read it.
fn account(path: &Path) -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let places: [Option<PathBuf>; 2] = [Some(path.to_owned()), path.parent().map(Path::to_owned)];
    let owners = places.into_iter().flatten().filter_map(|place| fs::metadata(place).ok());
    let owner = owners.map(|meta| (meta.uid(), meta.gid())).find(|(user, _)| *user != 0);
    owner.map(Some).ok_or_else(|| {
        Error::refused(format!("{} belongs to root, and PgBouncer refuses to run as root", path.display()))
            .hint("Give the file to the account that PgBouncer runs as; or give --no-trial.")
    })
}

/// Its errors, without the time and without values, which may hold passwords.
fn complaints(said: &str, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in said.lines() {
        let Some((_, text)) = [" ERROR ", " FATAL "].iter().find_map(|level| line.split_once(level)) else { continue };
        if text.contains("cannot load config file") && !found.is_empty() {
            continue;
        }
        let text = match text.split_once("invalid value \"").map(|(before, rest)| (before, rest.rsplit_once("\" for ")))
        {
            Some((before, Some((_, behind)))) => format!("{before}invalid value for {behind}"),
            _ => text.to_owned(),
        };
        found.push(text.replace(&format!("{place}/"), ""));
    }
    found
}

fn unmade(error: std::io::Error) -> Error {
    Error::new(Code::Io, "could not make the files of a trial").source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    #[test]
    fn what_is_aside_stands_in_the_last_section_of_settings() {
        let text =
            "[databases]\na = host=x\n[pgbouncer]\nlisten_addr = *\nsyslog = 1\n[users]\nb = pool_mode=session\n";
        let settings = Settings::new(Path::new("p.ini"), text, Version::new(1, 18));
        let tried =
            Settings::new(Path::new("p.ini"), &aside(text, &settings, Path::new("/tmp/x")), Version::new(1, 18));
        let get = |key| tried.get(key).map(str::to_owned);
        assert_eq!(
            (get("listen_addr"), get("syslog"), get("unix_socket_dir")),
            (Some(String::new()), Some("0".to_owned()), Some("/tmp/x".to_owned()))
        );
        assert_eq!(tried.users.len(), 1);
    }

    #[test]
    fn complaints_carry_no_values() {
        let said = "2026 UTC [1] ERROR invalid value \"host=x password=hunter2\" for parameter a in configuration (/t/trial.ini:2)\n\
                    2026 UTC [1] FATAL cannot load config file\n";
        assert_eq!(complaints(said, "/t"), ["invalid value for parameter a in configuration (trial.ini:2)"]);
    }
}
