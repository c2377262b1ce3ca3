//! The pages of sections 5 and 7, hand-written but for what the library knows better.

use anyhow::{Context as _, Result};
use roff::{Roff, bold, italic, roman};

use crate::fields;
use crate::options::{Which, described};
use crate::page::Page;
use crate::prose::Prose;
use crate::records;
use crate::tools::Documented;
use crate::typeset::{definition, markdown, phrase};

/// flotilla(7). A section whose text begins with `(generated)` is filled in here; the rest of its
/// text follows.
pub(crate) fn flotilla(tools: &[Documented], mut prose: Prose) -> Result<String> {
    let mut sections = prose.take("flotilla")?;
    let mut page = Page::new("flotilla", "7", "small tools for a sharded PostgreSQL fleet");
    while let Some((title, text)) = sections.next() {
        let Some(rest) = text.strip_prefix("(generated)") else {
            page.section(&title, &text)?;
            continue;
        };
        match title.as_str() {
            "TOOLS" => {
                page.heading(&title);
                page.append(&tool_list(tools)?);
            }
            "RECORDS" => {
                page.heading(&title);
                page.append(&shared_keys(tools)?);
            }
            "OPTIONS" => {
                page.heading(&title);
                let first = tools.first().context("there are no tools")?;
                page.append_rendered(&described(&first.command, Which::Global)?.unwrap_or_default());
            }
            "EXIT STATUS" => page.exit_status(None)?,
            other => anyhow::bail!("nothing generates the section {other} of flotilla(7)"),
        }
        if !rest.is_empty() {
            page.paragraph();
            page.append(&markdown(rest)?);
        }
    }
    let mut also: Vec<_> = tools.iter().map(|tool| (tool.name.to_owned(), "1")).collect();
    also.push(("flotilla.toml".to_owned(), "5"));
    page.see_also(&also);
    prose.finish()?;
    Ok(page.finish())
}

/// flotilla.toml(5).
pub(crate) fn topology_file(mut prose: Prose) -> Result<String> {
    let mut sections = prose.take("flotilla.toml")?;
    let mut page = Page::new("flotilla.toml", "5", "the topology of a cluster, and how to reach it");
    while let Some((title, text)) = sections.next() {
        page.section(&title, &text)?;
    }
    page.see_also(&[
        ("shardctl".to_owned(), "1"),
        ("migrate".to_owned(), "1"),
        ("walg-wrap".to_owned(), "1"),
        ("pitr".to_owned(), "1"),
        ("poolcfg".to_owned(), "1"),
        ("healthcheck".to_owned(), "1"),
        ("flotilla".to_owned(), "7"),
    ]);
    prose.finish()?;
    Ok(page.finish())
}

fn tool_list(tools: &[Documented]) -> Result<Roff> {
    let mut roff = Roff::new();
    for tool in tools {
        let about = tool.command.get_about().map(ToString::to_string).unwrap_or_default();
        definition(&mut roff, vec![bold(tool.name), roman("(1)")], phrase(&format!("{about}."))?);
    }
    Ok(roff)
}

fn shared_keys(tools: &[Documented]) -> Result<Roff> {
    let every = records::all(tools);
    let record = every.first().context("there are no records")?;
    let mut roff = Roff::new();
    roff.text([roman(
        "A record is a flat JSON object on a line of its own. Every line has these keys, with the verb's own keys before error. Known keys are always present; null means not known.",
    )]);
    for field in fields::shared(record)? {
        definition(
            &mut roff,
            vec![bold(field.name), roman(" ("), italic(field.kind), roman(")")],
            phrase(&field.meaning)?,
        );
    }
    roff.control("PP", []);
    roff.text([roman("The object under "), bold("error"), roman(" has these:")]);
    for field in fields::of_definition(record, "ErrorRecord")? {
        definition(
            &mut roff,
            vec![bold(field.name), roman(" ("), italic(field.kind), roman(")")],
            phrase(&field.meaning)?,
        );
    }
    Ok(roff)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flotilla::config::Config;

    #[test]
    fn the_example_of_the_topology_file_is_one() {
        let prose = include_str!("../flotilla.toml.5.md");
        let example = prose.split("```").nth(1).expect("an example");
        let config = Config::parse(example, Path::new("flotilla.toml")).expect("a topology");
        assert_eq!(config.shards.len(), 2);
    }
}
