//! etcd: who may write which node leads.

use flotilla::config::Config;
use flotilla::http::Request;
use flotilla::target::Kind;
use flotilla::{Code, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::{Facts, Unseen};
use super::rule::{Judged, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject};

/// One member, by its gateway for HTTP.
pub(crate) struct Etcd;

/// How a request without a certificate met.
#[derive(Debug, Serialize, Deserialize)]
struct Met {
    /// Null where there was no answer but the end of the handshake.
    status: Option<u16>,
    said: String,
}

impl Auditor for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Target(target) => match &target.kind {
                Kind::Etcd(etcd) => Some(etcd.url.clone()),
                _ => None,
            },
            Subject::Store(_) => None,
        }
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let url = instance.endpoint.trim_end_matches('/');
            let members = format!("{url}/v3/cluster/member/list");
            let ask = Request::post_json(&members, &json!({}));
            // That it answers with the certificate is what makes its silence without one a refusal.
            let known = asking.http()?.ask(ask).await.and_then(|answer| answer.json());
            let mut facts = Facts::default();
            facts.saw("url", url);
            let answers = known.as_ref().is_ok_and(|known| known["members"].is_array());
            facts.note("urls", known.map(|known| urls(&known)));
            facts.note("stranger", stranger(asking, url, answers).await);
            Ok(facts)
        })
    }
}

/// What its members listen on.
fn urls(members: &Value) -> Vec<String> {
    let members = members["members"].as_array().into_iter().flatten();
    let lists = members.flat_map(|member| ["peerURLs", "clientURLs"].map(|kind| member[kind].as_array()));
    lists.flatten().flatten().filter_map(|url| url.as_str().map(str::to_owned)).collect()
}

/// Reads a key that there isn't, as nobody in particular.
async fn stranger(asking: &Asking, url: &str, answers_others: bool) -> Result<Met, Unseen> {
    let range = format!("{url}/v3/kv/range");
    // "flotilla.audit" in base64, as the gateway wants keys.
    let ask = Request::post_json(&range, &json!({ "key": "ZmxvdGlsbGEuYXVkaXQ=" }));
    match asking.stranger()?.ask(ask).await {
        Ok(answer) => Ok(Met { status: Some(answer.status), said: answer.text().trim().chars().take(80).collect() }),
        Err(error) if error.code() == Code::Tls && answers_others => {
            Ok(Met { status: None, said: error.message().to_owned() })
        }
        Err(error) if error.code() == Code::Tls => Err(Unseen::from(Error::new(
            Code::Tls,
            format!("it answers nobody, with the certificate of health.sslcert or without: {}", error.message()),
        ))),
        Err(error) => Err(error.into()),
    }
}

const RULES: &[Rule] = &[
    Rule {
        name: "etcd-plaintext",
        severity: Severity::Fail,
        proof: false,
        why: "Whoever is on the way reads and changes which node leads.",
        mend: "Give etcd certificates for clients, and https in the topology.",
        judge: |facts: &Facts| {
            let url: String = facts.get("url")?;
            holds(url.starts_with("https://"), format!("it is asked at {url}"))
        },
    },
    Rule {
        name: "etcd-open",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever may write the leader's key decides which node leads, and can make two believe so.",
        mend: "Set client-cert-auth with trusted-ca-file, or etcd's own users.",
        judge: open,
    },
    Rule {
        name: "etcd-plaintext-peer",
        severity: Severity::Fail,
        proof: false,
        why: "Members agree over this, so whoever is on the way has a say.",
        mend: "Set peer-transport-security with client-cert-auth, and https in the peers' and clients' URLs.",
        judge: |facts: &Facts| {
            let urls: Vec<String> = facts.get("urls")?;
            if urls.is_empty() {
                return Err(Unseen::new("it names no members"));
            }
            let plain: Vec<String> = urls.into_iter().filter(|url| !url.starts_with("https://")).collect();
            none(&plain, "members and clients speak TLS", "without TLS")
        },
    },
];

fn open(facts: &Facts) -> Judged {
    let Met { status, said } = facts.get("stranger")?;
    match status {
        None => holds(true, format!("a request without a certificate is refused: {said}")),
        Some(401 | 403) => holds(true, format!("a request without a login is refused: {said}")),
        // Its own users, asked for in the gateway's words.
        Some(400) if said.contains("user name is empty") => holds(true, "a request without a login is refused"),
        Some(200) => holds(false, "a request without a certificate or login is answered"),
        Some(status) => Err(Unseen::new(format!("a request without a certificate is answered by {status}: {said}"))),
    }
}
