//! The tools that are documented. A new tool is one more line in [`all`].

use clap::Command;
use flotilla::tool::Tool;
use flotilla::verb::Verb;

/// What a tool says about itself.
pub(crate) struct Documented {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its command line, complete: global flags stand in every verb.
    pub(crate) command: Command,
    /// Its verbs.
    pub(crate) verbs: &'static [Verb],
}

/// Every tool, in the order of the README.
pub(crate) fn all() -> Vec<Documented> {
    vec![
        Documented::of::<shardctl::Cli>(),
        Documented::of::<migrate::Cli>(),
        Documented::of::<walg_wrap::Cli>(),
        Documented::of::<pitr::Cli>(),
        Documented::of::<poolcfg::Cli>(),
        Documented::of::<healthcheck::Cli>(),
    ]
}

impl Documented {
    fn of<T: Tool>() -> Self {
        let mut command = T::command().disable_help_subcommand(true);
        command.build();
        Self { name: T::NAME, command, verbs: T::VERBS }
    }

    /// Every command that does something, with the words that call it: `key new`, not `key`.
    pub(crate) fn leaves(&self) -> Vec<Leaf<'_>> {
        let mut leaves = Vec::new();
        collect(&self.command, &[], &mut leaves);
        for leaf in &mut leaves {
            leaf.verbs = self.verbs.iter().filter(|v| plain(v.name) == leaf.words).collect();
        }
        leaves
    }
}

/// A command without commands below it.
pub(crate) struct Leaf<'a> {
    /// What follows the tool's name: `key new`.
    pub(crate) words: String,
    /// Its command line.
    pub(crate) command: &'a Command,
    /// Its verbs: `map` and `map --reconcile` are one command.
    pub(crate) verbs: Vec<&'a Verb>,
}

impl Leaf<'_> {
    /// What it does, as the help says.
    pub(crate) fn about(&self) -> String {
        self.command.get_about().map(ToString::to_string).unwrap_or_default()
    }
}

fn collect<'a>(command: &'a Command, above: &[&str], leaves: &mut Vec<Leaf<'a>>) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let words = [above, &[sub.get_name()]].concat();
        if sub.has_subcommands() {
            collect(sub, &words, leaves);
        } else {
            leaves.push(Leaf { words: words.join(" "), command: sub, verbs: Vec::new() });
        }
    }
}

/// A verb's name without the flag that makes it a verb of its own.
fn plain(name: &str) -> &str {
    name.split_once(" --").map_or(name, |(words, _)| words)
}
