//! Asking many at once: bounded, each within its own time, nobody waiting for anybody.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flotilla::http::Client;
use flotilla::{Context, Error, Result, signal};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::board::Board;
use crate::component::{Asking, Component, Found, Instance, Subject, all};
use crate::kept::Kept;
use crate::report::Report;

/// How long a probe that was asked to stop may take to tell its server.
const GRACE: Duration = Duration::from_secs(2);

/// One probe to make.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) component: &'static dyn Component,
    pub(crate) instance: Instance,
    /// Whether its report is wanted, or only what others conclude from it.
    pub(crate) wanted: bool,
}

/// What all probes of a run share.
#[derive(Clone)]
pub(crate) struct Tools {
    cx: Context,
    limit: Duration,
    board: Arc<Board>,
    kept: Arc<Kept>,
    client: Arc<OnceLock<Client>>,
}

impl Tools {
    /// Those of a run in which one probe may take so long.
    pub(crate) fn new(cx: &Context, limit: Duration) -> Result<Self> {
        let board = Arc::new(Board::new(cx.config()?));
        Ok(Self { cx: cx.clone(), limit, board, kept: Arc::default(), client: Arc::default() })
    }

    /// The same, with sessions that stay open from one probe to the next.
    pub(crate) fn keeping(self) -> Self {
        Self { kept: Arc::new(Kept::keeping()), ..self }
    }

    pub(crate) fn asking(&self, until: Instant) -> Asking {
        Asking {
            cx: self.cx.clone(),
            limit: self.limit,
            until,
            board: Arc::clone(&self.board),
            kept: Arc::clone(&self.kept),
            client: Arc::clone(&self.client),
        }
    }
}

/// What these components ask of these subjects, and what that rests on.
pub(crate) fn jobs(cx: &Context, subjects: &[Subject], wanted: &[String]) -> Result<Vec<Job>> {
    let config = cx.config()?;
    let is_wanted = |component: &dyn Component| wanted.is_empty() || wanted.iter().any(|name| name == component.name());
    let mut jobs: Vec<Job> = Vec::new();
    for subject in subjects {
        for component in all().iter().copied().filter(|component| is_wanted(*component)) {
            if let Some(instance) = Instance::of(component, config, subject) {
                jobs.push(Job { component, instance, wanted: true });
            }
        }
    }
    let mut below: Vec<Job> = Vec::new();
    for job in &jobs {
        for component in all().iter().copied().filter(|c| job.component.rests_on().contains(&c.name())) {
            for subject in &Subject::all(config) {
                let Some(instance) = Instance::of(component, config, subject) else { continue };
                let is_there =
                    |other: &Job| other.component.name() == component.name() && other.instance.name == instance.name;
                if instance.shard == job.instance.shard && !jobs.iter().chain(&below).any(is_there) {
                    below.push(Job { component, instance, wanted: false });
                }
            }
        }
    }
    jobs.append(&mut below);
    Ok(jobs)
}

/// Work that ends in time whatever it does, and takes nobody with it.
pub(crate) async fn within<T>(asking: &Asking, work: impl Future<Output = Result<T>>) -> Result<T> {
    let cx = &asking.cx;
    let stopped = async {
        cx.stop().asked().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(Error::internal("the probe panicked")
            .hint("This is a bug. The other probes were not affected; report it with the output of -vv."))),
        () = tokio::time::sleep_until(asking.until) => Err(asking.late()),
        () = cx.deadline_passed() => Err(cx.deadline_error()),
        () = stopped => Err(signal::cancelled()),
    }
}

/// Makes one probe, which ends in time whatever it does.
pub(crate) async fn once(job: &Job, tools: &Tools) -> Report {
    let began = Instant::now();
    let until = began + tools.limit;
    let asking = tools.asking(until);
    let yielded: Result<Found> = within(&asking, job.component.ask(&asking, &job.instance)).await;
    job.component.ended(&tools.board, &job.instance, yielded.as_ref().err());
    Report::new(job.component.name(), job.instance.clone(), yielded, began.elapsed())
}

/// Makes all probes, and hands each report on as it comes.
pub(crate) async fn sweep(
    cx: &Context,
    jobs: Vec<Job>,
    limit: Duration,
    mut deliver: impl FnMut(Report) -> Result<()>,
) -> Result<()> {
    let tools = Tools::new(cx, limit)?;
    let at_once = Arc::new(Semaphore::new(cx.jobs()));
    let mut running: JoinSet<Report> = JoinSet::new();
    let mut names: HashMap<Id, Job> = HashMap::new();
    for job in jobs {
        let (tools, at_once, mine) = (tools.clone(), Arc::clone(&at_once), job.clone());
        let id = running.spawn(async move {
            // What rests on others asks nobody, and waits for those that do.
            let _permit = if mine.component.rests_on().is_empty() { at_once.acquire().await.ok() } else { None };
            once(&mine, &tools).await
        });
        names.insert(id.id(), job);
    }
    while let Some(ended) = running.join_next_with_id().await {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(error) => (error.id(), None),
        };
        let Some(job) = names.remove(&id) else { continue };
        let report = report.unwrap_or_else(|| {
            let error = Error::internal("the probe was lost");
            Report::new(job.component.name(), job.instance.clone(), Err(error), Duration::ZERO)
        });
        if job.wanted {
            deliver(report)?;
        }
    }
    Ok(())
}
