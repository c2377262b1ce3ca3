//! What a login depends on besides the connection string: variables, home and account.

use std::fs;
use std::path::PathBuf;

use crate::env;
use crate::error::{Error, Result};

/// The process's surroundings, or a test's.
pub(super) struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    home: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// The process's own.
    pub(super) fn process() -> Surroundings<'static> {
        Surroundings { variable: &env::var, home: env::home() }
    }

    /// Made up.
    pub(super) fn made_up(variable: &dyn Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Surroundings<'_> {
        Surroundings { variable, home }
    }

    pub(super) fn var(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    pub(super) fn home(&self) -> Option<&PathBuf> {
        self.home.as_ref()
    }
}

/// The name of the account that the process runs as; libpq's default user.
pub(super) fn account() -> Result<String> {
    let uid = rustix::process::geteuid().as_raw();
    account_name(uid).ok_or_else(|| {
        Error::config(format!("could not look up local user ID {uid}"))
            .hint("Say which database user to log in as: user= or PGUSER.")
    })
}

/// The account's name in /etc/passwd. Accounts that only a directory service knows aren't found;
/// callers treat that as "not known", never as a match.
pub(super) fn account_name(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_is_known() {
        assert_eq!(super::account_name(0).as_deref(), Some("root"));
        assert_eq!(super::account_name(4_000_000_000), None);
    }
}
