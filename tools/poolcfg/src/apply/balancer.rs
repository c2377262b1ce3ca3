//! HAProxy: the new file is checked by HAProxy itself, put in place, and taken by new workers.

use std::path::Path;
use std::time::Duration;

use flotilla::config::Balancer;
use flotilla::record::Done;
use flotilla::target::Target;
use flotilla::{Code, Context, Error, Result, failpoint};

use super::{Applied, Args};
use crate::check;
use crate::file::{Managed, replace, with_suffix};
use crate::haproxy::cfg::Cfg;
use crate::haproxy::compare::{lines, made_by, running};
use crate::haproxy::socket::{self, Processes};
use crate::render;
use crate::version::{Program, Version, Versions};

/// How long new workers may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How often they are looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Where a balancer's sockets are.
struct Sockets<'a> {
    stats: std::path::PathBuf,
    master: &'a Path,
}

/// Applies to a balancer.
pub(super) async fn apply(cx: &Context, target: &Target, balancer: &Balancer, args: &Args) -> Result<Done<Applied>> {
    let config = cx.config()?;
    let path = super::path(config, "balancer", &balancer.name, balancer.config_file.as_ref())?;
    let master = balancer.master_socket.as_deref().ok_or_else(|| {
        Error::config(format!("{}: balancer \"{}\" has no master_socket", config.path.display(), balancer.name))
            .hint("Start HAProxy with `-W -S PATH,mode,600`, and name that path: a reload goes through its master.")
    })?;
    let run_folder = args.run_folder.clone().unwrap_or_else(|| render::run_folder(config));
    let stats = balancer.stats_socket.clone().unwrap_or_else(|| run_folder.join(format!("{}.sock", balancer.name)));
    let sockets = Sockets { stats, master };
    let file = Managed::read(path)?;
    let info = socket::info(&sockets.stats).await?;
    let said = info.get("Version").cloned().unwrap_or_default();
    let version = Version::parse(&said).ok_or_else(|| {
        Error::new(Code::Unsupported, format!("the balancer says it is {said:?}, which is no version"))
    })?;
    let versions = Versions { haproxy: Some(version), ..Versions::default() };
    let text = super::intended(config, target, args, versions)?;
    let lint = check::Settings { versions, ..check::Settings::default() };
    let findings = check::check_texts(vec![(file.path.clone(), text.clone())], Some(config), &lint)?;
    if let Some(refusal) = check::refusal(&findings) {
        return Err(refusal);
    }
    let mut body = Applied {
        program: Some("haproxy"),
        version: Some(version.to_string()),
        file: Some(file.path.display().to_string()),
        tried: Some(false),
        changed_keys: Some(changed(&file.text, &text)),
        // New workers take the whole file.
        pending_restart: Some(Vec::new()),
        restored: Some(false),
        resumed: Some(file.previous.is_some()),
        ..Applied::default()
    };
    let cfg = Cfg::parse(&text);
    let in_force = wrong(&sockets, &cfg).await?.is_none();
    if file.text == text && file.previous.is_none() && in_force {
        return Ok(Done::unchanged(body));
    }
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    // Without its master nothing could be taken back.
    present(&sockets).await?;
    try_aside(&file.path, &text)?;
    body.tried = Some(true);
    file.save()?;
    failpoint::hit("apply-saved");
    file.put(&text)?;
    failpoint::hit("apply-written");
    match reloaded(&sockets, &cfg).await {
        Ok(()) => {
            failpoint::hit("apply-verified");
            file.settle()?;
            Ok(Done::changed(body))
        }
        Err(why) => {
            file.put(file.good())?;
            failpoint::hit("apply-restored");
            reloaded(&sockets, &Cfg::parse(file.good()))
                .await
                .map_err(|error| error.source(why.message().to_owned()))?;
            file.settle()?;
            body.restored = Some(true);
            body.changed_keys = Some(Vec::new());
            Ok(Done::failed(true, body, why))
        }
    }
}

