//! `pgbouncer.ini` as PgBouncer reads it: sections, keys, `%include`, and connection strings as values.
//!
//! PgBouncer stops at the first line that it can't read, and starting a section anew sets every key of
//! it back to its default; both matter to whoever judges a file, so both are kept.

use std::path::{Path, PathBuf};

/// How deep includes may nest.
const DEPTH: usize = 10;

/// A file with those that it includes.
#[derive(Clone, Debug, Default)]
pub struct Ini {
    /// The files, the first one first.
    pub files: Vec<PathBuf>,
    /// Sections, in the order in which they begin.
    pub sections: Vec<Section>,
    /// Keys with their values, in the order in which they are read.
    pub entries: Vec<Entry>,
    /// Comment lines.
    pub comments: Vec<Comment>,
    /// Includes of paths that count from the folder that PgBouncer was started in.
    pub relative: Vec<At>,
    /// Where reading ended, and why; what stands behind isn't read.
    pub broken: Option<(At, String)>,
    /// In the first file, the line behind which a key of the section `[pgbouncer]` can be added; 0 is none.
    pub insert_at: usize,
}

/// A place: a file by its number, and the line in it, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The file's number.
    pub file: usize,
    /// The line.
    pub line: usize,
}

/// The beginning of a section.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub at: At,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The section's number.
    pub section: usize,
    /// The key.
    pub key: String,
    /// The value, without blanks at its ends.
    pub value: String,
    /// Where it stands.
    pub at: At,
}

/// A comment line.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Its text behind the marks.
    pub text: String,
    /// Where it stands.
    pub at: At,
}

/// What gives the text of an included file.
type Open<'a> = dyn FnMut(&Path) -> std::io::Result<String> + 'a;

impl Ini {
    /// Reads a text; `open` gives the text of what it includes.
    pub fn parse(path: &Path, text: &str, open: &mut Open<'_>) -> Self {
        let mut ini = Self::default();
        ini.files.push(path.to_owned());
        ini.read(0, text, 0, open);
        ini
    }

    /// The section that an entry is in.
    pub fn section_of(&self, entry: &Entry) -> &str {
        self.sections.get(entry.section).map_or("", |section| section.name.as_str())
    }

    /// The entries of the sections of this name.
    pub fn entries_in<'a>(&'a self, section: &'a str) -> impl DoubleEndedIterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| self.section_of(entry) == section)
    }

    /// False when reading has ended for good.
    fn read(&mut self, file: usize, text: &str, depth: usize, open: &mut Open<'_>) -> bool {
        for (number, line) in text.split('\n').enumerate() {
            let at = At { file, line: number + 1 };
            let line = line.trim_matches(blank);
            if line.is_empty() {
                continue;
            }
            if let Err(why) = self.line(line, at, depth, open) {
                self.broken.get_or_insert((at, why));
                return false;
            }
            if self.broken.is_some() {
                return false;
            }
            if depth == 0 && self.sections.last().is_some_and(|section| section.name == "pgbouncer") {
                self.insert_at = at.line;
            }
        }
        true
    }

    fn line(&mut self, line: &str, at: At, depth: usize, open: &mut Open<'_>) -> Result<(), String> {
        if let Some(path) = line.strip_prefix("%include").filter(|rest| rest.starts_with([' ', '\t'])) {
            return self.include(path.trim_matches(blank), at, depth, open);
        }
        if line.starts_with(['#', ';']) {
            let text = line.trim_start_matches(['#', ';']).trim().to_owned();
            self.comments.push(Comment { text, at });
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, behind) = rest.split_once(']').ok_or("a section that doesn't end")?;
            self.sections.push(Section { name: name.to_owned(), at });
            // What follows on the same line is read as if it stood on the next one.
            let behind = behind.trim_matches(blank);
            return if behind.is_empty() { Ok(()) } else { self.line(behind, at, depth, open) };
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
        let end = line.find(|c: char| !plain(c)).unwrap_or(line.len());
        let (key, rest) = line.split_at(end);
        let value = rest.trim_start_matches([' ', '\t']).strip_prefix('=');
        let value = value.filter(|_| !key.is_empty()).ok_or("a line that is no \"key = value\"")?;
        let section = self.sections.len().checked_sub(1).ok_or("a key before the first section")?;
        let value = value.trim_start_matches([' ', '\t']).to_owned();
        self.entries.push(Entry { section, key: key.to_owned(), value, at });
        Ok(())
    }

    fn include(&mut self, path: &str, at: At, depth: usize, open: &mut Open<'_>) -> Result<(), String> {
        if depth >= DEPTH {
            return Err("includes that nest too deep".to_owned());
        }
        let path = Path::new(path);
        if path.is_relative() {
            self.relative.push(at);
        }
        let folder = self.files.first().and_then(|first| first.parent()).unwrap_or(Path::new(""));
        let found = folder.join(path);
        let text = open(&found).map_err(|error| format!("an included file that can't be read: {error}"))?;
        self.files.push(found);
        let file = self.files.len() - 1;
        self.read(file, &text, depth + 1, open);
        Ok(())
    }
}

