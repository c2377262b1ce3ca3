//! `healthcheck alert`: tells people, once, when something stays bad, and once when it is over.

mod input;
mod judge;
mod payload;
mod receiver;
mod state;
mod switchover;

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use flotilla::clock::{self, parse_duration, rfc3339};
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result, failpoint, target};
use schemars::JsonSchema;
use serde::Serialize;

use self::judge::{Patience, Stage};
use self::receiver::Receiver;
use self::state::{Alert, State, StateFile};
use crate::check::Health;
use crate::silence::Silences;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "alert",
    effect: Effect::Changes,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<Told>()],
    examples: &[
        Example {
            line: "healthcheck probe | healthcheck alert --alertmanager http://127.0.0.1:9093",
            does: "Hand on what isn't well to Alertmanager, from cron, every minute",
        },
        Example {
            line: "healthcheck probe | healthcheck alert --command 'mail -s \"$FLOTILLA_SUBJECT\" ops@example.org'",
            does: "Send mail when something has failed three times in a row, and when it is over",
        },
        Example { line: "healthcheck alert --dry-run < probed.jsonl", does: "Say what would be told, and tell nobody" },
    ],
};

/// Whom to tell, and how patient to be.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Post to this Alertmanager, or whatever takes its API; may be repeated
    #[arg(long, value_name = "URL")]
    alertmanager: Vec<String>,
    /// Post to this URL as Alertmanager's webhooks do; may be repeated
    #[arg(long, value_name = "URL")]
    webhook: Vec<String>,
    /// Run this shell command with the message on its standard input; its subject is `$FLOTILLA_SUBJECT`
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// A file with the token that Alertmanager and webhooks want
    #[arg(long, value_name = "FILE")]
    receiver_token_file: Option<PathBuf>,
    /// Where the state is kept [default: `alerts.json` in the folder for state]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// How often in a row something must be bad before anybody is told
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    failures: u32,
    /// How often in a row it must be well before it is over
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    successes: u32,
    /// After how long to say again that it goes on
    #[arg(long, value_name = "DURATION", default_value = "4h", value_parser = parse_duration)]
    remind: Duration,
    /// From which health on to tell
    #[arg(long, value_enum, value_name = "HEALTH", default_value_t = Least::Warn)]
    from: Least,
    /// What not to tell of: a file of [[silence]]
    #[arg(long, value_name = "FILE")]
    silence_file: Option<PathBuf>,
    /// After a switchover or a drill of a shard, tell nothing about it for so long
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    after_switchover: Duration,
    /// For how long Alertmanager keeps an alert that it hears no more of
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    keep: Duration,
}

/// From which health on to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Least {
    /// Warnings as well.
    Warn,
    /// What isn't well, or can't be told.
    Fail,
}

/// What was told.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// The alert's fingerprint: the same for the same check of the same instance.
    alert: Option<String>,
    /// The component.
    component: Option<String>,
    /// The instance.
    instance: Option<String>,
    /// The shard.
    shard: Option<String>,
    /// The check, and what in the instance it is about.
    check: Option<String>,
    /// What is told: `firing`, `reminder`, `resolved`; `silenced` where nothing is.
    event: Option<&'static str>,
    /// How bad it is, or was.
    health: Option<Health>,
    /// Since when, UTC.
    since: Option<String>,
    /// What isn't well, in words.
    summary: Option<String>,
    /// Who was told.
    receivers: Option<Vec<String>>,
}

impl Record for Told {
    const KIND: &'static str = "healthcheck.alert";
    const COLUMNS: &'static [&'static str] = &["event", "component", "instance", "check", "health", "summary"];
}

/// Reads what was probed, remembers it, and tells whoever wants to know.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let from = if args.from == Least::Warn { Health::Warn } else { Health::Unknown };
    let receivers = receivers(cx, &args)?;
    let silences = Silences::read(args.silence_file.as_deref())?;
    let seen = input::observations(&read()?)?;
    let file = StateFile::open(args.state.clone(), cx.global().lock_wait)?;
    let mut state = file.read()?;
    let patience = Patience { failures: args.failures, successes: args.successes, remind: args.remind, from };
    let now = clock::now();
    let names: Vec<String> = receivers.iter().map(Receiver::name).collect();
    judge::take(&mut state, &seen, &patience, now);
    let quiet = switchover::shards(cx, &state, args.after_switchover).await;
    judge::tell(&mut state, &patience, &names, now, |alert| {
        silences.cover(alert.about()) || alert.shard.as_ref().is_some_and(|shard| quiet.contains(shard))
    });
    let dry = cx.global().dry_run;
    if !dry {
        // What is owed is on disk before anybody is told: a run that is killed in between tells it again.
        file.write(&state)?;
        failpoint::hit("alert.owed");
        for receiver in &receivers {
            deliver(cx, receiver, &mut state, args.keep).await;
        }
        file.write(&state)?;
    }
    for alert in state.told() {
        cx.output().line(&line(alert, dry))?;
    }
    match state.take_failures().into_iter().next() {
        None => Ok(()),
        Some((name, error)) => Err(error.within(format_args!("{name} was not told"))),
    }
}

/// Tells one receiver what it is owed; what it didn't take stays owed, and the next run tries again.
async fn deliver(cx: &Context, receiver: &Receiver, state: &mut State, keep: Duration) {
    let name = receiver.name();
    match receiver.tell(cx, state, keep).await {
        Ok(()) => state.paid(&name),
        Err(error) => state.failed(&name, error),
    }
}

fn receivers(cx: &Context, args: &Args) -> Result<Vec<Receiver>> {
    let all = Receiver::all(
        cx,
        &args.alertmanager,
        &args.webhook,
        args.command.as_deref(),
        args.receiver_token_file.as_deref(),
    )?;
    if all.is_empty() && !cx.global().dry_run {
        return Err(Error::usage("nobody is to be told; nothing was touched")
            .hint("Give --alertmanager URL, --webhook URL or --command COMMAND, or --dry-run to look only."));
    }
    Ok(all)
}

/// Standard input to its end; nothing where there is none, for reminders and what is still owed.
fn read() -> Result<String> {
    const MOST: u64 = 256 << 20;
    let Some(stdin) = target::piped_stdin() else { return Ok(String::new()) };
    let mut text = String::new();
    let unreadable = |e: io::Error| Error::new(Code::Io, "could not read standard input").source(e);
    stdin.take(MOST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn line(alert: &Alert, dry: bool) -> Line<Told> {
    let event = match (&alert.stage, alert.event) {
        (_, Some(event)) => event,
        (Stage::Firing, None) => "silenced",
        _ => "resolved",
    };
    let body = Told {
        alert: Some(alert.fingerprint()),
        component: Some(alert.component.clone()),
        instance: Some(alert.instance.clone()),
        shard: alert.shard.clone(),
        check: Some(alert.label()),
        event: Some(event),
        health: Some(alert.health),
        since: Some(rfc3339(alert.since)),
        summary: alert.summary.clone(),
        receivers: Some(alert.informed.clone()),
    };
    let changed = !dry && !alert.informed.is_empty();
    let line = Line::ok(alert.target.clone(), changed, body, Duration::ZERO);
    if dry { line.with_status(flotilla::record::Status::Planned) } else { line }
}
