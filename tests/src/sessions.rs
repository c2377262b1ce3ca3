//! A session that holds a lock, so that a tool hangs on the server until a test has looked at it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use flotilla_native::postgres::{Server, program};

use crate::wait::until;

/// A psql that holds a table's lock until it is dropped.
#[derive(Debug)]
pub struct Blocker {
    psql: Child,
    stdin: Option<ChildStdin>,
}

impl Blocker {
    /// Locks the table against everybody.
    pub fn lock(server: &Server, dbname: &str, table: &str) -> Self {
        Self::hold(server, dbname, table, "ACCESS EXCLUSIVE")
    }

    /// Reads the table in a transaction that stays open: whoever changes its definition waits.
    pub fn read(server: &Server, dbname: &str, table: &str) -> Self {
        Self::hold(server, dbname, table, "ACCESS SHARE")
    }

    /// Locks the table in a mode of its own.
    pub fn hold(server: &Server, dbname: &str, table: &str, mode: &str) -> Self {
        let mut command = Command::new(program("psql"));
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &server.conninfo(dbname)]).current_dir("/").env_clear();
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql starts");
        let mut stdin = psql.stdin.take().expect("a pipe");
        writeln!(stdin, "BEGIN; LOCK TABLE {table} IN {mode} MODE; SELECT 'held';").expect("psql reads");
        let mut line = String::new();
        let stdout = psql.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("psql writes");
        assert_eq!(line.trim_end(), "held", "the lock on {table}");
        Self { psql, stdin: Some(stdin) }
    }

    /// Waits until a tool's session waits for a lock on this server.
    pub fn wait_for_victim(server: &Server) {
        until("no tool waits for a lock", || (waiting(server) > 0).then_some(()));
    }

    /// Ends every tool's session on this server, as the loss of their machines would.
    pub fn end_tools(server: &Server) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'flotilla %'";
        server.sql(sql).expect("pg_stat_activity");
        until("a tool's session goes on", || {
            let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flotilla %'";
            (server.sql(left).expect("pg_stat_activity") == "0").then_some(())
        });
    }

    /// Waits until no tool's session is at work on this server any more.
    pub fn wait_for_none(server: &Server) {
        until("a tool's query goes on", || (waiting(server) == 0).then_some(()));
    }
}

fn waiting(server: &Server) -> usize {
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'flotilla %' AND wait_event_type = 'Lock'";
    server.sql(sql).expect("pg_stat_activity").parse().expect("a number")
}

impl Drop for Blocker {
    fn drop(&mut self) {
        // The end of its input ends psql, and its session the transaction.
        self.stdin = None;
        let _ = self.psql.wait();
    }
}
