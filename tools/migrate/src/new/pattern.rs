//! A pattern: what it needs to know, and the templates that it is written by.

use flotilla::error::{Error, Result};
use minijinja::Value;

use super::facts::Facts;
use super::parameter::{Parameter, Without};
use super::render::{self, Step};
use super::{patterns, value};

/// A way of changing a table that doesn't stop its traffic.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, and how.
    pub(super) does: &'static str,
    /// What the migration is called where no description is given: a template.
    pub(super) describe: &'static str,
    /// Its steps: a template.
    pub(super) template: &'static str,
    /// What it is told; a later one may be found out by what came before.
    pub(super) parameters: &'static [Parameter],
    /// What can't be, and what to do instead.
    pub(super) check: fn(&Facts) -> Result<(), Refusal>,
}

/// Why a pattern can't be written, and what to do about it.
pub(super) type Refusal = (String, &'static str);

/// A pattern with all that it was told.
pub(super) struct Written {
    pub(super) description: String,
    pub(super) steps: Vec<Step>,
}

/// The pattern of a name, for the command line.
pub(super) fn named(name: &str) -> Result<&'static Pattern, String> {
    patterns::ALL.iter().copied().find(|pattern| pattern.name == name).ok_or_else(|| {
        let names: Vec<&str> = patterns::ALL.iter().map(|pattern| pattern.name).collect();
        format!("there is no such pattern; there are {}", names.join(", "))
    })
}

impl Pattern {
    /// Its files' texts.
    pub(super) fn write(&self, given: &[(String, String)], mut facts: Facts) -> Result<Written> {
        self.read(given, &mut facts)?;
        (self.check)(&facts)
            .map_err(|(message, hint)| Error::usage(format!("{message}; nothing was written")).hint(hint))?;
        let mut values = facts.given().clone();
        values.insert("known", facts.values());
        let values = Value::from(values);
        Ok(Written {
            description: render::line(self.describe, &values)?,
            steps: render::steps(self.name, self.template, &values)?,
        })
    }

    /// Takes in what is given, and finds out the rest.
    fn read(&self, given: &[(String, String)], facts: &mut Facts) -> Result<()> {
        for (name, _) in given {
            if !self.parameters.iter().any(|parameter| parameter.name == name) {
                return Err(Error::usage(format!("pattern {} knows no \"{name}\"", self.name)).hint(self.known()));
            }
        }
        for parameter in self.parameters {
            let name = parameter.name;
            let last = given.iter().rev().find(|(given, _)| given == name).map(|(_, text)| text.clone());
            let text = match (last, parameter.without) {
                (Some(text), _) => text,
                (None, Without::Nothing) => continue,
                (None, Without::Is(default)) => default.to_owned(),
                (None, Without::Refused) => {
                    return Err(Error::usage(format!("pattern {} needs {name}: {}", self.name, parameter.about))
                        .hint(self.known()));
                }
                (None, Without::Told(by)) => by(facts).ok_or_else(|| {
                    Error::usage(format!("pattern {} needs {name}, which the scripts don't tell", self.name))
                        .hint(format!("Give it with -p {name}=…: {}.", parameter.about))
                })?,
            };
            let value = value::read(parameter.kind, &text).map_err(|why| {
                Error::usage(format!("{name} \"{text}\" {why}")).hint(format!("It is {}.", parameter.about))
            })?;
            facts.take(name, value);
        }
        Ok(())
    }

    /// What may be given, as a sentence.
    fn known(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.name).collect();
        format!("It takes -p NAME=VALUE for {}; `migrate new --list` says what they mean.", names.join(", "))
    }
}
