//! WAL-G archives: written, checked and read, with WAL-G or without.

mod cluster;
mod copy;
mod dump;
mod engine;
mod fetch;
mod left;
mod load;
mod ls;
mod memory;
mod program;
mod progress;
mod push;
mod retain;
mod spool;
mod verify;
mod wal_fetch;
mod wal_push;

use clap::{Parser, Subcommand};
use flotilla::Context;
use flotilla::error::Result;
use flotilla::exit::Exit;
use flotilla::fanout::BoxFuture;
use flotilla::flags::{Global, STYLES};
use flotilla::tool::Tool;
use flotilla::verb::Verb;

/// WAL-G archives: written, checked and read, with WAL-G or without
#[derive(Parser)]
#[command(name = "walg-wrap", version, styles = STYLES, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verbs,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand)]
enum Verbs {
    /// Take a base backup, or a logical dump, into the archive
    #[command(visible_alias = "backup-push")]
    #[command(after_help = push::VERB.help(), after_long_help = push::VERB.long_help())]
    Push(push::Args),
    /// Restore a base backup into an empty folder, or a logical dump into an empty database
    #[command(visible_alias = "backup-fetch")]
    #[command(after_help = fetch::VERB.help(), after_long_help = fetch::VERB.long_help())]
    Fetch(fetch::Args),
    /// List backups and WAL
    #[command(visible_alias = "backup-list")]
    #[command(after_help = ls::VERB.help(), after_long_help = ls::VERB.long_help())]
    Ls(ls::Args),
    /// Read archives and say what a restore would stumble over
    #[command(after_help = verify::VERB.help(), after_long_help = verify::VERB.long_help())]
    Verify(verify::Args),
    /// Retire old backups, and WAL that nothing needs any more
    #[command(after_help = retain::VERB.help(), after_long_help = retain::VERB.long_help())]
    Retain(retain::Args),
    /// Bring another store up to date with this one
    #[command(after_help = copy::VERB.help(), after_long_help = copy::VERB.long_help())]
    Copy(copy::Args),
    /// Put a file of the WAL into the archive; for `archive_command`
    #[command(after_help = wal_push::VERB.help(), after_long_help = wal_push::VERB.long_help())]
    WalPush(wal_push::Args),
    /// Get a file of the WAL out of the archive; for `restore_command`
    #[command(after_help = wal_fetch::VERB.help(), after_long_help = wal_fetch::VERB.long_help())]
    WalFetch(wal_fetch::Args),
}

impl Tool for Cli {
    const NAME: &'static str = "walg-wrap";
    const VERBS: &'static [Verb] = &[
        push::VERB,
        fetch::VERB,
        ls::VERB,
        verify::VERB,
        verify::VERB_PROVE,
        retain::VERB,
        copy::VERB,
        wal_push::VERB,
        wal_fetch::VERB,
    ];

    fn global(&self) -> &Global {
        &self.global
    }

    fn verb(&self) -> &'static Verb {
        match &self.verb {
            Verbs::Push(_) => &push::VERB,
            Verbs::Fetch(_) => &fetch::VERB,
            Verbs::Ls(_) => &ls::VERB,
            Verbs::Verify(args) => args.verb(),
            Verbs::Retain(_) => &retain::VERB,
            Verbs::Copy(_) => &copy::VERB,
            Verbs::WalPush(_) => &wal_push::VERB,
            Verbs::WalFetch(_) => &wal_fetch::VERB,
        }
    }

    fn run(self, cx: Context) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.verb {
                Verbs::Push(args) => push::run(&cx, args).await,
                Verbs::Fetch(args) => fetch::run(&cx, args).await,
                Verbs::Ls(args) => ls::run(&cx, args).await,
                Verbs::Verify(args) => verify::run(&cx, args).await,
                Verbs::Retain(args) => retain::run(&cx, args).await,
                Verbs::Copy(args) => copy::run(&cx, args).await,
                Verbs::WalPush(args) => wal_push::run(&cx, args).await,
                Verbs::WalFetch(args) => wal_fetch::run(&cx, args).await,
            }
        })
    }

    fn exit(exit: Exit) -> Exit {
        wal_fetch::exit(std::env::args_os(), exit)
    }
}
