//! One page: sections in their order, each typeset through `roff`.

use anyhow::Result;
use flotilla::exit;
use roff::{Roff, bold, roman};

use crate::typeset::{definition, markdown, phrase, unmarked};

/// The day of the release that the pages belong to. Not the day of the build: the same sources give
/// the same bytes.
const DATE: &str = "2026-11-24";

/// A page as it grows.
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// A page with its title line and NAME.
    pub(crate) fn new(name: &str, section: &str, about: &str) -> Self {
        let mut page = Self { text: Roff::new().render() };
        let version = concat!("Flotilla ", env!("CARGO_PKG_VERSION"));
        let title = name.to_uppercase();
        let manual = if section == "1" { "Flotilla tools" } else { "Flotilla" };
        page.append(Roff::new().control("TH", [title.as_str(), section, DATE, version, manual]));
        page.heading("NAME");
        page.append(Roff::new().text([roman(format!("{name} - {}", unmarked(about)))]));
        page
    }

    /// Begins a section.
    pub(crate) fn heading(&mut self, title: &str) {
        self.append(Roff::new().control("SH", [title]));
    }

    /// Begins a paragraph.
    pub(crate) fn paragraph(&mut self) {
        self.append(Roff::new().control("PP", []));
    }

    /// A whole section of markdown.
    pub(crate) fn section(&mut self, title: &str, text: &str) -> Result<()> {
        self.heading(title);
        self.append(&markdown(text)?);
        Ok(())
    }

    /// A whole section of markdown, where there is one.
    pub(crate) fn section_if(&mut self, title: &str, text: Option<String>) -> Result<()> {
        text.map_or(Ok(()), |text| self.section(title, &text))
    }

    /// Appends what was typeset.
    pub(crate) fn append(&mut self, roff: &Roff) {
        let preamble = Roff::new().render();
        let text = roff.render();
        self.text.push_str(text.strip_prefix(&preamble).unwrap_or(&text));
    }

    /// Appends what `clap_mangen` typeset.
    pub(crate) fn append_rendered(&mut self, rendered: &str) {
        self.text.push_str(rendered);
    }

    /// The table of exit codes, and what they mean to this command in particular.
    pub(crate) fn exit_status(&mut self, particular: Option<&str>) -> Result<()> {
        self.heading("EXIT STATUS");
        let mut roff = Roff::new();
        for row in exit::TABLE {
            definition(&mut roff, vec![bold(row.code)], phrase(&sentence(row.meaning))?);
        }
        self.append(&roff);
        if let Some(text) = particular {
            self.paragraph();
            self.append(&markdown(text)?);
        }
        Ok(())
    }

    /// The pages to read next.
    pub(crate) fn see_also(&mut self, pages: &[(String, &str)]) {
        self.heading("SEE ALSO");
        let mut line = Vec::new();
        for (at, (name, section)) in pages.iter().enumerate() {
            if at > 0 {
                line.push(roman(", "));
            }
            line.extend([bold(name.as_str()), roman(format!("({section})"))]);
        }
        self.append(Roff::new().text(line));
    }

    /// The page as a file.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A phrase as a sentence: a capital letter at its beginning, a period at its end.
pub(crate) fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).chain(['.']).collect()
}
