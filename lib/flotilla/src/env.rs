//! The process environment, read in one place.
//!
//! An empty variable counts as unset, as in libpq and in most shells' `${VAR:-…}`. Clippy bans
//! `std::env::var` everywhere else, so that the list of variables a tool obeys can be found by
//! looking for the callers of this module.

use std::path::PathBuf;

/// The variable's value, or `None` when it is unset, empty or not Unicode.
#[expect(clippy::disallowed_methods, reason = "this module is the one home of the environment")]
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variable as a path, which need not be Unicode; `None` when it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "this module is the one home of the environment")]
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether the variable is set, but to nothing.
#[expect(clippy::disallowed_methods, reason = "this module is the one home of the environment")]
pub fn is_empty(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// The caller's home: `$HOME`, or what the account database says when that is unset, as under cron.
pub fn home() -> Option<PathBuf> {
    path("HOME").or_else(std::env::home_dir).filter(|home| !home.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_unset_is_none() {
        assert_eq!(super::var("FLOTILLA_SURELY_NOT_SET"), None);
        assert_eq!(super::path("FLOTILLA_SURELY_NOT_SET"), None);
        assert!(super::var("PATH").is_some());
    }
}
