//! The hand-written sections: markdown files with a page to each `#` and a section to each `##`.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use crate::typeset::DIALECT;

/// One file.
pub(crate) struct Prose {
    path: String,
    pages: Vec<Sections>,
}

/// The sections of one page that weren't taken yet, in their order.
#[derive(Debug)]
pub(crate) struct Sections {
    path: String,
    title: String,
    left: VecDeque<(String, String)>,
}

impl Prose {
    /// Reads the file at `path` in the checkout.
    pub(crate) fn read(root: &Path, path: &str) -> Result<Self> {
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        Self::parse(path, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self> {
        let mut pages: Vec<Sections> = Vec::new();
        let headings = headings(text);
        for (at, heading) in headings.iter().enumerate() {
            let end = headings.get(at + 1).map_or(text.len(), |next| next.start);
            let body = text[heading.end..end].trim().to_owned();
            match (heading.level, pages.last_mut()) {
                (HeadingLevel::H1, _) => {
                    if !body.is_empty() {
                        bail!("{path}: text stands between \"{}\" and its first section", heading.title);
                    }
                    pages.push(Sections { path: path.to_owned(), title: heading.title.clone(), left: VecDeque::new() });
                }
                (_, Some(page)) => page.left.push_back((heading.title.clone(), body)),
                (_, None) => bail!("{path}: section \"{}\" stands before the first page", heading.title),
            }
        }
        Ok(Self { path: path.to_owned(), pages })
    }

    /// Takes the sections of a page.
    pub(crate) fn take(&mut self, title: &str) -> Result<Sections> {
        let found = self.pages.iter().position(|page| page.title == title);
        Ok(self.pages.remove(found.with_context(|| format!("{} has no page \"# {title}\"", self.path))?))
    }

    /// The text of one section of one page.
    pub(crate) fn section(&self, page: &str, title: &str) -> Result<&str> {
        let sections = self.pages.iter().find(|p| p.title == page).map(|p| &p.left);
        let section = sections.and_then(|s| s.iter().find(|(t, _)| t == title)).map(|(_, body)| body.as_str());
        section.with_context(|| format!("{} has no section \"{title}\" of \"{page}\"", self.path))
    }

    /// Refuses pages that nothing asked for: a verb was renamed or dropped.
    pub(crate) fn finish(self) -> Result<()> {
        match self.pages.first() {
            Some(page) => bail!("{}: there is no command for the page \"# {}\"", self.path, page.title),
            None => Ok(()),
        }
    }
}

impl Sections {
    /// Takes the section of this title.
    pub(crate) fn take(&mut self, title: &str) -> Option<String> {
        let at = self.left.iter().position(|(t, _)| t == title)?;
        self.left.remove(at).map(|(_, body)| body)
    }

    /// Takes the section of this title, which must be there.
    pub(crate) fn need(&mut self, title: &str) -> Result<String> {
        self.take(title).with_context(|| format!("{}: page \"{}\" has no section {title}", self.path, self.title))
    }

    /// Takes the next section.
    pub(crate) fn next(&mut self) -> Option<(String, String)> {
        self.left.pop_front()
    }

    /// Refuses sections that no page has a place for.
    pub(crate) fn finish(self) -> Result<()> {
        match self.left.front() {
            Some((title, _)) => bail!("{}: page \"{}\" has no place for section {title}", self.path, self.title),
            None => Ok(()),
        }
    }
}

struct Heading {
    level: HeadingLevel,
    title: String,
    start: usize,
    end: usize,
}

/// The headings that divide the file; `###` and below are part of a section's text.
fn headings(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let mut open = false;
    for (event, range) in Parser::new_ext(text, DIALECT).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: level @ (HeadingLevel::H1 | HeadingLevel::H2), .. }) => {
                headings.push(Heading { level, title: String::new(), start: range.start, end: range.end });
                open = true;
            }
            Event::End(TagEnd::Heading(_)) => open = false,
            Event::Text(piece) | Event::Code(piece) if open => {
                if let Some(heading) = headings.last_mut() {
                    heading.title.push_str(&piece);
                }
            }
            _ => {}
        }
    }
    headings
}

#[cfg(test)]
mod tests {
    use super::Prose;

    const TEXT: &str = "# tool\n\n## DESCRIPTION\n\nDoes *things*.\n\n### Deeper\n\n```\n# no heading\n```\n\n# tool verb\n\n## FILES\n\nNone.\n";

    #[test]
    fn pages_and_sections_are_divided_by_headings_alone() {
        let mut prose = Prose::parse("x.md", TEXT).expect("parsed");
        let mut page = prose.take("tool").expect("there");
        assert!(page.need("DESCRIPTION").expect("there").ends_with("# no heading\n```"));
        page.finish().expect("empty");
        assert_eq!(prose.section("tool verb", "FILES").expect("there"), "None.");
        let left = prose.finish().expect_err("a page is left").to_string();
        assert_eq!(left, "x.md: there is no command for the page \"# tool verb\"");
    }

    #[test]
    fn a_section_without_a_place_is_refused() {
        let mut prose = Prose::parse("x.md", "# a\n\n## ODD\n\nx\n").expect("parsed");
        let refused = prose.take("a").expect("there").finish().expect_err("left").to_string();
        assert_eq!(refused, "x.md: page \"a\" has no place for section ODD");
    }
}
