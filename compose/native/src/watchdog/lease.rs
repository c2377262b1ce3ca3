//! The leader's key in etcd, given back for a Patroni that is dead.
//!
//! It is what Patroni does itself when it stops in good order: the key is deleted if it still names this node,
//! in one transaction of etcd's, so that nobody else's is touched whoever was faster.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flotilla::config::Config;
use flotilla::http::{Client, Request};
use flotilla::tls::Identity;
use flotilla::{Code, Error, Result};
use serde_json::json;

use super::Settings;

/// How long one member of etcd may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Who can give it back.
pub(super) struct Lease {
    client: Client,
    /// Every member of etcd: any will do.
    members: Vec<String>,
    key: String,
    node: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It was this node's, and is nobody's now.
    Back,
    /// It wasn't this node's any more.
    Other,
}

impl Lease {
    /// The lease of a node.
    pub(super) fn of(settings: &Settings, config: &Config) -> Result<Self> {
        let identity = Identity::from_files(&settings.sslcert, &settings.sslkey)?;
        Ok(Self {
            client: Client::of(config, Some(identity), LIMIT)?,
            members: config.etcd.iter().map(|member| member.url.trim_end_matches('/').to_owned()).collect(),
            key: settings.leader_key.clone(),
            node: settings.node.clone(),
        })
    }

    /// Gives it back, by the first member that answers.
    pub(super) async fn give_back(&self) -> Result<Given> {
        let mut failed = Error::config("the topology has no etcd");
        for member in &self.members {
            match self.ask(member).await {
                Ok(given) => return Ok(given),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// etcd's gateway for HTTP; what it takes and answers is described at
    /// <https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/>.
    async fn ask(&self, member: &str) -> Result<Given> {
        let (url, key) = (format!("{member}/v3/kv/txn"), STANDARD.encode(&self.key));
        let transaction = json!({
            "compare": [{ "key": key, "target": "VALUE", "result": "EQUAL", "value": STANDARD.encode(&self.node) }],
            "success": [{ "request_delete_range": { "key": key } }],
        });
        let asked = self.client.ask(Request::post_json(&url, &transaction));
        let answer = tokio::time::timeout(LIMIT, asked)
            .await
            .map_err(|_| Error::new(Code::Timeout, format!("{member} did not answer within {LIMIT:?}")))??;
        if !answer.is_success() {
            let why = format!("{member} answered {}: {}", answer.status, answer.text());
            return Err(Error::new(Code::QueryFailed, why));
        }
        // A comparison that fails is left out of the answer.
        Ok(if answer.json()?["succeeded"] == true { Given::Back } else { Given::Other })
    }
}
