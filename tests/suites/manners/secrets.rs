//! Secrets are nowhere but in the password file and on the wire: not in lines, not in diagnostics at
//! the loudest, not in what tools write, not in the servers' logs.

use flotilla_tests::{Fleet, PASSWORDS};

use super::rows::ROWS;
use super::{every, prepared};

/// What all planted passwords have in common.
const PLANTED: &str = "planted-Zx81";

#[test]
fn no_secret_is_in_output_or_log_or_file() {
    let fleet = prepared(Fleet::new().init().set("log_statement", "all").set("log_connections", "on").start());
    assert!(PASSWORDS.iter().all(|(_, password)| password.starts_with(PLANTED)));
    every(
        |_| true,
        |row| {
            let outcome = row.run_plus(&fleet, &["-vv"]).env("FLOTILLA_LOG", "trace").run().ok();
            for (stream, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
                for secret in [PLANTED, "SCRAM-SHA-256$"] {
                    let at = text.lines().find(|line| line.contains(secret));
                    assert!(at.is_none(), "{secret} on {stream}: {at:?}");
                }
            }
        },
    );
    for (path, text) in fleet.written() {
        assert!(!text.contains(PLANTED) && !text.contains("SCRAM-SHA-256$"), "{}", path.display());
    }
    for shard in &fleet.shards {
        let log = shard.nodes[0].server.log();
        assert!(log.contains("connection authorized"), "the log holds what it was told to");
        assert!(!log.contains(PLANTED), "{} of {}", PLANTED, shard.name);
    }
}

/// A verifier in a server's log can be tried against guesses at leisure.
#[test]
fn init_keeps_verifiers_out_of_the_servers_log() {
    let fleet = Fleet::new().shards(1).init().set("log_statement", "all").start();
    let log = fleet.primary(0).log();
    let leaked = log.lines().find(|line| line.contains("SCRAM-SHA-256$4096"));
    assert!(leaked.is_none(), "{leaked:?}");
    let stored = fleet.sql(0, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'app'");
    assert_eq!(stored, "t");
}

/// A refused login names the role, never what was tried.
#[test]
fn a_wrong_password_is_not_shown() {
    let fleet = Fleet::new().shards(1).init().start();
    let file = fleet.file("wrong", format!("*:*:*:*:{PLANTED}-wrong\n"));
    let run = fleet.shardctl(["sql", "--all", "SELECT 1", "-vv"]).env("FLOTILLA_LOG", "trace").env("PGPASSFILE", file);
    let outcome = run.run().code_is(1);
    assert!(!outcome.stdout.contains(PLANTED) && !outcome.stderr.contains(PLANTED), "{}", outcome.transcript());
    assert_eq!(outcome.line("s0")["error"]["code"], "auth_failed");
}

/// No flag takes a password: it would stand in `ps` and in the shell's history.
#[test]
fn no_flag_takes_a_secret() {
    let fleet = Fleet::new().shards(0).start();
    for row in ROWS {
        let help = row.with(&fleet, &["--help"]).run().ok().stdout.to_lowercase();
        for word in ["--password", "--token", "--secret", "--dsn", "--url"] {
            // A file that holds one is no secret.
            let taken = help.match_indices(word).any(|(at, _)| !help[at + word.len()..].starts_with("-file"));
            assert!(!taken, "{row} has {word}");
        }
    }
}
