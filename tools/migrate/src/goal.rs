//! Flags that decide which migrations are pending.

use clap::Args as ClapArgs;
use flotilla::error::Result;

use flotilla::migrations::state::{Goal, IgnorePattern, Rules};

/// How far to go, and what to let pass.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct GoalArgs {
    /// Version to stop at, or `next`, `current`, `latest`; `V?` may be missing
    #[arg(long, value_name = "VERSION", default_value = "latest", value_parser = goal)]
    to: Goal,
    /// Apply versions older than the latest applied one as well
    #[arg(long)]
    out_of_order: bool,
    /// Let validation pass `kind:state`, such as *:missing; may be repeated
    #[arg(long = "ignore", value_name = "PATTERN", default_value = "*:future", hide_short_help = true)]
    ignore: Vec<IgnorePattern>,
}

impl GoalArgs {
    /// The rules for what is pending.
    pub(crate) fn rules(&self) -> Rules {
        Rules { goal: self.to.clone(), out_of_order: self.out_of_order }
    }

    /// What validation lets pass.
    pub(crate) fn ignored(&self) -> &[IgnorePattern] {
        &self.ignore
    }
}

fn goal(text: &str) -> Result<Goal> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "latest" => Goal::Latest,
        "current" => Goal::Current,
        "next" => Goal::Next,
        _ => match text.strip_suffix('?') {
            Some(version) => Goal::Version(version.parse()?, true),
            None => Goal::Version(text.parse()?, false),
        },
    })
}
