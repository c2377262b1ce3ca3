//! Exit codes: one table for every tool.
//!
//! A run touches many targets and ends with one code. [`Exit::worst`] says which one wins.

use std::process::ExitCode;

/// How a process ends. The order of the variants is the order in which the worse one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done, or there was nothing to do.
    #[default]
    Ok,
    /// 75: try later; a lock is held, or every target is unreachable.
    TryLater,
    /// 1: some target failed, or the answer to the question asked is no.
    Failed,
    /// 3: refused by a safety gate; nothing was touched.
    Refused,
    /// 2: usage, configuration or input error; nothing was touched.
    Usage,
    /// 70: a bug in the tool.
    Internal,
    /// 126: whoever called must stop. For a program that is called by PostgreSQL's recovery, which takes
    /// anything up to 125 for "there is no such file"; no other verb ends so.
    Stop,
}

/// One row of the exit-code table, as man pages and `docs/contract.md` print it.
#[derive(Clone, Copy, Debug)]
pub struct ExitRow {
    /// The code, or the codes, as printed.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The table of every code a tool can end with.
pub const TABLE: &[ExitRow] = &[
    ExitRow { code: "0", meaning: "done, or nothing to do" },
    ExitRow { code: "1", meaning: "some target failed, or the answer is no; the lines say which" },
    ExitRow { code: "2", meaning: "usage, configuration or input error; nothing was touched" },
    ExitRow { code: "3", meaning: "refused by a safety gate; nothing was touched" },
    ExitRow { code: "70", meaning: "internal error: a bug" },
    ExitRow { code: "75", meaning: "try later: a lock is held, or every target is unreachable" },
    ExitRow { code: "130, 143", meaning: "ended by SIGINT, by SIGTERM" },
];

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Internal => 70,
            Self::TryLater => 75,
            Self::Stop => 126,
        }
    }

    /// The worse of two: 70, 2, 3, 1, 75, 0 from worst to best.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_worst_wins_in_the_documented_order() {
        let order = [Exit::Internal, Exit::Usage, Exit::Refused, Exit::Failed, Exit::TryLater, Exit::Ok];
        for pair in order.windows(2) {
            assert_eq!(pair[0].worst(pair[1]), pair[0]);
            assert_eq!(pair[1].worst(pair[0]), pair[0]);
        }
    }
}
