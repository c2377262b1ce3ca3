//! Pool and balancer configuration, from the tool whose job it is.

use std::path::Path;
use std::process::{Command, Stdio};

use flotilla::{Code, Error, Result};
use serde::Deserialize;

use crate::change::Change;
use crate::files::{File, Owner};
use crate::parts::{Member, Need};
use crate::plan::Plan;

/// The part of `poolcfg render`'s record that is needed here.
#[derive(Deserialize)]
struct Rendered {
    target: String,
    text: Option<String>,
}

/// The same of a file that is no target's.
#[derive(Deserialize)]
struct Named {
    file: String,
    text: String,
}

/// The tool.
pub(crate) fn need(plan: &Plan) -> Need {
    Need { program: plan.tool("poolcfg"), package: "poolcfg (by compose/install)" }
}

/// A member's configuration under this name, as `poolcfg render` gives it; its server reloads it.
pub(crate) fn file(plan: &Plan, member: &Member, name: &str) -> Result<File> {
    let output = render(plan, &plan.topology(), &["-t", &member.name])?;
    let line: Rendered = serde_json::from_slice(&output)
        .map_err(|source| Error::internal("poolcfg wrote a line that can't be read").source(source))?;
    match line {
        Rendered { target, text: Some(text) } if target == member.name => {
            Ok(File::new(plan.configuration(&target).join(name), text).owner(Owner::Servers).takes(Change::Reload))
        }
        _ => Err(Error::internal(format!("poolcfg wrote no configuration of \"{}\"", member.name))),
    }
}

/// Prometheus's configuration and rules, as files in this folder.
pub(crate) fn prometheus(plan: &Plan, folder: &Path) -> Result<Vec<File>> {
    let output = render(plan, &plan.topology(), &["prometheus"])?;
    let lines = String::from_utf8_lossy(&output).into_owned();
    let file = |line: &str| {
        let broken = |source| Error::internal("poolcfg wrote a line that can't be read").source(source);
        let line: Named = serde_json::from_str(line).map_err(broken)?;
        Ok(File::new(folder.join(line.file), line.text).owner(Owner::Servers).takes(Change::Reload))
    };
    lines.lines().map(file).collect()
}

/// Whether every configuration can be rendered from this topology.
pub(crate) fn check(plan: &Plan, topology: &Path) -> Result<()> {
    render(plan, topology, &["--all"]).map(drop)
}

fn render(plan: &Plan, topology: &Path, which: &[&str]) -> Result<Vec<u8>> {
    let tool = plan.tool("poolcfg");
    let mut command = Command::new(&tool);
    command.args(["render", "-o", "json", "--config"]).arg(topology).args(which);
    command.arg("--run-folder").arg(plan.run_folder());
    let output = command.stdin(Stdio::null()).output().map_err(|source| {
        Error::new(Code::NotFound, format!("could not run {}", tool.display()))
            .hint("Run compose/install, which builds the tools.")
            .source(source)
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::config(format!("poolcfg could not render from {}", topology.display())).source(said))
}
