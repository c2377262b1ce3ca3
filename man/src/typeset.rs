//! Markdown to roff. What has no form in a man page is refused rather than dropped.

use anyhow::{Result, bail};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, roman};

/// The markdown that man pages are written in: `CommonMark` with definition lists.
pub(crate) const DIALECT: Options = Options::ENABLE_DEFINITION_LIST;

/// Typesets one section's text.
pub(crate) fn markdown(text: &str) -> Result<Roff> {
    let mut setter = Setter::default();
    for event in Parser::new_ext(text, DIALECT) {
        setter.event(event)?;
    }
    Ok(setter.roff)
}

/// Typesets a phrase: a doc comment or a help text, which is one paragraph of markdown.
pub(crate) fn phrase(text: &str) -> Result<Vec<Inline>> {
    let mut setter = Setter::default();
    for event in Parser::new_ext(text, DIALECT) {
        if !matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph)) {
            setter.event(event)?;
        }
    }
    Ok(setter.line)
}

/// A phrase where there is no typesetting: without the marks of code.
pub(crate) fn unmarked(text: &str) -> String {
    text.replace('`', "")
}

/// Literal lines, such as a command and its output.
pub(crate) fn literal(roff: &mut Roff, lines: &str) {
    roff.control("RS", ["4"]).control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).control("RE", []);
}

/// A term and what it means.
pub(crate) fn definition(roff: &mut Roff, term: Vec<Inline>, meaning: Vec<Inline>) {
    roff.control("TP", []);
    roff.text(term);
    roff.text(meaning);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Bold,
    Italic,
}

#[derive(Default)]
struct Setter {
    roff: Roff,
    line: Vec<Inline>,
    faces: Vec<Face>,
    /// The next number of each open list; `None` where it has bullets.
    lists: Vec<Option<u64>>,
    code: Option<String>,
    link: Option<String>,
    /// Whether a macro has just begun a paragraph, so that none is needed.
    begun: bool,
    started: bool,
}

impl Setter {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(tag) => return self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.push(text.into_string()),
            },
            Event::Code(text) => self.line.push(bold(text.into_string())),
            Event::SoftBreak => self.push(" ".to_owned()),
            Event::HardBreak => self.line.push(Inline::LineBreak),
            other => bail!("{other:?} has no form in a man page"),
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Result<()> {
        match tag {
            Tag::Paragraph => self.paragraph(),
            Tag::Heading { .. } | Tag::DefinitionList => {}
            Tag::Emphasis => self.faces.push(Face::Italic),
            Tag::Strong => self.faces.push(Face::Bold),
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.to_string()),
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) => self.code = Some(String::new()),
            Tag::List(first) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.roff.control("RS", []);
                }
                self.lists.push(*first);
            }
            Tag::Item => {
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.roff.control("IP", [format!("{number}.").as_str(), "4"]);
                        *number += 1;
                    }
                    _ => {
                        self.roff.control("IP", ["\\(bu", "2"]);
                    }
                }
                self.begun = true;
            }
            Tag::DefinitionListTitle => {
                self.flush();
                self.roff.control("TP", []);
                self.begun = true;
            }
            Tag::DefinitionListDefinition => self.begun = true,
            other => bail!("{other:?} has no form in a man page"),
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let title = std::mem::take(&mut self.line).into_iter().map(plain).collect::<String>();
                self.roff.control("SS", [title.as_str()]);
                self.begun = true;
            }
            TagEnd::Emphasis | TagEnd::Strong => {
                self.faces.pop();
            }
            TagEnd::Link => {
                let url = self.link.take().unwrap_or_default();
                if url.contains("://") {
                    self.push(format!(" <{url}>"));
                }
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.paragraph();
                literal(&mut self.roff, &code);
                self.begun = false;
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.roff.control("RE", []);
                }
                self.begun = false;
            }
            _ => self.flush(),
        }
    }

    /// Begins a paragraph, unless a macro before has done so.
    fn paragraph(&mut self) {
        self.flush();
        if !self.begun && self.started {
            // Within an item `PP` would end the indent.
            self.roff.control(if self.lists.is_empty() { "PP" } else { "IP" }, []);
        }
        self.begun = false;
        self.started = true;
    }

    fn push(&mut self, text: String) {
        self.line.push(match self.faces.last() {
            Some(Face::Bold) => bold(text),
            Some(Face::Italic) => italic(text),
            _ => roman(text),
        });
    }

    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.roff.text(std::mem::take(&mut self.line));
            self.started = true;
            self.begun = false;
        }
    }
}

fn plain(inline: Inline) -> String {
    match inline {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text,
        Inline::LineBreak => " ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn paragraphs_lists_and_code_become_macros() {
        let text = "One `two`\n*three*.\n\n- a\n- b\n\n`key`\n: Its meaning.\n\n```console\n$ .x\n```\n";
        let expected = "One \\fBtwo\\fR \\fIthree\\fR.\n.IP \\(bu 2\na\n.IP \\(bu 2\nb\n.TP\n\\fBkey\\fR\nIts meaning.\n\
                        .PP\n.RS 4\n.nf\n$ .x\n.fi\n.RE\n";
        assert_eq!(markdown(text).expect("typeset").to_roff(), expected);
    }

    #[test]
    fn what_has_no_form_is_refused() {
        assert!(markdown("> quoted").is_err());
        assert!(markdown("<b>x</b>").is_err());
    }
}
