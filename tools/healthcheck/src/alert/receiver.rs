//! Who is told, and how: Alertmanager, a webhook, a command.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use flotilla::http::{Client, Request};
use flotilla::{Code, Context, Error, Result, secret};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::judge::Stage;
use super::payload;
use super::state::{Alert, State};

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a command may take: it may have a mail server to wait for.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
/// How many attempts there are; the next run makes more.
const ATTEMPTS: usize = 4;

/// Who is told.
pub(super) enum Receiver {
    Alertmanager { url: String, client: Client, token: Option<SecretString> },
    Webhook { url: String, client: Client, token: Option<SecretString> },
    Command(String),
}

impl Receiver {
    /// Everybody that the command line names.
    pub(super) fn all(
        cx: &Context,
        alertmanagers: &[String],
        webhooks: &[String],
        command: Option<&str>,
        token: Option<&Path>,
    ) -> Result<Vec<Self>> {
        let token = token.map(|path| secret::from_file(path, "token")).transpose()?;
        let mut all = Vec::new();
        if !alertmanagers.is_empty() || !webhooks.is_empty() {
            for url in alertmanagers.iter().chain(webhooks) {
                if !(url.starts_with("http://") || url.starts_with("https://")) || url.contains('@') {
                    return Err(Error::usage(format!("{url:?} is not the URL of a receiver; nothing was touched"))
                        .hint(
                            "Write it as http://HOST:PORT or https://HOST; a token comes from --receiver-token-file.",
                        ));
                }
            }
            let client = Client::of(cx.config()?, None, LIMIT)?;
            let manager =
                |url: &String| Self::Alertmanager { url: url.clone(), client: client.clone(), token: token.clone() };
            let hook = |url: &String| Self::Webhook { url: url.clone(), client: client.clone(), token: token.clone() };
            all.extend(alertmanagers.iter().map(manager));
            all.extend(webhooks.iter().map(hook));
        }
        all.extend(command.map(|command| Self::Command(command.to_owned())));
        Ok(all)
    }

    /// What the state calls it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Alertmanager { url, .. } => format!("alertmanager {url}"),
            Self::Webhook { url, .. } => format!("webhook {url}"),
            Self::Command(_) => "command".to_owned(),
        }
    }

    /// Tells it what it is owed. Alertmanager is told all that goes on, each time: it remembers what it has passed
    /// on, and forgets what nobody repeats.
    pub(super) async fn tell(&self, cx: &Context, state: &State, keep: Duration) -> Result<()> {
        let cluster = &cx.config()?.cluster.name;
        let name = self.name();
        let is_owed = |alert: &&Alert| alert.owed.contains(&name);
        let owed: Vec<&Alert> = state.alerts.values().filter(is_owed).collect();
        match self {
            Self::Alertmanager { url, client, token } => {
                let goes_on = |alert: &&Alert| {
                    (alert.stage == Stage::Firing && alert.told.is_some() && !alert.silenced) || is_owed(alert)
                };
                let all: Vec<&Alert> = state.alerts.values().filter(goes_on).collect();
                if all.is_empty() {
                    return Ok(());
                }
                let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
                post(cx, client, &url, &payload::alertmanager(cluster, &all, keep), token.as_ref()).await
            }
            _ if owed.is_empty() => Ok(()),
            Self::Webhook { url, client, token } => {
                post(cx, client, url, &payload::webhook(cluster, &owed), token.as_ref()).await
            }
            Self::Command(command) => {
                let (subject, text) = payload::message(cluster, &owed);
                cx.unless_ended(run(command, &subject, &text)).await
            }
        }
    }
}

async fn post(cx: &Context, client: &Client, url: &str, document: &Value, token: Option<&SecretString>) -> Result<()> {
    let attempt = || async {
        let mut request = Request::post_json(url, document);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose_secret()));
        }
        let late = |_| Error::new(Code::Timeout, "no answer in time");
        let answer = tokio::time::timeout(LIMIT, client.ask(request)).await.map_err(late)??;
        if answer.is_success() {
            return Ok(());
        }
        let said: String = answer.text().chars().take(200).collect();
        // What it calls the caller's fault won't be better the next time.
        let again = answer.status >= 500 || answer.status == 429;
        Err(Error::new(Code::Mismatch, format!("it answered with {}: {}", answer.status, said.trim())).retryable(again))
    };
    let pauses = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(4))
        .with_max_times(ATTEMPTS - 1);
    cx.unless_ended(async { attempt.retry(pauses).when(Error::is_retryable).await }).await
}

async fn run(command: &str, subject: &str, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| Error::new(Code::Io, "the command could not be run").source(e);
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env("FLOTILLA_SUBJECT", subject)
        .stdin(Stdio::piped())
        // Standard output is for records.
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let input = child.stdin.take();
    let done = async {
        if let Some(mut input) = input {
            // One that doesn't read is judged by how it ends.
            let _ = input.write_all(text.as_bytes()).await;
        }
        child.wait().await
    };
    let late = |_| Error::new(Code::Timeout, "the command did not end in time");
    let status = tokio::time::timeout(COMMAND_LIMIT, done).await.map_err(late)?.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Error::new(Code::Mismatch, format!("the command failed ({status})"))) }
}
