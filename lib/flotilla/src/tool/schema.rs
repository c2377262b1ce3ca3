//! `--schema`: what a verb's lines look like, with or without the arguments that a run needs.

use std::io::{self, Write as _};

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;

use crate::error::{Code, Error, Result};
use crate::verb::Verb;

/// Writes the JSON Schema of each of the verb's records. One that writes none has no schema either.
pub(super) fn print(verb: &Verb) -> Result<()> {
    if verb.records.is_empty() {
        return Err(Error::usage(format!("{} writes no lines, so there is no schema", verb.name))
            .hint("What it does instead: -h."));
    }
    let mut text = String::new();
    for record in verb.records {
        let schema = serde_json::to_string_pretty(&record.schema());
        text.push_str(&schema.map_err(|e| Error::internal("a schema is not JSON").source(e))?);
        text.push('\n');
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Code::Io, "could not write to standard output").source(e))
        }
        _ => Ok(()),
    }
}

/// The verb whose schema is asked for by a command line that lacks required arguments and nothing else.
pub(super) fn of(verbs: &'static [Verb], error: &clap::Error, command: clap::Command) -> Option<&'static Verb> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let matches = command.ignore_errors(true).try_get_matches().ok()?;
    let mut words = Vec::new();
    let mut deepest = &matches;
    while let Some((name, below)) = deepest.subcommand() {
        words.push(name);
        deepest = below;
    }
    let asked = deepest.try_get_one::<bool>("schema").ok().flatten().copied().unwrap_or(false);
    let candidates = verbs.iter().filter(|verb| asked && is(verb, &words, deepest));
    candidates.max_by_key(|verb| verb.name.len())
}

/// Whether a verb of this name was called: `map --reconcile` is the subcommand with that flag.
fn is(verb: &Verb, words: &[&str], matches: &ArgMatches) -> bool {
    let (flags, names): (Vec<&str>, Vec<&str>) = verb.name.split(' ').partition(|word| word.starts_with("--"));
    let given = |flag: &&str| {
        let id = flag.trim_start_matches('-').replace('-', "_");
        matches.try_contains_id(&id).unwrap_or(false) && matches.value_source(&id) == Some(ValueSource::CommandLine)
    };
    names == words && flags.iter().all(given)
}
