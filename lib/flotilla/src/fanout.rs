//! Work on many targets at once: bounded, with a deadline, stoppable, one outcome line per target.
//!
//! A panic while working on one target becomes that target's error line; the others go on.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};

use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::record::{Done, Line, Record};
use crate::signal;
use crate::target::Target;

/// How long work that was asked to stop may take to cancel its query and roll back.
const GRACE: Duration = Duration::from_secs(5);

/// A future that can be sent between threads, behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the driver does with a target, with the record type forgotten.
struct Job {
    start: Instant,
    target: Target,
}

/// Works on each target with `work`, at most `--jobs` at a time, and writes a line for each.
pub(crate) async fn each<R, F, Fut>(cx: &Context, targets: Vec<Target>, work: F) -> Result<()>
where
    R: Record,
    F: Fn(Target, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done<R>>> + Send + 'static,
{
    let work = Arc::new(work);
    let start = {
        let cx = cx.clone();
        move |target: Target| -> BoxFuture<'static, Result<Done<R>>> {
            let (work, cx) = (Arc::clone(&work), cx.beginning());
            Box::pin(async move { work(target, cx).await })
        }
    };
    drive(cx, targets, Box::new(start)).await
}

/// Asks each item, at most `--jobs` at a time; the answers come in the items' order. For what is
/// compared or shown together, and so has no line of its own for each.
pub async fn ask<T, A, F, Fut>(cx: &Context, items: Vec<T>, question: F) -> Vec<A>
where
    A: Send + 'static,
    F: Fn(T, Context) -> Fut,
    Fut: Future<Output = A> + Send + 'static,
{
    let limit = Arc::new(Semaphore::new(cx.jobs()));
    let mut asked = JoinSet::new();
    for (at, item) in items.into_iter().enumerate() {
        let (answer, limit) = (question(item, cx.clone()), Arc::clone(&limit));
        asked.spawn(async move {
            let _permit = limit.acquire().await;
            (at, answer.await)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

type Start<R> = Box<dyn Fn(Target) -> BoxFuture<'static, Result<Done<R>>> + Send>;

async fn drive<R: Record>(cx: &Context, targets: Vec<Target>, start: Start<R>) -> Result<()> {
    let bar = crate::progress::bar(targets.len(), cx.output().is_quiet());
    let mut waiting = targets.into_iter();
    let mut running: JoinSet<Result<Done<R>>> = JoinSet::new();
    let mut jobs: std::collections::HashMap<Id, Job> = std::collections::HashMap::new();
    let mut closed: Option<Error> = None;
    loop {
        while running.len() < cx.jobs() {
            let Some(target) = waiting.next() else { break };
            if let Some(error) = target.upstream_error() {
                keep_first(&mut closed, cx.output().line(&failed::<R>(&target, &error, Duration::ZERO)));
            } else if cx.stop().is_asked() {
                // What was never begun is said to be so, unless nobody reads any more.
                if closed.is_none() {
                    let error = signal::cancelled();
                    keep_first(&mut closed, cx.output().line(&failed::<R>(&target, &error, Duration::ZERO)));
                }
            } else if closed.is_none() {
                bar.set_message(target.name.clone());
                let job = Job { start: Instant::now(), target: target.clone() };
                let id = running.spawn(bounded(cx.clone(), start(target))).id();
                jobs.insert(id, job);
            }
        }
        let Some(ended) = running.join_next_with_id().await else { break };
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), Err(panicked(error))),
        };
        let Some(job) = jobs.remove(&id) else { continue };
        bar.inc(1);
        let took = job.start.elapsed();
        let line = match outcome {
            Ok(Done { changed, body, error: Some(error), .. }) => {
                failed(&job.target, &error, took).with_body(body).with_changed(changed)
            }
            Ok(done) => Line::ok(Some(job.target.name.clone()), done.changed, done.body, took).with_status(done.status),
            Err(error) => failed(&job.target, &error, took),
        };
        bar.suspend(|| keep_first(&mut closed, cx.output().line(&line)));
    }
    bar.finish_and_clear();
    closed.map_or(Ok(()), Err)
}

fn failed<R: Record>(target: &Target, error: &Error, took: Duration) -> Line<R> {
    Line::failed(Some(target.name.clone()), error, took)
}

fn keep_first(slot: &mut Option<Error>, result: Result<()>) {
    if let (None, Err(error)) = (&slot, result) {
        *slot = Some(error);
    }
}

/// The work, ended by the run's deadline or by a signal that it didn't heed in time.
async fn bounded<R: Record>(cx: Context, work: BoxFuture<'static, Result<Done<R>>>) -> Result<Done<R>> {
    let stopped = async {
        cx.stop().asked().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = work => done,
        () = cx.deadline_passed() => Err(cx.deadline_error()),
        () = stopped => Err(signal::cancelled()),
    }
}

fn panicked(error: JoinError) -> Error {
    let text = match error.try_into_panic() {
        Ok(payload) => panic_text(payload.as_ref()),
        Err(_) => return signal::cancelled(),
    };
    Error::new(Code::Internal, format!("internal error: {text}"))
        .hint("This is a bug. The other targets were not affected; report it with the output of -vv.")
}

/// The message of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
