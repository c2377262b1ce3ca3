//! The real `wal-g`, where it is on the PATH.

use std::io::Write as _;
use std::path::PathBuf;

use flotilla_native::account::Account;
use flotilla_tests::{Fleet, Run};

use super::source::KEY;

/// How an archive is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) codec: &'static str,
    pub(crate) encrypted: bool,
}

/// Every layout that both sides write.
pub(crate) const LAYOUTS: [Layout; 4] = [
    Layout { codec: "lz4", encrypted: false },
    Layout { codec: "lz4", encrypted: true },
    Layout { codec: "zstd", encrypted: false },
    Layout { codec: "zstd", encrypted: true },
];

impl Layout {
    /// The lines of `[archive]`.
    pub(crate) fn settings(self, fleet: &Fleet) -> String {
        let encryption = if self.encrypted {
            format!("encryption = \"libsodium\"\nkey_file = \"{}\"\n", fleet.path().join("operator/key").display())
        } else {
            "encryption = \"none\"\n".to_owned()
        };
        format!("compression = \"{}\"\n{encryption}", self.codec)
    }
}

/// Where `wal-g` is. Says so where it isn't: then nothing is proven.
pub(crate) fn program() -> Option<PathBuf> {
    let path = flotilla::env::var("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("wal-g")).find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no wal-g on the PATH, so nothing was proven about it");
    }
    found
}

/// A run of `wal-g` on the archive of a shard, as the servers' account.
pub(crate) fn run(fleet: &Fleet, shard: usize, layout: Layout, args: &[&str]) -> Run {
    let server = fleet.primary(shard);
    let run = fleet.program_as_operator(&program().unwrap(), args);
    let run = run
        .env("WALG_FILE_PREFIX", fleet.path().join("archive").join(&fleet.shards[shard].name))
        .env("WALG_COMPRESSION_METHOD", layout.codec)
        .env("WALG_DELTA_MAX_STEPS", "6")
        .env("PGHOST", server.socket_folder())
        .env("PGPORT", server.port().to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", "postgres");
    if layout.encrypted { run.env("WALG_LIBSODIUM_KEY", KEY) } else { run }
}

/// What a server archives with by WAL-G, into a folder that it makes.
pub(crate) fn archive_command(fleet: &Fleet, shard: usize, layout: Layout) -> String {
    let store = fleet.path().join("archive").join(&fleet.shards[shard].name);
    Account::server().and_then(|account| account.private_folder(&store)).expect("a folder of the servers");
    let key = if layout.encrypted { format!("WALG_LIBSODIUM_KEY={KEY} ") } else { String::new() };
    format!(
        "env {key}WALG_FILE_PREFIX={} WALG_COMPRESSION_METHOD={} {} wal-push %p",
        store.display(),
        layout.codec,
        program().expect("wal-g").display()
    )
}
