//! The generated parts of `docs/contract.md`: what stands between two markers is replaced.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use clap::Arg;
use flotilla::exit;

use crate::fields::{self, Field};
use crate::options::is_global;
use crate::records;
use crate::tools::Documented;

/// Where the contract lies.
pub(crate) const PATH: &str = "docs/contract.md";

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end generated -->";

/// The frame with every generated part filled in.
pub(crate) fn fill(frame: &str, tools: &[Documented]) -> Result<String> {
    let mut text = String::new();
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").with_context(|| format!("{PATH}: a marker isn't closed"))?;
        let (_, after) = after.split_once(END).with_context(|| format!("{PATH}: part \"{name}\" has no end"))?;
        let _ = write!(text, "{before}{BEGIN}{name} -->\n{}{END}", part(name, tools)?);
        rest = after;
    }
    Ok(text + rest)
}

fn part(name: &str, tools: &[Documented]) -> Result<String> {
    let every = records::all(tools);
    let any = every.first().context("there are no records")?;
    match name {
        "head" => Ok(table(&fields::shared(any)?)),
        "error" => Ok(table(&fields::of_definition(any, "ErrorRecord")?)),
        "statuses" => words(any, "Status"),
        "error codes" => words(any, "Code"),
        "exit codes" => Ok(exit_codes()),
        "options" => options(tools),
        "records" => record_tables(tools),
        other => bail!("{PATH}: there is no generated part \"{other}\""),
    }
}

fn table(fields: &[Field]) -> String {
    let mut text = String::from("| key | type | meaning |\n| --- | --- | --- |\n");
    for field in fields {
        let _ = writeln!(text, "| `{}` | {} | {} |", field.name, cell(&field.kind), cell(&field.meaning));
    }
    text
}

fn words(record: &flotilla::record::RecordInfo, name: &str) -> Result<String> {
    let mut text = String::from("| value | meaning |\n| --- | --- |\n");
    for word in fields::words(record, name)? {
        let _ = writeln!(text, "| `{}` | {} |", word.name, cell(&word.meaning));
    }
    Ok(text)
}

fn exit_codes() -> String {
    let mut text = String::from("| code | meaning |\n| --- | --- |\n");
    for row in exit::TABLE {
        let _ = writeln!(text, "| {} | {} |", row.code, cell(row.meaning));
    }
    text
}

fn options(tools: &[Documented]) -> Result<String> {
    let tool = tools.first().context("there are no tools")?;
    let mut text = String::from("| option | variable | meaning |\n| --- | --- | --- |\n");
    for arg in tool.command.get_arguments().filter(|arg| is_global(arg) && !arg.is_hide_set()) {
        let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let _ = writeln!(text, "| {} | {variable} | {} |", flag(arg), cell(&meaning(arg)));
    }
    Ok(text)
}

fn flag(arg: &Arg) -> String {
    let short = arg.get_short().map(|c| format!("-{c}"));
    let long = arg.get_long().map(|name| format!("--{name}"));
    let mut text = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if arg.get_action().takes_values() {
        let names = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
        let _ = write!(text, " {names}");
    }
    format!("`{text}`")
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = help.trim_end_matches(" (see more with '--help')").to_owned();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " (default `{}`)", defaults.join(","));
    }
    text
}

fn record_tables(tools: &[Documented]) -> Result<String> {
    let mut text = String::new();
    for record in records::all(tools) {
        let writers: Vec<String> = records::writers(tools, &record).iter().map(|w| format!("`{w}`")).collect();
        let own = fields::own(&record)?;
        let _ = write!(text, "### `{}`\n\nWritten by {}.\n\n{}\n", record.id(), writers.join(", "), table(&own));
    }
    text.truncate(text.trim_end().len());
    Ok(text + "\n")
}

/// Text that can stand between two bars.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn parts_are_replaced_and_the_frame_is_kept() {
        let frame = "a\n<!-- generated: exit codes -->\nold\n<!-- end generated -->\nz\n";
        let tools = crate::tools::all();
        let once = fill(frame, &tools).expect("filled");
        assert!(once.starts_with("a\n<!-- generated: exit codes -->\n| code | meaning |\n"));
        assert!(once.ends_with("<!-- end generated -->\nz\n"));
        assert_eq!(fill(&once, &tools).expect("filled"), once);
    }

    /// Scripts match on codes: each stands in the contract, once, with what it means.
    #[test]
    fn the_contract_names_every_code_and_no_other() {
        let text = include_str!("../../docs/contract.md");
        let (_, table) = text.split_once("<!-- generated: error codes -->").expect("the table of codes");
        let (table, _) = table.split_once("<!-- end").expect("its end");
        let rows: Vec<(&str, &str)> =
            table.lines().filter_map(|row| row.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")).collect();
        let codes: Vec<String> = flotilla::Code::all()
            .iter()
            .map(|code| serde_json::to_value(code).expect("a code").as_str().expect("a word").to_owned())
            .collect();
        assert_eq!(rows.iter().map(|(code, _)| *code).collect::<Vec<_>>(), codes);
        assert!(rows.iter().all(|(_, meaning)| meaning.ends_with('.')), "{rows:?}");
    }

    #[test]
    fn an_unknown_part_is_refused() {
        let frame = "<!-- generated: nonsense -->\n<!-- end generated -->\n";
        assert!(fill(frame, &crate::tools::all()).is_err());
    }
}
