//! SYNOPSIS and OPTIONS of a command, from its clap definition.

use anyhow::Result;
use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use roff::{Inline, Roff, bold, italic, roman};

use crate::typeset::unmarked;

/// Which of a command's options to describe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that only it has.
    Own,
    /// Those that every tool has.
    Global,
}

/// Whether every tool has it.
pub(crate) fn is_global(arg: &Arg) -> bool {
    arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version")
}

/// The options as `clap_mangen` describes them, without their heading; `None` where there are none.
pub(crate) fn described(command: &Command, which: Which) -> Result<Option<String>> {
    let wanted = |arg: &Arg| !arg.is_hide_set() && is_global(arg) == (which == Which::Global);
    if !command.get_arguments().any(wanted) {
        return Ok(None);
    }
    let command = command.clone().mut_args(|arg| {
        let (hide, text) = (!wanted(&arg), explained(&arg));
        // clap_mangen leaves out the text of what the short help doesn't show, and its list of
        // possible values is one that mandoc warns about.
        arg.hide(hide).hide_short_help(false).hide_possible_values(true).help_heading(None::<&str>).long_help(text)
    });
    let mut text = Vec::new();
    Man::new(command).render_options_section(&mut text)?;
    let text = String::from_utf8(text)?;
    let preamble = Roff::new().render();
    let body = text.strip_prefix(&preamble).and_then(|t| t.strip_prefix(".SH OPTIONS\n"));
    Ok(Some(body.unwrap_or(&text).to_owned()))
}

/// The long help, with what each possible value means.
fn explained(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let values = arg.get_possible_values();
    let takes = arg.get_action().takes_values() && !values.is_empty();
    let named = values.iter().map(|value| match value.get_help() {
        Some(meaning) => format!("{} ({meaning})", value.get_name()),
        None => value.get_name().to_owned(),
    });
    let named = named.collect::<Vec<_>>().join(", ");
    unmarked(&if takes { format!("{help}. Values: {named}") } else { help })
}

/// The call, with its own options and operands.
pub(crate) fn synopsis(command: &Command) -> Roff {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = vec![bold(name)];
    if command.has_subcommands() {
        line.extend([roman(" "), italic("verb")]);
    }
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set() && !is_global(arg));
    for arg in shown().filter(|arg| !arg.is_positional() && arg.is_required_set()) {
        line.push(roman(" "));
        line.extend(option(arg));
    }
    for arg in shown().filter(|arg| !arg.is_positional() && !arg.is_required_set()) {
        line.push(roman(" ["));
        line.extend(option(arg));
        line.push(roman("]"));
    }
    line.extend([roman(" ["), italic("global options"), roman("]")]);
    for arg in command.get_positionals().filter(|arg| !arg.is_hide_set()) {
        let many = if matches!(arg.get_action(), ArgAction::Append) { " ..." } else { "" };
        let (open, close) = if arg.is_required_set() { (" ", "") } else { (" [", "]") };
        line.extend([roman(open), italic(value(arg)), roman(format!("{many}{close}"))]);
    }
    let mut roff = Roff::new();
    roff.text(line);
    roff
}

fn option(arg: &Arg) -> Vec<Inline> {
    let flag = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let mut parts = vec![bold(flag)];
    if arg.get_action().takes_values() {
        let optional = arg.get_num_args().is_some_and(|n| n.min_values() == 0);
        let (before, after) = match (optional, arg.is_require_equals_set()) {
            (true, true) => ("[=", "]"),
            (true, false) => (" [", "]"),
            (false, true) => ("=", ""),
            (false, false) => (" ", ""),
        };
        parts.push(roman(before));
        parts.extend(choices(arg).unwrap_or_else(|| vec![italic(value(arg))]));
        parts.push(roman(after));
    }
    if matches!(arg.get_action(), ArgAction::Append) {
        parts.push(roman(" ..."));
    }
    parts
}

/// The values themselves, where they are few: `key|id`.
fn choices(arg: &Arg) -> Option<Vec<Inline>> {
    let values = arg.get_possible_values();
    if values.is_empty() || values.len() > 3 {
        return None;
    }
    let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
    Some(vec![bold(names.join("|"))])
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.join(" "));
    names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}
