//! From templates to steps: each is a version with its undo.
//!
//! A rendered template is cut at lines that begin with `--> `: `V` and what it does, `U`, and `V.conf` or
//! `U.conf` for the options of the one before.

use flotilla::error::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::folder::File;
use super::value::{self, Named, identifier};
use super::{FileKind, slug};
use crate::lint::{object_name, volatile_function};

/// A version and its undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// What it does, beyond what the migration as a whole does.
    suffix: String,
    up: String,
    up_options: Option<String>,
    /// None where nothing can take it back.
    down: Option<String>,
    down_options: Option<String>,
}

const MARK: &str = "--> ";
const SHARED: &str = include_str!("patterns/steps.j2");

impl Step {
    /// One that is to be written by hand.
    pub(super) fn empty() -> Self {
        Self {
            up: "-- What the version does. It is one transaction; what can't be in one goes into a version of its own.\n"
                .to_owned(),
            down: Some("-- What takes the version back: afterwards the schema is what it was before.\n".to_owned()),
            ..Self::default()
        }
    }

    /// Its files; options come before the script that they are for, which would be another without them.
    pub(super) fn files(&self, description: &str, version: &str) -> Result<Vec<File>> {
        let slug = slug(&format!("{description} {}", self.suffix))?;
        let file = |prefix: char, kind: FileKind, text: &String| {
            let suffix = if kind == FileKind::Options { ".conf" } else { "" };
            File {
                name: format!("{prefix}{version}__{slug}.sql{suffix}"),
                kind,
                version: Some(version.to_owned()),
                description: slug.replace('_', " "),
                text: text.clone(),
            }
        };
        let files = [
            self.up_options.as_ref().map(|text| file('V', FileKind::Options, text)),
            Some(file('V', FileKind::Versioned, &self.up)),
            self.down_options.as_ref().map(|text| file('U', FileKind::Options, text)),
            self.down.as_ref().map(|text| file('U', FileKind::Undo, text)),
        ];
        Ok(files.into_iter().flatten().collect())
    }
}

/// A template of one line, filled.
pub(super) fn line(template: &str, values: &Value) -> Result<String> {
    environment()?.render_str(template, values).map_err(failed)
}

/// The steps of a pattern's template, filled.
pub(super) fn steps(name: &str, template: &str, values: &Value) -> Result<Vec<Step>> {
    let text = environment()?.render_named_str(name, template, values).map_err(failed)?;
    let mut steps: Vec<Step> = Vec::new();
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(MARK), parts.last_mut()) {
            (Some(mark), _) => parts.push((mark.trim(), String::new())),
            (None, Some((_, part))) => {
                part.push_str(line.trim_end());
                part.push('\n');
            }
            (None, None) => {}
        }
    }
    for (mark, part) in parts {
        let text = format!("{}\n", part.trim());
        match (mark.split_once(' ').unwrap_or((mark, "")), steps.last_mut()) {
            (("V", suffix), _) => steps.push(Step { suffix: suffix.to_owned(), up: text, ..Step::default() }),
            (("V.conf", _), Some(step)) => step.up_options = Some(text),
            (("U", _), Some(step)) => step.down = Some(text),
            (("U.conf", _), Some(step)) => step.down_options = Some(text),
            _ => return Err(Error::internal(format!("pattern {name} has a part \"{mark}\" in the wrong place"))),
        }
    }
    Ok(steps)
}

/// Templates in which nothing that is missing becomes an empty place.
fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(failed)?);
    environment.add_function("label", label);
    environment.add_function("beside", |name: &Value, what: &str| {
        Value::from_object(Named::bare(&object_name(&word(name), "", what)))
    });
    environment.add_function("mentioned", |expression: &str| value::mentioned(expression));
    environment.add_function("is_volatile", |expression: &str| volatile_function(expression).is_some());
    environment.add_template("steps", SHARED).map_err(failed)?;
    Ok(environment)
}

/// A name for what is made of a table's columns, as PostgreSQL would choose it, quoted where it must be.
fn label(table: &Value, columns: &Value, what: &str) -> Result<String, minijinja::Error> {
    let columns: Vec<String> = columns.try_iter()?.map(|column| word(&column)).collect();
    Ok(identifier(&object_name(&word(table), &columns.join("_"), what)))
}

/// A name as it is, without quotes.
fn word(value: &Value) -> String {
    value.downcast_object_ref::<Named>().map_or_else(|| value.to_string(), |named| named.name.clone())
}

fn failed(source: minijinja::Error) -> Error {
    Error::internal("a pattern's template could not be filled").source(source)
}
