//! The pages of section 1: one for a tool, one for each of its verbs.

use anyhow::Result;
use flotilla::record::RecordInfo;
use flotilla::verb::{Effect, Scope, Verb};
use roff::{Roff, bold, italic, roman};

use crate::fields;
use crate::options::{Which, described, synopsis};
use crate::page::Page;
use crate::prose::{Prose, Sections};
use crate::tools::{Documented, Leaf};
use crate::typeset::{definition, literal, markdown, phrase};

/// Every page of a tool, by file name. `seven` is the overview, whose ENVIRONMENT and FILES hold for
/// every tool.
pub(crate) fn all(tool: &Documented, mut prose: Prose, seven: &Prose) -> Result<Vec<(String, String)>> {
    let shared =
        Shared { environment: seven.section("flotilla", "ENVIRONMENT")?, files: seven.section("flotilla", "FILES")? };
    let mut pages = vec![(format!("{}.1", tool.name), tool_page(tool, prose.take(tool.name)?, &shared)?)];
    for leaf in tool.leaves() {
        let sections = prose.take(&format!("{} {}", tool.name, leaf.words))?;
        pages.push((format!("{}.1", page_name(tool, &leaf)), verb_page(tool, &leaf, sections, &shared)?));
    }
    prose.finish()?;
    Ok(pages)
}

/// What every page says alike.
struct Shared<'a> {
    environment: &'a str,
    files: &'a str,
}

fn page_name(tool: &Documented, leaf: &Leaf<'_>) -> String {
    format!("{}-{}", tool.name, leaf.words.replace(' ', "-"))
}

fn tool_page(tool: &Documented, mut prose: Sections, shared: &Shared<'_>) -> Result<String> {
    let about = tool.command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = Page::new(tool.name, "1", &lowered(&about));
    page.heading("SYNOPSIS");
    page.append(&synopsis(&tool.command));
    page.section("DESCRIPTION", &prose.need("DESCRIPTION")?)?;
    page.heading("VERBS");
    let mut verbs = Roff::new();
    for leaf in tool.leaves() {
        let mut meaning = phrase(&leaf.about())?;
        meaning.extend([roman(". See "), bold(page_name(tool, &leaf)), roman("(1).")]);
        definition(&mut verbs, vec![bold(format!("{} {}", tool.name, leaf.words))], meaning);
    }
    page.append(&verbs);
    page.section("EXAMPLES", &prose.need("EXAMPLES")?)?;
    page.heading("OPTIONS");
    page.append_rendered(&described(&tool.command, Which::Global)?.unwrap_or_default());
    page.section_if("INPUT", prose.take("INPUT"))?;
    page.section_if("OUTPUT", prose.take("OUTPUT"))?;
    page.exit_status(prose.take("EXIT STATUS").as_deref())?;
    close(&mut page, &mut prose, shared)?;
    let mut also: Vec<_> = tool.leaves().iter().map(|leaf| (page_name(tool, leaf), "1")).collect();
    also.extend([("flotilla.toml".to_owned(), "5"), ("flotilla".to_owned(), "7")]);
    page.see_also(&also);
    prose.finish()?;
    Ok(page.finish())
}

fn verb_page(tool: &Documented, leaf: &Leaf<'_>, mut prose: Sections, shared: &Shared<'_>) -> Result<String> {
    let mut page = Page::new(&page_name(tool, leaf), "1", &lowered(&leaf.about()));
    page.heading("SYNOPSIS");
    page.append(&synopsis(leaf.command));
    page.section("DESCRIPTION", &prose.need("DESCRIPTION")?)?;
    page.heading("EXAMPLES");
    page.append(&examples(&leaf.verbs)?);
    if let Some(more) = prose.take("EXAMPLES") {
        page.paragraph();
        page.append(&markdown(&more)?);
    }
    page.heading("OPTIONS");
    if let Some(own) = described(leaf.command, Which::Own)? {
        page.append_rendered(&own);
        page.paragraph();
    }
    let all = [roman("The options that every tool has are in "), bold(tool.name), roman("(1).")];
    page.append(Roff::new().text(all));
    page.heading("INPUT");
    page.append(&input(&leaf.verbs));
    if let Some(more) = prose.take("INPUT") {
        page.paragraph();
        page.append(&markdown(&more)?);
    }
    output(&mut page, leaf, prose.take("OUTPUT"))?;
    page.exit_status(prose.take("EXIT STATUS").as_deref())?;
    close(&mut page, &mut prose, shared)?;
    let also = [(tool.name.to_owned(), "1"), ("flotilla.toml".to_owned(), "5"), ("flotilla".to_owned(), "7")];
    page.see_also(&also);
    prose.finish()?;
    Ok(page.finish())
}

