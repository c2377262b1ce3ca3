//! What a verb works with: flags, configuration, targets, output, deadline, the wish to stop.

use std::future::Future;
use std::io::StdinLock;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::fanout;
use crate::flags::Global;
use crate::journal::{Entry, Operator};
use crate::output::Output;
use crate::pg::{Canceller, Endpoint, RowSession, Session};
use crate::record::{Done, Record};
use crate::signal::Stop;
use crate::target::{self, Target};
use crate::verb::{Effect, Scope, Verb};

/// Everything about this run. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    run: Arc<Inner>,
    /// When the work began that ledger lines are about.
    began: Instant,
}

struct Inner {
    tool: &'static str,
    verb: &'static Verb,
    global: Global,
    config: OnceLock<Config>,
    output: Output,
    stop: Stop,
    deadline: Option<Instant>,
    run_id: Uuid,
    operator: Operator,
}

impl Context {
    pub(crate) fn new(tool: &'static str, verb: &'static Verb, global: Global, stop: Stop) -> Self {
        let began = Instant::now();
        let run = Inner {
            tool,
            verb,
            config: OnceLock::new(),
            output: Output::new(global.output, global.quiet),
            stop,
            deadline: global.deadline.map(|d| began + d),
            run_id: Uuid::new_v4(),
            operator: Operator::current(),
            global,
        };
        Self { run: Arc::new(run), began }
    }

    /// The same run, at the beginning of work on something: from now on its ledger lines count the time.
    #[must_use]
    pub fn beginning(&self) -> Self {
        Self { run: Arc::clone(&self.run), began: Instant::now() }
    }

