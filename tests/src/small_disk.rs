//! A disk that becomes full: a file system in memory, mounted where a test alone sees it.

use std::cell::RefCell;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use flotilla_native::account::Account;

use crate::archiving::operators;
use crate::fleet::Fleet;
use crate::run::{Run, Running};
use crate::tool;
use crate::wait::until;

/// A small file system of the servers' account, in a mount namespace of its own. Gone with this.
#[derive(Debug)]
pub struct SmallDisk {
    /// The namespace's first process.
    holder: RefCell<Running>,
    pid: u32,
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one in the fleet's sandbox, with these options of tmpfs, such as `size=64m` or `nr_inodes=500`.
    pub fn mount(fleet: &Fleet, options: &str) -> Self {
        let account = Account::server().expect("the servers' account");
        let path = fleet.path().join("small");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).expect("a folder to mount on");
        account.own(&path).expect("a folder of the servers");
        let options = format!("{options},mode=0700,uid={},gid={}", account.uid, account.gid);
        // Who mounted it mounts it anew: a user who enters the namespace has none of the rights that its first process has.
        let script = r#"
            mount -t tmpfs -o "$1" small "$2"; echo mounted
            while read -r options; do mount -o "remount,$options" "$2"; echo remounted; done
        "#;
        // Without root's rights, the namespace of users gives those that mounting takes.
        let unshare: &[&str] = if rustix::process::geteuid().is_root() {
            &["--mount", "--propagation", "private"]
        } else {
            &["--user", "--map-current-user", "--keep-caps", "--mount", "--propagation", "private"]
        };
        let run = Run::new("unshare").args(unshare).args(["sh", "-euc", script, "sh", &options]).args([&path]);
        let holder = run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin_open().start();
        let pid = holder.pid();
        let disk = Self { holder: RefCell::new(holder), pid, path };
        disk.holder_says("mounted", 0);
        disk
    }

    /// Its folder, as programs on it see it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file on it, as this process can see it.
    pub fn seen(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.join(self.path.strip_prefix("/").expect("an absolute path")).join(name)
    }

    fn enter(&self) -> Run {
        let pid = self.pid.to_string();
        let run = Run::new("nsenter").args(["--target", &pid, "--mount"]);
        if rustix::process::geteuid().is_root() { run } else { run.args(["--user", "--preserve-credentials"]) }
    }

    /// Mounts it with other options.
    pub fn remount(&self, options: &str) {
        let before = self.holder.borrow().stdout_so_far().len();
        self.holder.borrow_mut().write(format!("{options}\n"));
        self.holder_says("remounted", before);
    }

    /// Waits until its first process has said this behind what it had said before.
    fn holder_says(&self, what: &str, before: usize) {
        until(&format!("the small disk is {what}"), || {
            let mut holder = self.holder.borrow_mut();
            assert!(!holder.has_ended(), "mounting failed: {}", holder.stderr_so_far());
            holder.stdout_so_far()[before..].contains(what).then_some(())
        });
    }

    /// A run of a tool that sees it, as the account that servers and operators share.
    pub fn as_operator(&self, fleet: &Fleet, tool: &str, args: &[&str]) -> Run {
        let account = Account::server().expect("the servers' account");
        let mut run = self.enter();
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (account.uid.to_string(), account.gid.to_string());
            run = run.args(["setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups", "--"]);
        }
        operators(fleet, run.args([tool::binary(tool)]).args(args))
    }
}
