//! A figure and how it is shown.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

/// One thing measured, beside another.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    ours: String,
    beside: String,
    ratio: Option<f64>,
    target: Option<(String, bool)>,
}

impl Figure {
    /// What was measured, and what came out.
    pub(crate) fn new(what: impl Into<String>, ours: impl Into<String>) -> Self {
        Self { what: what.into(), ours: ours.into(), beside: String::new(), ratio: None, target: None }
    }

    /// What it is held against, and what came out there.
    pub(crate) fn beside(mut self, beside: impl Into<String>, ratio: f64) -> Self {
        self.beside = beside.into();
        self.ratio = Some(ratio);
        self
    }

    /// The target, and whether it was met.
    pub(crate) fn target(mut self, target: impl Into<String>, met: bool) -> Self {
        self.target = Some((target.into(), met));
        self
    }

    /// A target for the ratio: no more than this.
    pub(crate) fn ratio_at_most(self, most: f64) -> Self {
        let met = self.ratio.is_some_and(|ratio| ratio <= most);
        self.target(format!("ratio ≤ {most}"), met)
    }
}

/// The figures as a table.
pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["MEASURED", "HERE", "BESIDE", "RATIO", "TARGET", ""]);
    for Figure { what, ours, beside, ratio, target } in figures {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let (target, verdict) = match target {
            Some((target, true)) => (target.as_str(), "met"),
            Some((target, false)) => (target.as_str(), "not met"),
            None => ("", ""),
        };
        table.add_row([what.as_str(), ours, beside, &ratio, target, verdict]);
    }
    table
}

/// The middle one: a single disturbed run doesn't move it.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How many times the second the first is.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Milliseconds, as the table shows them.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Millions a second, as the table shows them.
pub(crate) fn millions(count: u32, time: Duration) -> String {
    format!("{:.2} M/s", rate(count, time) / 1e6)
}

/// How many a second.
pub(crate) fn rate(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Mebibytes, as the table shows them.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// How many times the second amount of memory the first is.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
pub(crate) fn ratio_of_memory(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}
