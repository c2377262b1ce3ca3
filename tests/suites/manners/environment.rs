//! What a crontab or a service manager leaves of the environment: nothing, or no home.

use std::fs;
use std::path::{Path, PathBuf};

use flotilla_tests::{Fleet, Run};

use super::rows::Row;
use super::{every, prepared};

/// A fleet that needs no password file (which `healthcheck audit` rightly finds unsafe), of a cluster that only this test knows: without its variables a
/// tool keeps locks and maps where the whole machine does.
struct Lone {
    fleet: Fleet,
    name: String,
}

impl Lone {
    fn start(what: &str) -> Self {
        let name = format!("test-{what}-{}", std::process::id());
        Self { fleet: prepared(Fleet::new().named(&name).trusting().init().start()), name }
    }

    /// The run that succeeds, with its topology as a flag.
    fn run(&self, row: &Row) -> Run {
        let config = self.fleet.path().join(if row.pools { "pools.toml" } else { "flotilla.toml" });
        let config = config.display().to_string();
        row.run_plus(&self.fleet, &["--config", &config])
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        let user = rustix::process::geteuid();
        let own = PathBuf::from(format!("/tmp/flotilla-{}", user.as_raw()));
        let folders =
            if user.is_root() { vec![PathBuf::from("/run/flotilla"), "/var/lib/flotilla".into()] } else { vec![own] };
        let names = [format!("shardctl-{}.lock", self.name), format!("map-{}.json", self.name)];
        for path in folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))) {
            let _ = fs::remove_file(path);
        }
    }
}

#[test]
fn an_empty_environment() {
    let lone = Lone::start("bare");
    // What is changed would be told to the machine's own journal, so only what changes nothing is run.
    every(
        |row| (!row.changes() || row.ensures) && row.verb != "audit",
        |row| {
            let outcome = lone.run(row).bare().run().ok();
            assert!(!outcome.stderr.contains("panicked"), "{}", outcome.transcript());
        },
    );
}

#[test]
fn no_home() {
    let lone = Lone::start("homeless");
    every(
        |row| (!row.changes() || row.ensures) && row.verb != "audit",
        |row| {
            let run =
                ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"].iter().fold(lone.run(row), |run, name| run.without(name));
            run.run().ok();
        },
    );
}

/// A home that can't be written costs the kept map and the journal's file, not the run.
#[test]
fn a_home_that_is_a_file() {
    let fleet = super::fleet();
    let file = fleet.file("not-a-folder", "");
    every(
        |_| true,
        |row| {
            let nowhere = Path::new(&file).join("below");
            row.run(&fleet)
                .env("HOME", &nowhere)
                .env("XDG_STATE_HOME", &nowhere)
                .env("XDG_CONFIG_HOME", &nowhere)
                .run()
                .ok();
        },
    );
}
