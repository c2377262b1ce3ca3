//! Writes what is derived from the tools themselves: man pages, shell completions, JSON Schemas
//! and the tables of `docs/contract.md`.
//!
//! The results are committed, so that a package needs no build to ship them and a review shows
//! what a change does to the promise. `--check` writes nothing and fails when they are stale.

mod completions;
mod contract;
mod fields;
mod options;
mod overview;
mod page;
mod prose;
mod records;
mod tools;
mod tree;
mod typeset;
mod verb_page;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::tree::Tree;

/// What writes the committed files anew.
const REFRESH: &str = "cargo run -p flotilla-man";

/// Write man pages, completions, schemas and the tables of docs/contract.md
#[derive(Parser)]
#[command(name = "flotilla-man", version)]
struct Cli {
    /// Write nothing; name the stale files and exit with 1 when there are any
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("flotilla-man: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate has no parent folder")?;
    let tree = generate(root)?;
    if !cli.check {
        let written = tree.write()?;
        say(&format!("flotilla-man: {} files, {written} of them written", tree.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let stale = tree.stale()?;
    for path in &stale {
        say(&format!("flotilla-man: {path} is stale"));
    }
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("  hint: Run `{REFRESH}` and commit what it writes."));
    Ok(ExitCode::FAILURE)
}

/// Every generated file, by its path in the checkout.
fn generate(root: &Path) -> Result<Tree> {
    let tools = tools::all();
    let mut tree = Tree::new(root, "man/out");
    let seven = prose::Prose::read(root, "man/flotilla.7.md")?;
    for tool in &tools {
        let hand_written = prose::Prose::read(root, &format!("man/{}.md", tool.name))?;
        for (name, text) in verb_page::all(tool, hand_written, &seven)? {
            tree.add(format!("man/out/{name}"), text);
        }
        for (name, text) in completions::all(tool) {
            tree.add(format!("man/out/completions/{name}"), text);
        }
    }
    tree.add("man/out/flotilla.7", overview::flotilla(&tools, seven)?);
    tree.add("man/out/flotilla.toml.5", overview::topology_file(prose::Prose::read(root, "man/flotilla.toml.5.md")?)?);
    for record in records::all(&tools) {
        tree.add(format!("man/out/schemas/{}.json", record.kind), records::schema(&record)?);
    }
    let frame =
        std::fs::read_to_string(root.join(contract::PATH)).with_context(|| format!("reading {}", contract::PATH))?;
    tree.add(contract::PATH, contract::fill(&frame, &tools)?);
    Ok(tree)
}

fn say(text: &str) {
    // A closed standard error is nobody to complain to.
    let _ = writeln!(std::io::stderr(), "{text}");
}
