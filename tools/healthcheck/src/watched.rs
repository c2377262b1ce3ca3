//! Asking on and on: each instance at its own pace, its last report kept, whoever looks never waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flotilla::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::check::{Check, Health};
use crate::component::all;
use crate::rates::Rates;
use crate::report::Report;
use crate::sweep::{Job, Tools, once};

/// The last report of every instance.
#[derive(Debug)]
pub(crate) struct Watched {
    kept: Mutex<BTreeMap<(usize, String), Kept>>,
    version: watch::Sender<u64>,
    expected: usize,
}

#[derive(Debug)]
struct Kept {
    report: Arc<Report>,
    /// From then on it says nothing of the present any more.
    stale: Instant,
}

impl Watched {
    fn new(expected: usize) -> Self {
        Self { kept: Mutex::default(), version: watch::Sender::new(0), expected }
    }

    /// Counts up with every report.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Whether everything has been asked once.
    pub(crate) fn is_complete(&self) -> bool {
        self.lock().len() >= self.expected
    }

    /// The last reports, in the order of components and names. One that is too old is known to nobody.
    pub(crate) fn reports(&self) -> Vec<Arc<Report>> {
        let now = Instant::now();
        let one = |kept: &Kept| {
            if now < kept.stale {
                return Arc::clone(&kept.report);
            }
            let mut old = Report::clone(&kept.report);
            old.checks.insert(
                0,
                Check::unknown("fresh", "it was not asked for too long").hint("This is a bug; restart healthcheck."),
            );
            Arc::new(old)
        };
        self.lock().values().map(one).collect()
    }

    fn put(&self, report: Report, stale: Instant) {
        let place = all().iter().position(|component| component.name() == report.component).unwrap_or(usize::MAX);
        let key = (place, report.instance.name.clone());
        self.lock().insert(key, Kept { report: Arc::new(report), stale });
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(usize, String), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worst of several reports; nobody can tell where there are none.
pub(crate) fn worst(reports: &[Arc<Report>]) -> Health {
    reports.iter().map(|report| report.health()).max().unwrap_or(Health::Unknown)
}

/// Asks until this is dropped.
pub(crate) struct Watching {
    _loops: JoinSet<()>,
}

impl Watching {
    /// Begins.
    pub(crate) fn begin(
        cx: &Context,
        jobs: Vec<Job>,
        limit: Duration,
        interval: Duration,
    ) -> Result<(Self, Arc<Watched>)> {
        let tools = Tools::new(cx, limit)?.keeping();
        let settings = Arc::new(cx.config()?.health.clone());
        let watched = Arc::new(Watched::new(jobs.iter().filter(|job| job.wanted).count()));
        let mut loops = JoinSet::new();
        for job in jobs {
            let (tools, watched, settings) = (tools.clone(), Arc::clone(&watched), Arc::clone(&settings));
            let pause = interval.max(job.component.pause());
            loops.spawn(async move {
                let mut rates = Rates::default();
                loop {
                    let began = Instant::now();
                    // One at a time: whatever hangs is asked again only when it has ended.
                    let mut report = once(&job, &tools).await;
                    let more = rates.of(&report.checks, began, &settings);
                    report.checks.extend(more);
                    if job.wanted {
                        watched.put(report, Instant::now() + pause * 3 + limit * 2);
                    }
                    tokio::time::sleep_until(began + pause).await;
                }
            });
        }
        Ok((Self { _loops: loops }, watched))
    }
}
