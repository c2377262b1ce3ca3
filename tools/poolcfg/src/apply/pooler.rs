//! PgBouncer: the new file is tried aside, put in place, read back, and taken back where it isn't in force.
//!
//! `RELOAD` can't be trusted: it answers well to a file that it can't read, and runs on with defaults.

use std::fs;
use std::path::Path;
use std::time::Instant;

use flotilla::clock::millis;
use flotilla::config::Pooler;
use flotilla::pause::Paused;
use flotilla::record::Done;
use flotilla::target::Target;
use flotilla::{Code, Context, Error, Result, failpoint};

use super::{Applied, Args, hold};
use crate::check;
use crate::file::Managed;
use crate::pgbouncer::compare::{Differs, differences};
use crate::pgbouncer::console::{Console, Running};
use crate::pgbouncer::settings::Settings;
use crate::pgbouncer::trial;
use crate::version::Versions;

/// Applies to a pooler.
pub(super) async fn apply(cx: &Context, target: &Target, pooler: &Pooler, args: &Args) -> Result<Done<Applied>> {
    let config = cx.config()?;
    let path = super::path(config, "pooler", &pooler.name, pooler.config_file.as_ref())?;
    let file = Managed::read(path)?;
    let console = Console::open(cx, config, pooler, args.user.as_ref().unwrap_or(&config.users.pool_admin)).await?;
    let version = console.version().await?;
    let before = Running::read(&console).await?;
    reads_this_file(&before, &file.path)?;
    let versions = Versions { pgbouncer: Some(version), ..Versions::default() };
    let text = super::intended(config, target, args, versions)?;
    let settings = Settings::new(&file.path, &text, version);
    let lint = check::Settings { versions, ..check::Settings::default() };
    let findings = check::check_texts(vec![(file.path.clone(), text.clone())], Some(config), &lint)?;
    if let Some(refusal) = check::refusal(&findings) {
        return Err(refusal);
    }
    let (wanted, _) = differences(&settings, &before);
    let resumed = file.previous.is_some();
    let mut body = Applied {
        program: Some("pgbouncer"),
        version: Some(version.to_string()),
        file: Some(file.path.display().to_string()),
        tried: Some(false),
        changed_keys: Some(keys(&wanted, false)),
        pending_restart: Some(keys(&wanted, true)),
        restored: Some(false),
        resumed: Some(resumed),
        paused: Some(Vec::new()),
        ..Applied::default()
    };
    let in_place = file.text == text && file.previous.is_none();
    if in_place && keys(&wanted, false).is_empty() {
        console.close().await;
        return Ok(Done::unchanged(body));
    }
    let databases = hold::databases(args.pause, pooler, &wanted, &before, resumed)?;
    body.paused = Some(databases.clone());
    if cx.global().dry_run {
        return Ok(Done::planned(body));
    }
    if !args.no_trial {
        trial::run(&file.path, &text, &settings).await?;
        body.tried = Some(true);
    }
    // Before the pause, so that a later run knows whose pause it finds.
    file.save()?;
    failpoint::hit("apply-saved");
    let (began, mut paused) = (Instant::now(), None);
    if !databases.is_empty() {
        let held = hold::hold(cx, &console, &databases, args.user.as_deref(), args.pause_limit).await;
        let held = match held {
            Ok(held) => held,
            Err(hold::NotHeld { error, left_paused }) => {
                // One that was cut off is still to be completed, and the next run must know whose pause it finds.
                if !resumed && !left_paused {
                    file.settle()?;
                }
                return Err(error);
            }
        };
        failpoint::hit("apply-paused");
        body.repaired = Some(held.repaired().to_vec());
        paused = Some(held);
    }
    // From here to the end nothing may be left half done: a signal or deadline waits.
    file.put(&text)?;
    failpoint::hit("apply-written");
    let verified = reloaded(&console, &settings).await;
    let ended = match verified {
        Ok(left) => {
            failpoint::hit("apply-verified");
            let gone_on = go_on(cx, paused, began, &mut body).await;
            file.settle()?;
            body.pending_restart = Some(left);
            Ok(match gone_on {
                Ok(()) => Done::changed(body),
                Err(error) => Done::failed(true, body, error),
            })
        }
        Err(why) => {
            let restored = restore(&console, &file, version).await;
            let gone_on = go_on(cx, paused, began, &mut body).await;
            restored.and(gone_on).map_err(|error| error.source(why.message().to_owned()))?;
            body.restored = Some(true);
            body.changed_keys = Some(Vec::new());
            Ok(Done::failed(true, body, why))
        }
    };
    console.close().await;
    ended
}

/// Lets clients that were held back go on.
async fn go_on(cx: &Context, paused: Option<Paused>, began: Instant, body: &mut Applied) -> Result<()> {
    let Some(paused) = paused else { return Ok(()) };
    let lease_passed = paused.release(cx).await;
    body.stall_ms = Some(millis(began.elapsed()));
    body.lease_passed = Some(lease_passed?);
    Ok(())
}

/// A file that this process reads, on this machine: another one of the same name would be no use.
fn reads_this_file(running: &Running, path: &Path) -> Result<()> {
    let said = running.config.get("conffile").map(|setting| setting.value.clone()).unwrap_or_default();
    let same = fs::canonicalize(&said).is_ok_and(|read| read == path);
    if same {
        return Ok(());
    }
    Err(Error::refused(format!("the pooler reads \"{said}\", not {}; nothing was touched", path.display())).hint(
        "Name its own file as config_file, with its whole path on the pooler's command line, and run this there.",
    ))
}

/// Tells it, and compares what it runs with now; the keys that wait for a restart.
async fn reloaded(console: &Console, settings: &Settings) -> Result<Vec<String>> {
    console.reload().await?;
    failpoint::hit("apply-reloaded");
    let running = Running::read(console).await?;
    let (left, _) = differences(settings, &running);
    let wrong: Vec<&Differs> = left.iter().filter(|differs| !differs.restart).collect();
    if wrong.is_empty() {
        return Ok(keys(&left, true));
    }
    let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "not there".to_owned());
    let all = wrong.iter().map(|d| format!("{} is {}, not {}", d.key, said(&d.running), said(&d.wanted)));
    Err(Error::new(Code::Mismatch, "the pooler doesn't run with the new file; the old one is in force again")
        .hint("Look at the pooler's log for the line that it can't read.")
        .source(all.collect::<Vec<_>>().join("; ")))
}

/// Puts the last good file back in force.
async fn restore(console: &Console, file: &Managed, version: crate::version::Version) -> Result<()> {
    let good = file.good();
    file.put(good)?;
    failpoint::hit("apply-restored");
    console.reload().await?;
    let running = Running::read(console).await?;
    let (left, _) = differences(&Settings::new(&file.path, good, version), &running);
    if let Some(wrong) = left.iter().find(|differs| !differs.restart) {
        return Err(Error::new(
            Code::Mismatch,
            format!("the old file is in place again, but {} isn't in force", wrong.key),
        )
        .hint("Look at the pooler's log; `poolcfg diff` shows what it runs with."));
    }
    file.settle()
}

fn keys(all: &[Differs], restart: bool) -> Vec<String> {
    all.iter().filter(|differs| differs.restart == restart).map(|differs| differs.key.clone()).collect()
}
