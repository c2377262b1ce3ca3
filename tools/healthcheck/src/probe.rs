//! `healthcheck probe`: every component at the same time, a line for each as it answers.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use flotilla::clock::parse_duration;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::check::{Check, Health};
use crate::component::{Subject, names};
use crate::nagios;
use crate::report::Report;
use crate::sweep::{jobs, sweep};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "probe",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Probed>()],
    examples: &[
        Example { line: "healthcheck probe", does: "Ask everything in the topology" },
        Example { line: "healthcheck probe -q", does: "Print only what isn't well; nothing when all is, as for cron" },
        Example {
            line: "healthcheck probe --component postgresql -t s0 | jq -r '.checks[] | select(.check == \"lag_bytes\") | .observed'",
            does: "Say how far the replicas of one shard are behind",
        },
        Example { line: "healthcheck probe --nagios -t s0", does: "Check one shard for Nagios or Icinga" },
    ],
};

/// What to ask, and how.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this component; may be repeated
    #[arg(long = "component", value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    components: Vec<String>,
    /// How long one probe may take [default: `health.timeout_ms`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// What makes a line an error
    #[arg(long, value_enum, value_name = "HEALTH", default_value_t = FailOn::Fail)]
    fail_on: FailOn,
    /// Print one line and end as a plugin of Nagios: 0 well, 1 warning, 2 critical, 3 unknown
    #[arg(long)]
    nagios: bool,
}

/// What makes a line an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Warnings as well.
    Warn,
    /// What isn't well, or can't be told.
    Fail,
}

/// What was seen of one instance of a component.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Probed {
    /// The component.
    component: Option<&'static str>,
    /// What was asked, by its name in the topology.
    instance: Option<String>,
    /// The shard that it is or belongs to; null where it is none's.
    shard: Option<String>,
    /// What it is among its kind right now: primary, replica, leader and so on; null where there are no roles.
    role: Option<String>,
    /// Where it was asked.
    endpoint: Option<String>,
    /// How well it is: the worst of its checks.
    health: Option<Health>,
    /// What isn't well, in words; null where all is.
    summary: Option<String>,
    /// What was looked at.
    checks: Option<Vec<Check>>,
}

impl Record for Probed {
    const KIND: &'static str = "healthcheck.probe";
    const COLUMNS: &'static [&'static str] = &["component", "role", "health", "summary"];
}

impl From<&Report> for Probed {
    fn from(report: &Report) -> Self {
        Self {
            component: Some(report.component),
            instance: Some(report.instance.name.clone()),
            shard: report.instance.shard.clone(),
            role: report.role.clone(),
            endpoint: Some(report.instance.endpoint.clone()),
            health: Some(report.health()),
            summary: report.summary(),
            checks: Some(report.checks.clone()),
        }
    }
}

/// Asks, and writes a line for each answer; or one for all, as Nagios wants it.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let limit = args.timeout.unwrap_or(Duration::from_millis(cx.config()?.health.timeout_ms));
    let (subjects, skipped) = Subject::named(cx)?;
    let jobs = jobs(cx, &subjects, &args.components)?;
    if args.nagios {
        return nagios::run(cx, jobs, &skipped, limit).await;
    }
    for target in &skipped {
        if let Some(error) = target.upstream_error() {
            cx.output().line(&Line::<Probed>::failed(Some(target.name.clone()), &error, Duration::ZERO))?;
        }
    }
    let from = if args.fail_on == FailOn::Warn { Health::Warn } else { Health::Unknown };
    sweep(cx, jobs, limit, |report| cx.output().line(&line(&report, from))).await
}

/// A report as a line.
fn line(report: &Report, from: Health) -> Line<Probed> {
    let target = report.instance.target();
    match report.failure(from) {
        Some(error) => Line::failed(target, &error, report.took).with_body(report.into()),
        None => Line::ok(target, false, report.into(), report.took),
    }
}
