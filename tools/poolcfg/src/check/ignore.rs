//! Findings that somebody has looked at: `; flotilla-ignore rule[, rule] reason`.

use flotilla::ignore::rules_and_reason;

use super::world::{Kind, Subject};
use crate::pgbouncer::ini::At;

/// The word that begins such a comment.
const WORD: &str = "flotilla-ignore";

/// A comment that takes findings away.
#[derive(Clone, Debug)]
pub(crate) struct Ignore {
    /// Where it stands.
    pub(crate) at: At,
    /// The rules that it names.
    pub(crate) rules: Vec<String>,
    /// Why, in somebody's words.
    pub(crate) reason: String,
    /// The line that it is about; none where that is the whole file.
    line: Option<usize>,
}

impl Ignore {
    /// Whether it takes this finding away.
    pub(crate) fn covers(&self, rule: &str, at: At) -> bool {
        let here = self.line.is_none_or(|line| line == at.line || self.at.line == at.line);
        here && at.file == self.at.file && self.rules.iter().any(|known| known == rule)
    }
}

/// All of them in a file: each is about its own line and the next one that isn't a comment; one before
/// the first section is about the whole file.
pub(crate) fn find(subject: &Subject) -> Vec<Ignore> {
    let (comments, first): (Vec<(At, String)>, usize) = match &subject.kind {
        Kind::Pgbouncer(settings) => {
            let comments = settings.ini.comments.iter().map(|c| (c.at, c.text.clone())).collect();
            (comments, settings.ini.sections.first().map_or(usize::MAX, |s| s.at.line))
        }
        Kind::Haproxy(cfg) => {
            let comments =
                cfg.comments.iter().map(|(line, text)| (At { file: 0, line: *line }, text.clone())).collect();
            (comments, cfg.sections.first().map_or(usize::MAX, |s| s.line))
        }
        Kind::Pgdog(_) | Kind::Patroni(_) => {
            let lines = subject.text.lines().enumerate();
            let comment = |(at, line): (usize, &str)| {
                let text = line.trim_start().strip_prefix('#')?;
                Some((At { file: 0, line: at + 1 }, text.trim().to_owned()))
            };
            let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            let first = subject.text.lines().position(is_content).map_or(usize::MAX, |at| at + 1);
            (lines.filter_map(comment).collect(), first)
        }
    };
    let is_comment = |line: &str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    };
    let next = |at: At| {
        if let Kind::Pgbouncer(settings) = &subject.kind {
            let ini = &settings.ini;
            let places = ini.entries.iter().map(|e| e.at).chain(ini.sections.iter().map(|s| s.at));
            let behind = places.filter(|place| place.file == at.file && place.line > at.line).map(|place| place.line);
            behind.min().unwrap_or(at.line)
        } else {
            let mut lines = subject.text.lines().enumerate().skip(at.line);
            lines.find(|(_, line)| !is_comment(line)).map_or(at.line, |(number, _)| number + 1)
        }
    };
    let parse = |(at, text): (At, String)| {
        let rest = text.strip_prefix(WORD)?;
        let (rules, reason) = rules_and_reason(rest);
        let line = (at.file != 0 || at.line >= first).then(|| next(at));
        Some(Ignore { at, rules, reason, line })
    };
    comments.into_iter().filter_map(parse).collect()
}
