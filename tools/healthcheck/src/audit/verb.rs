//! The verb `audit`.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use flotilla::clock::{self, parse_duration};
use flotilla::record::{Line, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, Error, Result};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use super::facts::{Facts, Unseen};
use super::line::{Audited, RuleRecord, State};
use super::waiver::Waivers;
use super::{Auditor, all, judge, names, rules};
use crate::component::{Instance, Subject};
use crate::sweep::{Tools, within};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "audit",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Audited>(), RecordInfo::of::<RuleRecord>()],
    examples: &[
        Example { line: "healthcheck audit", does: "Look for weaknesses of everything in the topology" },
        Example { line: "healthcheck audit -q", does: "Print only what isn't as it should be; nothing when all is" },
        Example {
            line: "healthcheck audit -t s0 -o json | jq -r 'select(.state == \"unknown\") | [.rule, .instance, .hint] | @tsv'",
            does: "Say what a shard's rules could not tell, and what they lack",
        },
        Example { line: "healthcheck audit --rules", does: "List the rules, and why each is one" },
    ],
};

/// What to look at, and how.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this component; may be repeated
    #[arg(long = "component", value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    components: Vec<String>,
    /// How long looking at one instance may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "15s")]
    timeout: Duration,
    /// What makes a line an error
    #[arg(long, value_enum, value_name = "STATE", default_value_t = FailOn::Fail)]
    fail_on: FailOn,
    /// List the rules instead
    #[arg(long, conflicts_with_all = ["components", "timeout", "fail_on"])]
    rules: bool,
}

/// What makes a line an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Warnings as well.
    Warn,
    /// What isn't safe, or can't be told.
    Fail,
}

/// One instance to look at.
struct Job {
    auditor: &'static dyn Auditor,
    instance: Instance,
}

/// What was seen of it.
struct Looked {
    job: Job,
    facts: Result<Facts>,
    took: Duration,
}

/// Looks, judges, and writes a line for each rule and instance.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.rules {
        return rules().try_for_each(|(component, rule)| {
            cx.output().line(&Line::ok(None, false, RuleRecord::of(component, rule), Duration::ZERO))
        });
    }
    let mut waivers = Waivers::of(cx.config()?, clock::now())?;
    let (subjects, skipped) = Subject::named(cx)?;
    for target in &skipped {
        if let Some(error) = target.upstream_error() {
            cx.output().line(&Line::<Audited>::failed(Some(target.name.clone()), &error, Duration::ZERO))?;
        }
    }
    let from = if args.fail_on == FailOn::Warn { State::Warn } else { State::Unknown };
    let tools = Tools::new(cx, args.timeout)?;
    let looking = jobs(cx, &subjects, &args.components)?.into_iter().map(|job| look(&tools, args.timeout, job));
    let mut looked = stream::iter(looking).buffer_unordered(cx.jobs());
    while let Some(one) = looked.next().await {
        write(cx, &one, &mut waivers, from)?;
    }
    of_waivers(cx, &waivers, from)
}

fn jobs(cx: &Context, subjects: &[Subject], wanted: &[String]) -> Result<Vec<Job>> {
    let config = cx.config()?;
    let is_wanted =
        |auditor: &&'static dyn Auditor| wanted.is_empty() || wanted.iter().any(|name| name == auditor.name());
    let mut jobs = Vec::new();
    for subject in subjects {
        for auditor in all().iter().copied().filter(is_wanted) {
            if let Some(endpoint) = auditor.instance(config, subject) {
                jobs.push(Job { auditor, instance: Instance::at(endpoint, subject) });
            }
        }
    }
    Ok(jobs)
}

async fn look(tools: &Tools, limit: Duration, job: Job) -> Looked {
    let began = Instant::now();
    let asking = tools.asking(began + limit);
    let facts = within(&asking, job.auditor.look(&asking, &job.instance)).await;
    Looked { facts, took: began.elapsed(), job }
}

fn write(cx: &Context, looked: &Looked, waivers: &mut Waivers, from: State) -> Result<()> {
    let Looked { job: Job { auditor, instance }, facts, took } = looked;
    for rule in auditor.rules() {
        let judged = match facts {
            Ok(facts) => judge(rule, facts),
            Err(error) => Err(Unseen::from(error)),
        };
        let Some(audited) = Audited::of(auditor.name(), instance, rule, judged) else { continue };
        let cover = waivers.cover(rule.name, &instance.name, audited.is_bad());
        let failed = facts.as_ref().err();
        cx.output().line(&audited.waived(cover.as_ref()).line(instance.target(), from, failed, *took))?;
    }
    Ok(())
}

/// What is wrong with waivers themselves.
fn of_waivers(cx: &Context, waivers: &Waivers, from: State) -> Result<()> {
    let said = |waiver: &flotilla::config::HealthWaiver, rule, state, what: String| {
        let place = waiver.target.as_ref().map_or_else(String::new, |target| format!(" on \"{target}\""));
        let observed = format!("the waiver of {}{place} {what}", waiver.rule);
        let failed: Option<&Error> = None;
        let line = Audited::of_waiver(waiver, rule, state, observed).line(None, from, failed, Duration::ZERO);
        cx.output().line(&line)
    };
    for waiver in waivers.expired() {
        said(waiver, "waiver-expired", State::Fail, format!("ended on {}", waiver.until))?;
    }
    for waiver in waivers.useless() {
        said(waiver, "waiver-unused", State::Warn, "has nothing to waive".to_owned())?;
    }
    Ok(())
}
