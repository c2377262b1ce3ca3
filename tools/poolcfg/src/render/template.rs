//! Templates that refuse to leave a gap.

use flotilla::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Fills a template. A value that is missing is an error, never an empty place; a line that holds
/// only a tag leaves no empty line.
pub(super) fn fill(template: &'static str, values: &impl Serialize) -> Result<String> {
    let failed = |source: minijinja::Error| Error::internal("a template could not be filled").source(source);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(failed)?);
    environment.render_str(template, Serde(values)).map_err(failed)
}
