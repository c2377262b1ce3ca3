//! Patroni: who may change what it does, and what it shows to everybody.

use flotilla::config::Config;
use flotilla::http::{Answer, Client, Request};
use flotilla::{Code, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::{Facts, Unseen};
use super::rule::{Judged, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject, node};

/// One Patroni, by its REST interface.
pub(crate) struct Patroni;

/// How a request met that must not succeed.
#[derive(Debug, Serialize, Deserialize)]
struct Met {
    /// Null where the connection was closed instead.
    status: Option<u16>,
    said: String,
}

impl Auditor for Patroni {
    fn name(&self) -> &'static str {
        "patroni"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        node(subject)?.1.patroni.clone()
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let url = instance.endpoint.trim_end_matches('/');
            let stranger = asking.stranger()?;
            // It is there, and answers the ones that it knows.
            asking.http()?.ask(Request::get(&format!("{url}/patroni"))).await?;
            let mut facts = Facts::default();
            facts.saw("url", url);
            facts.note("change", change(&stranger, url).await);
            facts.note("shown", shown(&stranger, url).await);
            Ok(facts)
        })
    }
}

/// A change that would change nothing: an empty one. Patroni asks who it is from before it looks at what it is.
async fn change(stranger: &Client, url: &str) -> Result<Met, Error> {
    let answer = stranger.ask(Request::patch_json(&format!("{url}/config"), &json!({}))).await;
    met(answer, "Patroni takes an empty change and answers nothing")
}

/// A request that was answered, or cut off in the handshake for want of a certificate. One that was broken off
/// later was taken.
fn met(answer: Result<Answer, Error>, taken: &str) -> Result<Met, Error> {
    match answer {
        Ok(answer) => Ok(Met { status: Some(answer.status), said: answer.text().trim().chars().take(80).collect() }),
        Err(error) if error.code() == Code::Tls => Ok(Met { status: None, said: error.message().to_owned() }),
        Err(error) if error.code() == Code::Unreachable => Ok(Met { status: Some(0), said: taken.to_owned() }),
        Err(error) => Err(error),
    }
}

/// What its settings have that looks like a secret, by their names; null where it doesn't show them.
async fn shown(stranger: &Client, url: &str) -> Result<Option<Vec<String>>, Error> {
    match stranger.ask(Request::get(&format!("{url}/config"))).await {
        Ok(answer) if answer.is_success() => {
            let mut found = Vec::new();
            secrets("", &answer.json()?, &mut found);
            Ok(Some(found))
        }
        Ok(_) => Ok(None),
        Err(error) if error.code() == Code::Tls => Ok(None),
        Err(error) => Err(error),
    }
}

fn secrets(at: &str, value: &Value, found: &mut Vec<String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| secrets(&below(name), value, found)),
        Value::Array(items) => items.iter().for_each(|value| secrets(at, value, found)),
        Value::String(text) => {
            let name = at.rsplit('.').next().unwrap_or(at).to_lowercase();
            let named = (name.contains("password") && name != "password_encryption") || name.contains("secret");
            let within = text.to_lowercase().replace(' ', "").contains("password=");
            if (named && !text.is_empty()) || within {
                found.push(at.to_owned());
            }
        }
        _ => {}
    }
}

const RULES: &[Rule] = &[
    Rule {
        name: "patroni-plaintext",
        severity: Severity::Fail,
        proof: false,
        why: "Who leads is told, and orders are given, to whoever is on the way.",
        mend: "Set restapi.certfile and restapi.keyfile, and https in the topology.",
        judge: |facts: &Facts| {
            let url: String = facts.get("url")?;
            holds(url.starts_with("https://"), format!("it is asked at {url}"))
        },
    },
    Rule {
        name: "patroni-open",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever reaches the port can switch the primary, restart nodes and change settings.",
        mend: "Set restapi.verify_client: optional with restapi.cafile, or restapi.authentication.",
        judge: open,
    },
    Rule {
        name: "patroni-shown-secret",
        severity: Severity::Fail,
        proof: true,
        why: "Its settings can be read by whoever reaches the port.",
        mend: "Keep passwords in the node's own file or a password file, not in the settings that all nodes share.",
        judge: |facts: &Facts| match facts.find::<Vec<String>>("shown")? {
            None => holds(true, "it shows its settings to nobody"),
            Some(found) => none(&found, "its settings show no secret", "shown to everybody"),
        },
    },
];

fn open(facts: &Facts) -> Judged {
    let Met { status, said } = facts.get("change")?;
    match status {
        None => holds(true, format!("a change without a certificate is refused: {said}")),
        Some(401 | 403) => holds(true, format!("a change without a certificate or login is refused: {said}")),
        // It asks who it is from first; whatever comes after that question is too late.
        Some(0 | 200..=299 | 400 | 409 | 411 | 412 | 503) => {
            holds(false, "a change by nobody in particular gets past the question who it is from")
        }
        Some(status) => Err(Unseen::new(format!("a change by nobody in particular is answered by {status}: {said}"))),
    }
}
