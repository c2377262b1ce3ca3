//! Runbooks, to be run as they stand.

use std::fs;
use std::path::Path;

/// A page of `docs/runbooks`.
#[derive(Debug)]
pub struct Runbook {
    sections: Vec<(String, String)>,
}

impl Runbook {
    /// Reads the page of this name.
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text)
    }

    /// In blocks of the kind `console`, `$ ` begins a command and `> ` goes on with it; what else stands
    /// there is what one sees.
    fn parse(text: &str) -> Self {
        let mut sections = vec![(String::new(), String::new())];
        let mut inside = false;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                sections.push((title.to_owned(), String::new()));
            } else if line.starts_with("```") {
                inside = line == "```console";
            } else if inside && let Some(command) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("> ")) {
                let (_, script) = sections.last_mut().expect("the first is always there");
                script.push_str(command);
                script.push('\n');
            }
        }
        Self { sections }
    }

    /// The commands of a section, as a script.
    pub fn section(&self, title: &str) -> &str {
        let found = self.sections.iter().find(|(known, _)| known == title);
        &found.unwrap_or_else(|| panic!("no section {title:?}")).1
    }

    /// The sections that have commands.
    pub fn titles(&self) -> Vec<&str> {
        let with_commands = self.sections.iter().filter(|(_, script)| !script.is_empty());
        with_commands.map(|(title, _)| title.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Runbook;

    #[test]
    fn commands_are_taken_and_nothing_else() {
        let page = "# Page\n\n## One\n\n```console\n$ a \\\n>   b\nwhat a says\n$ c\n```\n$ no\n\n```toml\n$ no\n```\n## Two\n";
        let page = Runbook::parse(page);
        assert_eq!(page.section("One"), "a \\\n  b\nc\n");
        assert_eq!(page.titles(), ["One"]);
    }
}
