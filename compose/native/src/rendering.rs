//! Pool and balancer configuration, from the tool whose job it is.

use std::process::{Command, Stdio};

use flotilla::{Code, Error, Result};
use serde::Deserialize;

use crate::plan::Plan;

/// The part of `poolcfg render`'s record that is needed here.
#[derive(Deserialize)]
struct Rendered {
    target: String,
    text: Option<String>,
}

/// The configuration that `poolcfg render` gives a target.
pub(crate) fn rendered(plan: &Plan, target: &str) -> Result<String> {
    let tool = plan.tool("poolcfg");
    let mut command = Command::new(&tool);
    command.args(["render", "-o", "json", "-t", target, "--config"]).arg(plan.topology());
    command.arg("--run-folder").arg(plan.run_folder());
    let output = command.stdin(Stdio::null()).output().map_err(|source| {
        Error::new(Code::NotFound, format!("could not run {}", tool.display()))
            .hint("Run compose/install, which builds the tools.")
            .source(source)
    })?;
    let line: Option<Rendered> = serde_json::from_slice(&output.stdout).ok();
    match line {
        Some(Rendered { target: name, text: Some(text) }) if output.status.success() && name == target => Ok(text),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Error::new(Code::Config, format!("poolcfg could not render the configuration of \"{target}\""))
                .source(said))
        }
    }
}