/// ENVIRONMENT and FILES: what is shared, then what is this page's own.
fn close(page: &mut Page, prose: &mut Sections, shared: &Shared<'_>) -> Result<()> {
    for (title, text) in [("ENVIRONMENT", shared.environment), ("FILES", shared.files)] {
        page.section(title, text)?;
        if let Some(more) = prose.take(title) {
            page.paragraph();
            page.append(&markdown(&more)?);
        }
    }
    Ok(())
}

fn examples(verbs: &[&Verb]) -> Result<Roff> {
    let mut roff = Roff::new();
    let mut shown: Vec<&str> = Vec::new();
    for example in verbs.iter().flat_map(|verb| verb.examples) {
        if shown.contains(&example.line) {
            continue;
        }
        if !shown.is_empty() {
            roff.control("PP", []);
        }
        shown.push(example.line);
        let mut does = phrase(example.does)?;
        does.push(roman(":"));
        roff.text(does);
        roff.control("PP", []);
        literal(&mut roff, &format!("$ {}", example.line));
    }
    Ok(roff)
}

/// What the registry says about targets and about what happens to them.
fn input(verbs: &[&Verb]) -> Roff {
    let mut roff = Roff::new();
    for (at, verb) in verbs.iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        let mut line = Vec::new();
        if verbs.len() > 1 {
            line.extend([bold(verb.name), roman(": ")]);
        }
        line.push(roman(match verb.scope {
            Scope::None => "Reads no target lines.",
            Scope::Optional => {
                "Targets come from a pipe, from -t or from --all; when none are named, all shards are meant."
            }
            Scope::Required => {
                "Targets come from a pipe, from -t or from --all, and are never guessed: without any, or with an empty pipe, nothing is touched and the exit code is 2."
            }
        }));
        line.push(roman(match verb.effect {
            Effect::Reads => " The verb only reads.",
            Effect::Changes => " The verb changes what it works on.",
            Effect::Destroys => " The verb destroys what can't be brought back, and asks for consent.",
        }));
        if verb.exclusive {
            line.push(roman(" One run at a time goes on per cluster and machine; a second ends with 75."));
        }
        roff.text(line);
    }
    roff
}

fn output(page: &mut Page, leaf: &Leaf<'_>, hand_written: Option<String>) -> Result<()> {
    page.heading("OUTPUT");
    let mut follows = false;
    if let Some(text) = hand_written {
        page.append(&markdown(&text)?);
        follows = true;
    }
    let mut shown: Vec<&str> = Vec::new();
    for record in leaf.verbs.iter().flat_map(|verb| verb.records) {
        if shown.contains(&record.kind) {
            continue;
        }
        shown.push(record.kind);
        if follows {
            page.paragraph();
        }
        follows = true;
        page.append(&record_keys(record)?);
    }
    Ok(())
}

fn record_keys(record: &RecordInfo) -> Result<Roff> {
    let mut roff = Roff::new();
    roff.text([
        bold(record.id()),
        roman(": one line, with the keys that every line has ("),
        bold("flotilla"),
        roman("(7)) and these:"),
    ]);
    for field in fields::own(record)? {
        let term = vec![bold(field.name), roman(" ("), italic(field.kind), roman(")")];
        definition(&mut roff, term, phrase(&field.meaning)?);
    }
    Ok(roff)
}

/// A help line as NAME has it: a phrase that begins in lower case, unless it begins with a name.
fn lowered(about: &str) -> String {
    let first_word = about.split_whitespace().next().unwrap_or_default();
    let is_name = first_word.chars().skip(1).any(char::is_uppercase);
    match about.chars().next() {
        Some(first) if !is_name => first.to_lowercase().chain(about.chars().skip(1)).collect(),
        _ => about.to_owned(),
    }
}
