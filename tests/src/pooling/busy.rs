//! Clients that are at work all the time.

use rustix::process::Signal;

use super::Pooling;
use crate::run::Running;
use crate::wait::until;

/// Clients of pgbench that work through the pooler until they are told to end.
#[derive(Debug)]
pub struct Busy(Running);

impl Pooling {
    /// So many clients of the application's run this statement over and over; all of them are at work now.
    pub fn busy(&self, clients: usize, statement: &str) -> Busy {
        self.fleet.file("work.sql", format!("{statement};\n"));
        let line = format!(
            "export PGUSER=app PGDATABASE=s0 {}; exec {} -n -M simple -c {clients} -j 2 -T 600 -f work.sql",
            self.client(),
            flotilla_native::postgres::program("pgbench").display()
        );
        let busy = Busy(self.fleet.script(&line).start());
        let at_work = || {
            let pools = self.ask("SHOW POOLS").unwrap_or_default();
            let count =
                |row: &str| row.split('|').skip(2).take(2).filter_map(|n| n.parse::<usize>().ok()).sum::<usize>();
            pools.lines().any(|row| row.starts_with("s0|app|") && count(row) >= clients)
        };
        until("all clients work", || at_work().then_some(()));
        busy
    }
}

impl Busy {
    /// Has them end what they are at; none of them may have been told of a failure.
    #[track_caller]
    pub fn end(self) {
        // What pgbench sets its own alarm to when its time is up.
        self.0.signal(Signal::ALARM);
        let done = self.0.finish().ok();
        assert!(done.stdout.contains("number of failed transactions: 0 (0.000%)"), "{}", done.transcript());
        assert!(!done.stderr.contains("error") && !done.stderr.contains("aborted"), "{}", done.transcript());
    }
}
