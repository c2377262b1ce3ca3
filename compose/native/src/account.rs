//! The operating-system accounts that servers run as and that files belong to.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use flotilla::{Code, Error, Result};

/// The account that Debian's packages make and that servers run as under root.
pub const SERVER_ACCOUNT: &str = "postgres";

/// A user of the operating system, with its primary group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// The home folder.
    pub home: String,
}

impl Account {
    /// Whoever runs this process.
    pub fn caller() -> Result<Self> {
        static CALLER: OnceLock<Account> = OnceLock::new();
        Self::once(&CALLER, &rustix::process::geteuid().as_raw().to_string())
    }

    /// Who servers run as: PostgreSQL refuses root, so root hands over to Debian's `postgres`.
    pub fn server() -> Result<Self> {
        static SERVER: OnceLock<Account> = OnceLock::new();
        if rustix::process::geteuid().is_root() { Self::once(&SERVER, SERVER_ACCOUNT) } else { Self::caller() }
    }

    /// An account that is asked for again and again, and doesn't change while a process runs.
    fn once(known: &OnceLock<Self>, name: &str) -> Result<Self> {
        if let Some(account) = known.get() {
            return Ok(account.clone());
        }
        let account = Self::lookup(name)?;
        Ok(known.get_or_init(|| account).clone())
    }

    /// The account with this name or number, as the name service knows it.
    pub fn lookup(name: &str) -> Result<Self> {
        let output = Command::new("getent").args(["passwd", name]).output().map_err(|source| {
            Error::new(Code::NotFound, "could not run \"getent\"").hint("Install libc-bin.").source(source)
        })?;
        parse_passwd(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
            Error::new(Code::NotFound, format!("there is no operating-system account \"{name}\""))
                .hint("Install postgresql-15, which makes the account \"postgres\", or run as another user than root.")
        })
    }

    /// Whether this process may give files and processes to the account.
    fn is_caller(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.uid
    }

    /// Makes the command run as this account.
    pub fn run<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if self.is_caller() { command } else { command.uid(self.uid).gid(self.gid) }
    }

    /// Gives a file or folder to this account.
    pub fn own(&self, path: &Path) -> Result<()> {
        if self.is_caller() {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).map_err(|source| {
            Error::new(Code::Io, format!("could not give {} to \"{}\"", path.display(), self.name)).source(source)
        })
    }

    /// Writes a file that belongs to this account.
    pub fn write(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text)
            .map_err(|source| Error::new(Code::Io, format!("could not write {}", path.display())).source(source))?;
        self.own(path)
    }

    /// Makes a folder that only this account may enter; an existing one is kept.
    pub fn private_folder(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(path);
        made.map_err(|source| {
            Error::new(Code::Io, format!("could not make the folder {}", path.display())).source(source)
        })?;
        self.own(path)
    }
}

/// Reads one line of `passwd(5)`.
fn parse_passwd(line: &str) -> Option<Account> {
    let mut fields = line.trim_end().split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1)?.to_owned();
    Some(Account { name, uid, gid, home })
}

#[cfg(test)]
mod tests {
    use super::parse_passwd;

    #[test]
    fn reads_a_passwd_line() {
        let account = parse_passwd("postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n")
            .expect("a whole line");
        assert_eq!(
            (account.name.as_str(), account.uid, account.gid, account.home.as_str()),
            ("postgres", 101, 104, "/var/lib/postgresql")
        );
        assert!(parse_passwd("").is_none());
        assert!(parse_passwd("a:x:notanumber:1::/:").is_none());
    }
}
