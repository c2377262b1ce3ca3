//! As a plugin of Nagios and its kin: one line with performance data, and their exit codes.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use flotilla::exit::Exit;
use flotilla::target::Target;
use flotilla::{Context, Result};

use crate::check::{Check, Health};
use crate::report::Report;
use crate::sweep::{Job, sweep};

/// How the run ended, for [`exit`]; nothing was said as long as it is this.
static ENDED: AtomicU8 = AtomicU8::new(UNSAID);
const UNSAID: u8 = u8::MAX;

/// How much performance data a line may have, in bytes: Nagios cuts off at 8 KiB.
const LINE_LIMIT: usize = 8000;

/// Asks, and writes the one line.
pub(crate) async fn run(cx: &Context, jobs: Vec<Job>, skipped: &[Target], limit: Duration) -> Result<()> {
    let mut reports = Vec::new();
    sweep(cx, jobs, limit, |report| {
        reports.push(report);
        Ok(())
    })
    .await?;
    reports.sort_by(|a, b| b.health().cmp(&a.health()).then_with(|| a.key().cmp(&b.key())));
    let mut health = reports.iter().map(Report::health).max().unwrap_or(Health::Unknown);
    if !skipped.is_empty() {
        health = health.max(Health::Unknown);
    }
    let line = text(&reports, skipped.len(), health);
    cx.output().raw(format!("{line}\n").as_bytes())?;
    ENDED.store(code(health), Ordering::SeqCst);
    Ok(())
}

const fn code(health: Health) -> u8 {
    match health {
        Health::Pass => 0,
        Health::Warn => 1,
        Health::Fail => 2,
        Health::Unknown => 3,
    }
}

/// The exit code by Nagios's table where the command line asks for it. What ended before an answer is unknown.
pub(crate) fn exit(args: impl Iterator<Item = OsString>, exit: Exit) -> Exit {
    if !args.take_while(|arg| arg != "--").any(|arg| arg == "--nagios") {
        return exit;
    }
    // The numbers are those of the general table, under other names.
    match ENDED.load(Ordering::SeqCst) {
        1 if exit == Exit::Ok => Exit::Failed,
        2 if exit == Exit::Ok => Exit::Usage,
        // All is well; or it was help or the version.
        0 | UNSAID if exit == Exit::Ok => Exit::Ok,
        _ => Exit::Refused,
    }
}

fn text(reports: &[Report], skipped: usize, health: Health) -> String {
    let word = match health {
        Health::Pass => "OK",
        Health::Warn => "WARNING",
        Health::Fail => "CRITICAL",
        Health::Unknown => "UNKNOWN",
    };
    let mut line = format!("FLOTILLA {word}: ");
    let bad: Vec<String> = reports
        .iter()
        .filter_map(|report| Some(format!("{} {}: {}", report.component, report.instance.name, report.summary()?)))
        .collect();
    match (reports.len(), bad.len()) {
        (0, _) => line.push_str("nothing was asked"),
        (all, 0) => drop(write!(line, "{all} components are well")),
        (all, some) => drop(write!(line, "{some} of {all} components are not well: {}", bad.join(", "))),
    }
    if skipped > 0 {
        let _ = write!(line, "; {skipped} targets arrived with a failure");
    }
    // A bar would begin the performance data, a line break the long text.
    line = line.replace('|', "/").replace(['\n', '\r'], " ");
    line.push_str(" |");
    for (report, check) in reports.iter().flat_map(|report| report.checks.iter().map(move |check| (report, check))) {
        let Some(datum) = datum(report, check) else { continue };
        if line.len() + datum.len() > LINE_LIMIT {
            break;
        }
        line.push_str(&datum);
    }
    line
}

/// One number as `'label'=value[unit];warn;fail;;`.
fn datum(report: &Report, check: &Check) -> Option<String> {
    let value = check.value()?;
    let unit = match check.unit {
        Some("bytes") => "B",
        Some("seconds") => "s",
        _ => "",
    };
    // A falling limit is a range that nothing may be in: `7:` is "alert below 7".
    let limit = |limit: Option<f64>| match limit {
        Some(limit) if check.is_falling() => format!("{limit}:"),
        Some(limit) => limit.to_string(),
        None => String::new(),
    };
    let label = format!("{}/{}/{}", report.component, report.instance.name, check.label()).replace(['\'', '='], "_");
    Some(format!(" '{label}'={value}{unit};{};{};;", limit(check.warn), limit(check.fail)))
}
