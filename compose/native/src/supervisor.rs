//! Supervision by runit: one service folder per member, one runsvdir per stack.
//!
//! runit keeps no state that a crash could spoil: a service is a folder, a running one holds a lock
//! in it. Every process of the stack carries a mark in its environment, by which it is found again
//! even when its supervisor has been killed.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flotilla::{Code, Error, Result};
use rustix::fs::OFlags;
use rustix::process::Signal;

use crate::change::{self, Change};
use crate::files::{self, File, Owner};
use crate::parts::{Launch, Member, Need, Part};
use crate::plan::{Plan, text};
use crate::postgres;
use crate::process::{self, Identity, wait_until};
use crate::stack::Stack;

/// The variable that marks every process of a stack.
const MARK: &str = "FLOTILLA_STACK_MARK";
/// Clients, log files and sockets: more than the usual 1024.
const OPEN_FILES: u32 = 16384;

/// The programs that supervision itself needs.
pub fn needs() -> Vec<Need> {
    ["/usr/bin/runsvdir", "/usr/bin/sv", "/usr/bin/svlogd"]
        .into_iter()
        .map(|program| Need { program: PathBuf::from(program), package: "runit" })
        .chain([
            Need { program: PathBuf::from("/usr/bin/setsid"), package: "util-linux" },
            Need { program: PathBuf::from("/usr/bin/tini"), package: "tini" },
        ])
        .collect()
}

/// The supervisor of one stack.
#[derive(Debug)]
pub struct Supervisor<'a> {
    plan: &'a Plan,
    mark: String,
    programs: Vec<PathBuf>,
}

impl<'a> Supervisor<'a> {
    /// The supervisor of the stack with this mark.
    pub fn new(plan: &'a Plan, mark: &str) -> Self {
        let mut programs = vec![postgres::program("postgres")];
        for (part, member) in Stack::members(plan) {
            let launch = part.command(plan, &member).ok();
            // The file behind a link is what /proc shows.
            let program = launch.and_then(|launch| fs::canonicalize(launch.argv.first()?).ok());
            programs.extend(program);
        }
        Self { plan, mark: format!("{MARK}={mark}"), programs }
    }

