//! Asking servers by the clients that their packages bring.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::plan::Plan;

use super::Member;

/// Runs a client to its end: what it printed, or why it failed.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).current_dir("/").output();
    let output = output.map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    let error = said(&output.stderr);
    let last = error.lines().last().unwrap_or_default();
    Err(if last.is_empty() { format!("no answer ({})", output.status) } else { last.to_owned() })
}

/// An HTTPS request to a member by its name, as the operator.
pub(super) fn https(plan: &Plan, member: &Member, port: u16, path: &str) -> Result<String, String> {
    run(&mut request(plan, member, port, path))
}

/// Sends a change to a member by its name, as the operator.
pub(super) fn patch(plan: &Plan, member: &Member, port: u16, path: &str, body: &Value) -> Result<String, String> {
    run(request(plan, member, port, path).args(["--fail", "--request", "PATCH", "--data"]).arg(body.to_string()))
}

fn request(plan: &Plan, member: &Member, port: u16, path: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "5", "--cacert"]).arg(plan.authority());
    curl.arg("--cert").arg(plan.certificate("operator")).arg("--key").arg(plan.key("operator"));
    curl.arg("--resolve").arg(format!("{}:{port}:{}", member.name, member.address));
    curl.arg(format!("https://{}:{port}{path}", member.name));
    curl
}

/// The last word on a JSON document that isn't as it should be.
pub(super) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|_| format!("an answer that is no JSON: {}", text.chars().take(60).collect::<String>()))
}
