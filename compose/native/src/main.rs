//! `stack`: the architecture on one machine, without containers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use flotilla::Result;
use flotilla::exit::Exit;
use flotilla_native::member::{self, Stop};
use flotilla_native::plan::NAME;
use flotilla_native::stack::Which;
use flotilla_native::{down, fault, guard, places, up, watchdog};

/// Start and stop the whole architecture as plain processes
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start what isn't running, wait until all of it answers, print where it is
    Up {
        #[command(flatten)]
        stack: StackArgs,
        /// The port that all others are counted from [default: 15000, or what the stack has]
        #[arg(long, value_name = "PORT")]
        base_port: Option<u16>,
        /// With servers elsewhere that follow the shards by their archives; the stack keeps them
        #[arg(long)]
        second_region: bool,
    },
    /// Stop what `up` has started
    Down {
        #[command(flatten)]
        stack: StackArgs,
        /// Remove its data, too
        #[arg(long)]
        wipe: bool,
    },
    /// Say what every member answers
    Status {
        #[command(flatten)]
        stack: StackArgs,
    },
    /// Start members that were stopped, and wait until they answer
    Start {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        members: MemberArgs,
    },
    /// Stop members; they stay down until they are started
    Stop {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        members: MemberArgs,
    },
    /// Kill all processes of members at once, as a power failure would
    Kill {
        #[command(flatten)]
        stack: StackArgs,
        #[command(flatten)]
        members: MemberArgs,
    },
    /// Break members in a given way, or mend what was broken (called by `shardctl drill`)
    Fault {
        #[command(flatten)]
        stack: StackArgs,
        /// Whether to break or to mend
        #[arg(value_enum)]
        what: fault::Act,
        /// The fault
        #[arg(value_enum)]
        fault: fault::Fault,
        #[command(flatten)]
        members: MemberArgs,
    },
    /// Watch over one node (run by the stack's supervisor)
    #[command(hide = true)]
    Watchdog {
        /// What to watch over
        file: PathBuf,
    },
    /// Hold servers for a process that may be killed (used by tests)
    #[command(hide = true)]
    Guard {
        /// The folder to remove in the end
        folder: PathBuf,
    },
}

#[derive(Args)]
struct StackArgs {
    /// The stack's name
    #[arg(long, value_name = "NAME", env = "FLOTILLA_STACK", default_value = NAME)]
    name: String,
}

#[derive(Args)]
struct MemberArgs {
    /// The members' names, as `stack status` lists them
    #[arg(required = true, value_name = "MEMBER")]
    names: Vec<String>,
}

impl StackArgs {
    fn which(self, base_port: Option<u16>) -> Result<Which> {
        let (state, cache) = (places::state(&self.name)?, places::cache()?);
        Ok(Which { name: self.name, base_port, state, cache, second_region: false })
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Up { stack, base_port, second_region } => {
            stack.which(base_port).and_then(|which| up::up(&Which { second_region, ..which }))
        }
        Verb::Down { stack, wipe } => stack.which(None).and_then(|which| down::down(&which, wipe)),
        Verb::Status { stack } => stack.which(None).and_then(|which| member::status(&which)),
        Verb::Start { stack, members } => stack.which(None).and_then(|which| member::start(&which, &members.names)),
        Verb::Stop { stack, members } => {
            stack.which(None).and_then(|which| member::stop(&which, &members.names, Stop::Ask))
        }
        Verb::Kill { stack, members } => {
            stack.which(None).and_then(|which| member::stop(&which, &members.names, Stop::Kill))
        }
        Verb::Fault { stack, what, fault, members } => {
            stack.which(None).and_then(|which| fault::run(&which, what, fault, &members.names))
        }
        Verb::Watchdog { file } => watchdog::run(&file),
        Verb::Guard { folder } => guard::serve(&folder),
    };
    match done {
        Ok(()) => Exit::Ok.into(),
        Err(error) => {
            flotilla::log::say(&error.text("stack"));
            error.exit().into()
        }
    }
}