    /// Writes a member's service folder; true when anything changed.
    pub fn define(&self, member: &Member, launch: &Launch) -> Result<bool> {
        let name = &member.name;
        let words: Vec<String> = launch.argv.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "#!/bin/sh\n# Written by stack; run by runsv, which starts it again when it ends.\nexec 2>&1\n\
             ulimit -n {OPEN_FILES} 2>/dev/null || ulimit -n \"$(ulimit -H -n)\"\n\
             cd '{}'\nexec {}\n",
            text(&self.plan.data(name))?,
            words.join(" ")
        );
        let log = self.plan.log(name);
        let logger = format!("#!/bin/sh\nexec svlogd -tt '{}'\n", text(&log)?);
        let service = self.folder(name);
        for folder in [&service, &service.join("log"), &log] {
            files::folder(self.plan, folder, Owner::Servers, 0o755)?;
        }
        if !service.join("run").exists() {
            // A running supervisor would start it as soon as it sees it; `up` says when.
            self.keep_down(&[member])?;
        }
        let run = File::new(service.join("run"), script).owner(Owner::Servers).program();
        let log_run = File::new(service.join("log/run"), logger).owner(Owner::Servers).program();
        // Ten files of ten megabytes for each member.
        let rotation = File::new(log.join("config"), "s10000000\nn10\n").owner(Owner::Servers);
        let mut changed = false;
        for file in [run, log_run, rotation] {
            changed |= file.write_for(self.plan, name)?;
        }
        Ok(changed)
    }

    /// The running runsvdir of this stack.
    pub fn running(&self) -> Option<Identity> {
        let supervises = |process: &Identity| process.program().is_some_and(|program| program.ends_with("runsvdir"));
        self.processes().into_iter().find(supervises)
    }

    /// Every process of this stack, however it came about.
    ///
    /// Some write a title over their environment, PostgreSQL's workers do; they are known as
    /// programs of the stack that work in one of its data folders.
    pub fn processes(&self) -> Vec<Identity> {
        let data = self.plan.state.join("data");
        let works_there = |process: &Identity| {
            process.folder().is_some_and(|folder| folder.starts_with(&data))
                && process.program().is_some_and(|program| self.programs.contains(&program))
        };
        let ours = |process: &Identity| process.has_variable(&self.mark) || works_there(process);
        process::all().into_iter().filter(ours).collect()
    }

    /// Starts runsvdir, detached from this process, with every service still down.
    pub fn start(&self, members: &[Member]) -> Result<()> {
        // runit starts what isn't marked as down; `up` starts them in order instead.
        self.keep_down(&members.iter().collect::<Vec<_>>())?;
        let services = self.plan.state.join("service");
        let log = self.plan.log("supervisor").join("current");
        let open = || fs::OpenOptions::new().create(true).append(true).open(&log);
        let output = open().and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) =
            output.map_err(|e| Error::new(Code::Io, format!("could not open {}", log.display())).source(e))?;
        let mut command = Command::new("/usr/bin/setsid");
        // Patroni waits for a postmaster that isn't its child until somebody has reaped it, and looks once a second.
        // Not every first process of a machine reaps at once; tini does, as the parent of all that is left alone.
        command.args(["/usr/bin/tini", "-s", "--", "/usr/bin/runsvdir", "-P"]).arg(&services);
        command.current_dir(&self.plan.state);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", &self.plan.servers.home);
        let (name, value) = self.mark.split_once('=').unwrap_or((MARK, ""));
        command.env(name, value).stdin(Stdio::null()).stdout(out).stderr(err);
        let failed = |e: std::io::Error| {
            let (account, state) = (&self.plan.servers.name, self.plan.state.display());
            let hint =
                format!("\"{account}\" must be let through the folders above {state}; FLOTILLA_STATE names another.");
            Error::new(Code::NotFound, "could not start runsvdir").hint(hint).source(e)
        };
        self.plan.servers.run(&mut command).spawn().map_err(failed)?;
        let ready = |member: &Member| {
            let service = self.folder(&member.name);
            is_supervised(&service) && is_supervised(&service.join("log"))
        };
        let all = wait_until(Duration::from_secs(20), Duration::from_millis(20), || members.iter().all(ready));
        if all && self.running().is_some() {
            return Ok(());
        }
        Err(Error::new(Code::Unreachable, "the supervisor did not start")
            .hint(format!("See {} for what it said.", log.display())))
    }

    /// Starts members and lets runit keep them up from now on; true when one was down.
    pub fn up(&self, members: &[&Member]) -> Result<bool> {
        let down: Vec<&Member> = members.iter().copied().filter(|member| !self.is_up(member)).collect();
        for member in &down {
            // What starts reads its files as they are now.
            change::done(self.plan, &member.name)?;
        }
        if !down.is_empty() {
            // A supervisor that runs looks for new services every five seconds.
            let seen = || down.iter().all(|member| is_supervised(&self.folder(&member.name)));
            wait_until(Duration::from_secs(20), Duration::from_millis(20), seen);
            self.sv(&["up"], &down)?;
        }
        for member in members {
            let mark = self.folder(&member.name).join("down");
            if mark.exists() {
                fs::remove_file(&mark).map_err(|e| Error::new(Code::Io, "could not start a service").source(e))?;
            }
        }
        Ok(!down.is_empty())
    }

    /// Asks members to stop and waits; those that don't are killed.
    pub fn down(&self, members: &[&Member]) -> Result<()> {
        let there: Vec<&Member> =
            members.iter().copied().filter(|member| is_supervised(&self.folder(&member.name))).collect();
        let Some(patience) = there.iter().map(|member| member.patience.as_secs()).max() else { return Ok(()) };
        // force-stop: stop, wait, and kill what hasn't stopped by then.
        self.sv(&["-w", &patience.to_string(), "force-stop"], &there).map(drop)
    }

    /// Makes a running member take its changed files.
    pub fn take(&self, part: &dyn Part, member: &Member, change: Change) -> Result<()> {
        match change {
            Change::None => Ok(()),
            Change::Reload => self.sv(&[part.reload_by()], &[member]),
            Change::Restart => {
                self.down(&[member])?;
                // The logger's own files may be among those that have changed.
                self.sv_on(&["restart"], &[self.folder(&member.name).join("log")])?;
                self.sv(&["up"], &[member])
            }
        }
    }

    /// Ends members as a power failure would: no process of theirs gets to do anything more. They
    /// stay down until they are started again.
    pub fn kill(&self, members: &[&Member]) -> Result<()> {
        self.keep_down(members)?;
        self.once(members)?;
        wait_until(Duration::from_secs(10), Duration::from_millis(20), || {
            let left: Vec<Identity> = members.iter().flat_map(|member| self.at_work(member)).collect();
            for process in &left {
                process.signal(Signal::KILL);
            }
            left.is_empty()
        });
        Ok(())
    }

    /// Lets runsv not start them again when they end.
    pub(crate) fn once(&self, members: &[&Member]) -> Result<()> {
        self.sv(&["once"], members)
    }

    /// Every process of a member, without those that supervise it.
    pub(crate) fn at_work(&self, member: &Member) -> Vec<Identity> {
        let data = self.plan.data(&member.name);
        let works_there = |p: &Identity| p.folder().is_some_and(|folder| folder.starts_with(&data));
        self.processes().into_iter().filter(works_there).collect()
    }

    /// The process that runsv has started for a member: Patroni, where that starts PostgreSQL.
    pub(crate) fn started(&self, member: &Member) -> Option<Identity> {
        let pid = files::read_if_there(&self.folder(&member.name).join("supervise/pid")).ok().flatten()?;
        pid.trim().parse().ok().and_then(Identity::of)
    }

    /// Marks members so that no supervisor starts them by itself.
    pub fn keep_down(&self, members: &[&Member]) -> Result<()> {
        for member in members {
            File::new(self.folder(&member.name).join("down"), "").owner(Owner::Servers).write(self.plan)?;
        }
        Ok(())
    }

    /// Ends runsvdir and whatever else is left of the stack.
    pub fn end(&self) -> Result<()> {
        if let Some(runsvdir) = self.running() {
            // HUP: it tells every runsv to stop its service and end, then ends itself.
            runsvdir.signal(Signal::HUP);
        }
        let gone = |seconds| {
            wait_until(Duration::from_secs(seconds), Duration::from_millis(50), || self.processes().is_empty())
        };
        if gone(10) {
            return Ok(());
        }
        // What outlived a killed supervisor: first politely, postmasters by the signal for "fast".
        for signal in [Signal::INT, Signal::TERM, Signal::QUIT, Signal::KILL] {
            for process in self.leaders() {
                process.signal(signal);
            }
            if gone(10) {
                return Ok(());
            }
        }
        Err(Error::new(Code::Timeout, format!("{} processes of the stack don't end", self.processes().len()))
            .hint("Look at them with `ps`; a process in state D waits for a disk."))
    }

    /// The stack's processes without servers' own workers, which end with the server.
    fn leaders(&self) -> Vec<Identity> {
        let all = self.processes();
        let worker = |process: &Identity| {
            let parent = all.iter().find(|other| other.pid == process.parent());
            parent.is_some_and(|parent| parent.program() == process.program())
        };
        let leaders: Vec<Identity> = all.iter().copied().filter(|process| !worker(process)).collect();
        if leaders.is_empty() { all } else { leaders }
    }

    /// Whether runit runs the member at present.
    pub fn is_up(&self, member: &Member) -> bool {
        let service = self.folder(&member.name);
        let state = files::read_if_there(&service.join("supervise/stat")).ok().flatten();
        is_supervised(&service) && state.is_some_and(|state| state.starts_with("run"))
    }

    fn sv(&self, verb: &[&str], members: &[&Member]) -> Result<()> {
        self.sv_on(verb, &members.iter().map(|member| self.folder(&member.name)).collect::<Vec<_>>())
    }

    fn sv_on(&self, verb: &[&str], services: &[PathBuf]) -> Result<()> {
        let mut command = Command::new("/usr/bin/sv");
        command.args(verb).args(services);
        let output = self.plan.servers.run(command.current_dir("/")).output();
        let output =
            output.map_err(|e| Error::new(Code::NotFound, "could not run sv").hint("Install runit.").source(e))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Err(Error::new(Code::Unreachable, format!("sv {} failed", verb.join(" "))).source(said))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.plan.state.join("service").join(name)
    }
}

/// Whether a runsv watches over the service: it holds the reading end of this pipe. The files that it
/// leaves behind when it is killed say nothing.
fn is_supervised(service: &Path) -> bool {
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    fs::OpenOptions::new().write(true).custom_flags(without_waiting).open(service.join("supervise/ok")).is_ok()
}

/// The last lines of a member's log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log.join("current")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