/// What differs between two files, by what it is about.
fn changed(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (lines(&Cfg::parse(old)), lines(&Cfg::parse(new)));
    let mut keys: Vec<String> =
        new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(k, _)| k.clone()).collect();
    keys.extend(old.keys().filter(|key| !new.contains_key(*key)).cloned());
    keys.sort();
    keys
}

/// `haproxy -c` on the text, in the folder that its paths count from.
fn try_aside(path: &Path, text: &str) -> Result<()> {
    let program = Program::Haproxy.find().ok_or_else(|| {
        Error::refused("haproxy is not installed here, so the new file can't be checked; nothing was touched")
            .hint("Run this where the balancer runs.")
    })?;
    let trial = with_suffix(path, ".trial");
    replace(path, &trial, text)?;
    let errors = check::ask_haproxy(&program, &trial);
    let _ = std::fs::remove_file(&trial);
    if errors.is_empty() {
        return Ok(());
    }
    let said = errors.iter().map(|(line, message)| format!("line {line}: {message}")).collect::<Vec<_>>().join("; ");
    Err(Error::refused("HAProxy doesn't take the new file; nothing was touched")
        .hint("Correct what it names. The balancer goes on with the old file.")
        .source(said))
}

/// Tells the master, waits for a new worker, and compares what it has.
async fn reloaded(sockets: &Sockets<'_>, cfg: &Cfg) -> Result<()> {
    let before = present(sockets).await?;
    // From 2.7 on it answers; before, the connection ends with the old image of the master.
    let _ = socket::ask(sockets.master, "reload").await;
    failpoint::hit("apply-reloaded");
    let end = tokio::time::Instant::now() + LIMIT;
    let mut last = None;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
        // It starts itself anew, and isn't there for a moment.
        let Ok(now) = socket::processes(sockets.master).await else { continue };
        match took(&before, &now) {
            Some(true) => match wrong(sockets, cfg).await {
                Ok(None) => return Ok(()),
                Ok(Some(why)) => last = Some(why),
                Err(_) => {}
            },
            Some(false) => return Err(not_taken("its master says that loading failed")),
            None => {}
        }
    }
    Err(not_taken(&last.unwrap_or_else(|| "no new worker came up".to_owned())))
}

/// What the master says; after a reload that a run before has asked for, it isn't there for a moment.
async fn present(sockets: &Sockets<'_>) -> Result<Processes> {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        match socket::processes(sockets.master).await {
            Err(error) if error.code() == Code::Unreachable && tokio::time::Instant::now() < end => {
                tokio::time::sleep(PAUSE).await;
            }
            said => return said,
        }
    }
}

/// Whether the reload has succeeded; none while that isn't known.
fn took(before: &Processes, now: &Processes) -> Option<bool> {
    if now.failed > before.failed {
        return Some(false);
    }
    let fresh = now.workers.iter().any(|worker| !before.workers.contains(worker));
    (now.reloads > before.reloads && fresh).then_some(true)
}

/// What a worker has that the file doesn't make, or the other way round.
async fn wrong(sockets: &Sockets<'_>, cfg: &Cfg) -> Result<Option<String>> {
    let (rows, addresses) = (socket::stats(&sockets.stats).await?, socket::states(&sockets.stats).await?);
    let (wanted, has) = (made_by(cfg), running(&rows, &addresses));
    let missing = wanted.iter().find(|(key, value)| has.get(*key) != Some(value));
    let extra = has.keys().find(|key| !wanted.contains_key(*key));
    Ok(missing
        .map(|(key, value)| format!("{key} should be {value}"))
        .or_else(|| extra.map(|key| format!("{key} is still there"))))
}

fn not_taken(why: &str) -> Error {
    Error::new(Code::Mismatch, "the balancer doesn't run with the new file; the old one is in force again")
        .hint("Look at the balancer's log.")
        .source(why.to_owned())
}