/// What C's isspace takes for a blank.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// The pairs of a connection string, as databases, users and peers have them for a value.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(blank);
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).ok_or_else(|| format!("\"{}\" has no value", shortened(rest)))?;
        let (key, behind) = rest.split_at(end);
        let value = behind.trim_start_matches(blank).strip_prefix('=');
        let value = value.filter(|_| !key.is_empty()).ok_or_else(|| format!("\"{}\" has no value", shortened(key)))?;
        let value = value.trim_start_matches(blank);
        let (value, behind) = if let Some(quoted) = value.strip_prefix('\'') {
            unquoted(quoted).ok_or_else(|| format!("the value of \"{key}\" doesn't end"))?
        } else {
            let end = value.find(' ').unwrap_or(value.len());
            (value[..end].to_owned(), &value[end..])
        };
        if value.is_empty() {
            return Err(format!("\"{key}\" has no value"));
        }
        found.push((key.to_owned(), value));
        rest = behind.trim_start_matches(blank);
    }
    Ok(found)
}

/// The value up to its closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\'' {
            if chars.next_if(|(_, next)| *next == '\'').is_none() {
                return Some((value, &text[at + 1..]));
            }
            value.push('\'');
        } else {
            value.push(c);
        }
    }
    None
}

/// The beginning of a word from a file: enough to find it, too little to give a secret away.
fn shortened(text: &str) -> String {
    text.chars().take(20).take_while(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Ini {
        Ini::parse(Path::new("/etc/p.ini"), text, &mut |path| match path.to_str() {
            Some("/etc/more.ini") => Ok("default_pool_size = 9\n[users]\nbob = pool_mode=session\n".to_owned()),
            Some("/etc/self.ini") => Ok("%include self.ini\n".to_owned()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        })
    }

    #[test]
    fn keys_stand_in_the_section_above_also_through_includes() {
        let ini = parse("; c\n[databases] a = host=x\n[pgbouncer]\npool_mode=session  \n%include more.ini\n");
        let seen: Vec<_> = ini.entries.iter().map(|e| (ini.section_of(e), &*e.key, &*e.value, e.at.file)).collect();
        assert_eq!(
            seen,
            [
                ("databases", "a", "host=x", 0),
                ("pgbouncer", "pool_mode", "session", 0),
                ("pgbouncer", "default_pool_size", "9", 1),
                ("users", "bob", "pool_mode=session", 1),
            ]
        );
        assert!(ini.broken.is_none() && ini.relative.len() == 1 && ini.insert_at == 4, "{ini:?}");
    }

    #[test]
    fn reading_ends_where_pgbouncers_does() {
        for (text, line) in [
            ("a = b\n", 1),
            ("[databases]\n\"my db\" = host=x\n", 2),
            ("[databases\n", 1),
            ("[pgbouncer]\npool_mode\n", 2),
            ("[pgbouncer]\n%include gone.ini\n", 2),
        ] {
            let ini = parse(text);
            assert_eq!(ini.broken.as_ref().map(|(at, _)| at.line), Some(line), "{text}");
        }
        assert!(parse("[pgbouncer]\n%include self.ini\n").broken.is_some());
    }

    #[test]
    fn connection_strings_have_quotes_and_blanks() {
        let found = pairs(" host=a  dbname = 'it''s' port=1 connect_query='SELECT 1'").expect("pairs");
        let found: Vec<_> = found.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(found, [("host", "a"), ("dbname", "it's"), ("port", "1"), ("connect_query", "SELECT 1")]);
        for bad in ["host", "=x", "host=", "host='x", "host=''"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }
}
