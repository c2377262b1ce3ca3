//! `haproxy.cfg` as HAProxy reads it: sections of lines of words.

/// A file.
#[derive(Clone, Debug, Default)]
pub struct Cfg {
    /// The sections, in their order.
    pub sections: Vec<Section>,
    /// Comments, with the line that each stands on.
    pub comments: Vec<(usize, String)>,
    /// Lines that can't be read, and why.
    pub broken: Vec<(usize, String)>,
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is: `global`, `defaults`, `frontend`, `backend`, `listen` and so on.
    pub kind: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// The `defaults` that it takes by name.
    pub from: Option<String>,
    /// The number of the section of defaults that holds for it.
    pub defaults: Option<usize>,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of words.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Its words, without quotes.
    pub words: Vec<String>,
}

impl Line {
    /// Whether it begins with these words.
    pub fn is(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words.iter().zip(words).all(|(own, word)| own == word)
    }

    /// The word behind this one.
    pub fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().position(|own| own == word)?;
        self.words.get(at + 1).map(String::as_str)
    }
}

/// What begins a section.
const SECTIONS: &[&str] = &[
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

impl Cfg {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        let mut cfg = Self::default();
        // The last section of defaults, named or not, holds for what follows.
        let mut defaults = None;
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let (words, comment) = match words(line) {
                Ok(read) => read,
                Err(why) => {
                    cfg.broken.push((number, why.to_owned()));
                    continue;
                }
            };
            cfg.comments.extend(comment.map(|text| (number, text)));
            let Some(first) = words.first() else { continue };
            // Conditions around lines (`.if`): both sides are read.
            if first.starts_with('.') {
                continue;
            }
            if SECTIONS.contains(&first.as_str()) {
                cfg.begin(&words, number, &mut defaults);
                continue;
            }
            match cfg.sections.last_mut() {
                Some(section) => section.lines.push(Line { number, words }),
                None => cfg.broken.push((number, "a line before the first section".to_owned())),
            }
        }
        cfg
    }

    fn begin(&mut self, words: &[String], line: usize, defaults: &mut Option<usize>) {
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        let kind = word(0);
        let name = if word(1) == "from" && words.len() > 2 { String::new() } else { word(1) };
        let from = words.iter().position(|word| word == "from").and_then(|at| words.get(at + 1)).cloned();
        let named = |sections: &[Section]| {
            let from = from.as_deref()?;
            sections.iter().rposition(|section| section.kind == "defaults" && section.name == from)
        };
        let takes = matches!(kind.as_str(), "frontend" | "backend" | "listen" | "defaults");
        let own = if !takes {
            None
        } else if from.is_some() {
            named(&self.sections)
        } else if kind == "defaults" {
            // It starts from nothing.
            None
        } else {
            *defaults
        };
        if kind == "defaults" {
            *defaults = Some(self.sections.len());
        }
        self.sections.push(Section { kind, name, from, defaults: own, line, lines: Vec::new() });
    }

    /// The sections of a kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |section| section.kind == kind)
    }
}

/// The words of a line, and its comment. Quotes may stand anywhere in a word; a backslash takes the next
/// character as it is, between double quotes too.
fn words(line: &str) -> Result<(Vec<String>, Option<String>), &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' => {
                words.extend(word);
                return Ok((words, Some(chars.as_str().trim_start_matches('#').trim().to_owned())));
            }
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\\' => {
                let next = chars.next().ok_or("a backslash at the end")?;
                word.get_or_insert_default().push(match next {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
            }
            '\'' => {
                let quoted = chars.as_str().split_once('\'').ok_or("a quote that doesn't end")?;
                word.get_or_insert_default().push_str(quoted.0);
                chars = quoted.1.chars();
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a quote that doesn't end")? {
                        '"' => break,
                        '\\' => text.push(chars.next().ok_or("a quote that doesn't end")?),
                        other => text.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok((words, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_escaped_as_in_a_shell() {
        let read = |line| words(line).expect("words");
        assert_eq!(read("  bind a:1  # b # c "), (vec!["bind".into(), "a:1".into()], Some("b # c".to_owned())));
        assert_eq!(read(r#"a "b c"'d #'\ e"#).0, ["a", "b cd # e"]);
        assert_eq!(read(r#"x """#).0, ["x", ""]);
        for bad in ["a \"b", "a 'b", "a \\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_take_the_defaults_above_them_or_those_they_name() {
        let cfg = Cfg::parse(
            "global\n  maxconn 5\ndefaults a\n  mode tcp\ndefaults b from a\nfrontend f\n  bind :1\nbackend g from a\nlisten h\n",
        );
        let seen: Vec<_> = cfg.sections.iter().map(|s| (&*s.kind, &*s.name, s.defaults)).collect();
        assert_eq!(
            seen,
            [
                ("global", "", None),
                ("defaults", "a", None),
                ("defaults", "b", Some(1)),
                ("frontend", "f", Some(2)),
                ("backend", "g", Some(1)),
                ("listen", "h", Some(2)),
            ]
        );
        assert_eq!(cfg.sections[0].lines[0].number, 2);
    }
}
