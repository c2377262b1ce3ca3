//! Process start and end: the only place where a tool begins, and the only one where it ends.
//!
//! `main::<T>()` is generic over as little as parsing needs; everything after runs in one
//! non-generic driver, so that a change here doesn't rebuild every tool's code.

mod schema;

use std::io::{self, Write as _};
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::builder::Resettable;
use clap::error::ErrorKind;
use futures_util::FutureExt as _;

use crate::context::Context;
use crate::env;
use crate::error::{Code, Error, Result};
use crate::exit::Exit;
use crate::fanout::{BoxFuture, panic_text};
use crate::flags::Global;
use crate::lock::FileLock;
use crate::log;
use crate::signal::{self, Stop};
use crate::verb::{Effect, Scope, Verb};

/// A tool: its command line, its verbs, and what runs them.
pub trait Tool: Parser + Send + 'static {
    /// The tool's name.
    const NAME: &'static str;
    /// Every verb, in the order of the help.
    const VERBS: &'static [Verb];

    /// The global flags as parsed.
    fn global(&self) -> &Global;

    /// The verb as parsed.
    fn verb(&self) -> &'static Verb;

    /// Runs the verb.
    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>>;

    /// How the process ends, whatever ended it: for a verb whose caller has a table of its own.
    fn exit(exit: Exit) -> Exit {
        exit
    }
}

/// The whole of a tool's `main`.
pub fn main<T: Tool>() -> ExitCode {
    // Before anything else: with two providers in the tree and no default, rustls panics.
    crate::tls::install();
    let parsed = command::<T>().try_get_matches().and_then(|matches| T::from_arg_matches(&matches));
    let tool = match parsed {
        Ok(tool) => tool,
        Err(error) => return T::exit(without_arguments(T::NAME, T::VERBS, &error, command::<T>())).into(),
    };
    let (verb, global) = (tool.verb(), tool.global().clone());
    let (exit, signal) = drive(T::NAME, verb, global, Box::new(move |cx| tool.run(cx)));
    if let Some(number) = signal {
        signal::die(number);
    }
    T::exit(exit).into()
}

/// A call that can't be run: a usage error, unless it lacks arguments and asks for the schema alone.
fn without_arguments(tool: &'static str, verbs: &'static [Verb], error: &clap::Error, command: clap::Command) -> Exit {
    match schema::of(verbs, error, command) {
        Some(verb) => finish(tool, Exit::Ok, schema::print(verb)),
        None => usage(error),
    }
}

/// The tool's command line. A variable that is set but empty counts as unset, as everywhere else.
fn command<T: Tool>() -> clap::Command {
    T::command().mut_args(|arg| {
        let empty = arg.get_env().and_then(|name| name.to_str()).is_some_and(env::is_empty);
        if empty { arg.env(Resettable::Reset) } else { arg }
    })
}

type Run = Box<dyn FnOnce(Context) -> BoxFuture<'static, Result<()>>>;

/// Help goes to standard output with 0, a usage error to standard error with 2.
fn usage(error: &clap::Error) -> Exit {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(e) if help && e.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ if help => Exit::Ok,
        _ => Exit::Usage,
    }
}

/// How the run ended, and the signal that the process must die by.
fn drive(tool: &'static str, verb: &'static Verb, global: Global, run: Run) -> (Exit, Option<i32>) {
    log::start(global.verbose, global.quiet);
    std::panic::set_hook(Box::new(|info| tracing::error!("{info}")));
    if global.schema {
        return (finish(tool, Exit::Ok, schema::print(verb)), None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            let error = Error::internal("could not start the runtime").source(e);
            return (finish(tool, Exit::Ok, Err(error)), None);
        }
    };
    let (exit, signal) = runtime.block_on(async {
        let stop = match Stop::listen() {
            Ok(stop) => stop,
            Err(e) => return (finish(tool, Exit::Ok, Err(e)), None),
        };
        let cx = Context::new(tool, verb, global, stop.clone());
        let ended = AssertUnwindSafe(work(&cx, run)).catch_unwind().await;
        let ended = ended.unwrap_or_else(|panic| {
            Err(Error::internal(format!("internal error: {}", panic_text(panic.as_ref())))
                .hint("This is a bug; report it with the output of -vv."))
        });
        (settle(&cx, ended), stop.by_signal())
    });
    // A thread that is blocked in a read of standard input must not hold up the end; and one that goes on meanwhile
    // panics when it waits for a runtime that is gone, which is no news to anybody.
    std::panic::set_hook(Box::new(|_| {}));
    runtime.shutdown_timeout(Duration::from_millis(10));
    (exit, signal)
}

/// Jitter, lock, then the verb itself.
async fn work(cx: &Context, run: Run) -> Result<()> {
    wait_jitter(cx).await?;
    if cx.verb().effect > Effect::Reads && !cx.global().quiet {
        // What works on no targets may be about files alone, and need no cluster.
        let config = if cx.verb().scope == Scope::None { cx.config_if_any()? } else { Some(cx.config()?) };
        if let Some(config) = config {
            log::say(&format!("{}: cluster {} ({})", cx.tool(), config.cluster.name, config.path.display()));
        }
    }
    let _lock = if cx.verb().exclusive && !cx.global().dry_run { Some(take_lock(cx).await?) } else { None };
    run(cx.clone()).await
}

/// Takes the lock of this tool on this cluster, off the runtime's threads, for it may wait.
async fn take_lock(cx: &Context) -> Result<FileLock> {
    let (tool, cluster, wait) = (cx.tool(), cx.config()?.cluster.name.clone(), cx.global().lock_wait);
    let lock = tokio::task::spawn_blocking(move || FileLock::take(tool, &cluster, wait));
    tokio::select! {
        taken = lock => taken.map_err(|e| Error::internal("waiting for the lock failed").source(e))?,
        () = cx.stop().asked() => Err(signal::cancelled()),
    }
}

async fn wait_jitter(cx: &Context) -> Result<()> {
    let most = cx.global().jitter;
    if most.is_zero() {
        return Ok(());
    }
    let delay = most.mul_f64(rand::random::<f64>());
    tracing::info!("starting in {}", humantime::format_duration(delay));
    tokio::select! {
        () = tokio::time::sleep(delay) => Ok(()),
        () = cx.stop().asked() => Err(signal::cancelled()),
    }
}

/// Flushes what was held back and merges how the lines ended with how the verb did.
fn settle(cx: &Context, ended: Result<()>) -> Exit {
    let flushed = cx.output().finish();
    let lines = cx.output().tally().exit();
    match ended.and(flushed) {
        Err(e) if e.code() == Code::OutputClosed && cx.is_reads_only() => Exit::Ok,
        ended => finish(cx.tool(), lines, ended),
    }
}

/// Says what went wrong, in the words of the error, and yields the worse exit code.
fn finish(tool: &str, lines: Exit, ended: Result<()>) -> Exit {
    match ended {
        Ok(()) => lines,
        Err(error) => {
            log::say(&error.text(tool));
            lines.worst(error.exit())
        }
    }
}