    /// The tool's name.
    pub fn tool(&self) -> &'static str {
        self.run.tool
    }

    /// The verb.
    pub fn verb(&self) -> &'static Verb {
        self.run.verb
    }

    /// The global flags.
    pub fn global(&self) -> &Global {
        &self.run.global
    }

    /// The writer of standard output.
    pub fn output(&self) -> &Output {
        &self.run.output
    }

    /// Whether the run was asked to stop.
    pub fn stop(&self) -> &Stop {
        &self.run.stop
    }

    /// This run's id, the same in each of its ledger lines.
    pub fn run_id(&self) -> Uuid {
        self.run.run_id
    }

    /// The topology, read at its first use.
    pub fn config(&self) -> Result<&Config> {
        if let Some(config) = self.run.config.get() {
            return Ok(config);
        }
        let config = Config::load(self.run.global.config.as_deref())?;
        Ok(self.run.config.get_or_init(|| config))
    }

    /// The topology, for work that can do without: none where there is no file. One that is there and wrong
    /// is an error all the same.
    pub fn config_if_any(&self) -> Result<Option<&Config>> {
        if let Some(config) = self.run.config.get() {
            return Ok(Some(config));
        }
        let config = Config::load_if_any(self.run.global.config.as_deref())?;
        Ok(config.map(|config| self.run.config.get_or_init(|| config)))
    }

    /// How many targets to work on at once.
    pub fn jobs(&self) -> usize {
        usize::from(self.run.global.jobs)
    }

    /// Whether this call only reads.
    pub fn is_reads_only(&self) -> bool {
        self.run.verb.effect == Effect::Reads
    }

    /// The targets of this run: `-t`, `--all`, or a pipe. When a reading verb names none, all shards.
    pub fn targets(&self) -> Result<Vec<Target>> {
        self.choose(target::read)
    }

    /// The same, each with the input lines that named it in [`Target::lines`]: for a verb that reads back
    /// what a plan wrote.
    pub fn targets_with_lines(&self) -> Result<Vec<Target>> {
        self.choose(target::read_with_lines)
    }

    /// The targets that `-t` or a pipe names, of any kind; none where everything in the topology is meant.
    pub fn named_targets(&self) -> Result<Option<Vec<Target>>> {
        let config = self.config()?;
        let global = &self.run.global;
        if global.all {
            return Ok(None);
        }
        if !global.targets.is_empty() {
            return target::named(config, &global.targets).map(Some);
        }
        target::piped_stdin().map(|stdin| target::read(config, stdin)).transpose()
    }

    fn choose(&self, read: fn(&Config, StdinLock<'static>) -> Result<Vec<Target>>) -> Result<Vec<Target>> {
        let config = self.config()?;
        let global = &self.run.global;
        if global.all {
            return nonempty(target::shards(config));
        }
        if !global.targets.is_empty() {
            return target::named(config, &global.targets);
        }
        match target::piped_stdin() {
            Some(stdin) => read(config, stdin),
            None if self.run.verb.scope == Scope::Optional => nonempty(target::shards(config)),
            None => Err(Error::new(Code::NoTargets, "no targets were named; nothing was touched")
                .hint("Name them with -t NAME, pipe them in, or give --all.")),
        }
    }

    /// Works on each target, at most `--jobs` at a time, and writes one line for each.
    pub async fn each<R, F, Fut>(&self, targets: Vec<Target>, work: F) -> Result<()>
    where
        R: Record,
        F: Fn(Target, Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done<R>>> + Send + 'static,
    {
        fanout::each(self, targets, work).await
    }

    /// Connects, within the deadline, under this tool's name.
    pub async fn connect(&self, endpoint: Endpoint) -> Result<Session> {
        let endpoint = self.named(endpoint);
        self.unless_ended(endpoint.connect()).await
    }

    /// Connects for any SQL and its rows; otherwise as [`Self::connect`].
    pub async fn connect_rows(&self, endpoint: Endpoint) -> Result<RowSession> {
        let endpoint = self.named(endpoint);
        self.unless_ended(endpoint.connect_rows()).await
    }

    /// Runs work on a session; when the run is stopped or its time is up, the server is told to
    /// cancel the query, so that nothing goes on unseen behind a tool that has gone.
    pub async fn guarded<T>(&self, canceller: Canceller, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let error = tokio::select! {
            done = &mut work => return done,
            () = self.deadline_passed() => self.deadline_error(),
            () = self.run.stop.asked() => crate::signal::cancelled(),
        };
        if let Err(error) = canceller.cancel().await {
            tracing::debug!("the query could not be cancelled: {error}");
        }
        // The cancelled query's own error says less than why it was cancelled.
        let _ = tokio::time::timeout(Duration::from_secs(2), work).await;
        Err(error)
    }

    fn named(&self, endpoint: Endpoint) -> Endpoint {
        endpoint.application_name(format!("flotilla {} {}", self.run.tool, self.run.verb.name))
    }

    /// Work that ends with the run's deadline or a signal; what it was about to do isn't done then.
    pub async fn unless_ended<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            done = work => done,
            () = self.deadline_passed() => Err(self.deadline_error()),
            () = self.run.stop.asked() => Err(crate::signal::cancelled()),
        }
    }

    /// A ledger line of this run about `target`; it counts the time since [`Self::beginning`].
    pub fn entry(&self, target: &str) -> Entry {
        Entry::new(
            self.run.run_id,
            self.run.tool,
            self.run.verb.name,
            &self.run.operator,
            self.run.global.reason.as_deref(),
            target,
            self.began,
        )
    }

    /// Waits until the deadline; for ever where there is none.
    pub async fn deadline_passed(&self) {
        match self.run.deadline {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// The error of work that the deadline ended.
    pub fn deadline_error(&self) -> Error {
        let given = self.run.global.deadline.unwrap_or_default();
        Error::new(Code::Timeout, format!("the deadline of {} passed", humantime::format_duration(given)))
            .hint("Give more time with --deadline, or find out what it waited for with -v.")
    }
}

fn nonempty(targets: Vec<Target>) -> Result<Vec<Target>> {
    if targets.is_empty() {
        return Err(Error::config("the topology has no shards").hint("Add [[shards]] to flotilla.toml."));
    }
    Ok(targets)
}
