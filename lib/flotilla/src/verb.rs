//! The verb: the unit that everything else is derived from.
//!
//! Each verb of each tool declares one [`Verb`]. The broken-pipe policy, the need for named
//! targets, `--schema`, the man pages, `docs/contract.md` and the manners suite read it from there.

use crate::record::RecordInfo;

/// What a verb does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Reads only. A closed pipe ends it quietly with 0.
    Reads,
    /// Changes something. A closed pipe lets the step in hand finish, starts no other, exits 1.
    Changes,
    /// Changes something that can't be brought back. Needs consent as well.
    Destroys,
}

/// Which targets a verb works on, and where their names may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The verb works on no targets; it doesn't read target lines.
    None,
    /// Targets from a pipe, `-t` or `--all`; none named on a terminal means all.
    Optional,
    /// Targets from a pipe, `-t` or `--all`; never guessed.
    Required,
}

/// One example of a verb's use.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The command line.
    pub line: &'static str,
    /// What it does, as a phrase.
    pub does: &'static str,
}

/// What a verb declares about itself.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// Its name on the command line. A flag that changes what the verb does to the world makes a verb
    /// of its own: `map` reads, `map --reconcile` changes.
    pub name: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// Where its targets come from.
    pub scope: Scope,
    /// Whether one run at a time goes on per cluster and machine; a second ends with 75.
    pub exclusive: bool,
    /// The records that it writes.
    pub records: &'static [RecordInfo],
    /// Examples for help and man page, the commonest first.
    pub examples: &'static [Example],
}

impl Verb {
    /// The commonest examples, as the end of `-h` shows them.
    pub fn help(&self) -> String {
        text(&self.examples[..self.examples.len().min(2)])
    }

    /// Every example, as the end of `--help` shows them.
    pub fn long_help(&self) -> String {
        text(self.examples)
    }
}

fn text(examples: &[Example]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("Examples:\n");
    for example in examples {
        let _ = writeln!(text, "  # {}\n  $ {}", example.does, example.line);
    }
    text
}
