//! Stores of archives: who reads them, and what becomes of what is deleted there.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flotilla::config::{ArchiveStore, Config, StoreUrl};
use flotilla::http::{Client, Request};
use flotilla::tls::Roots;
use flotilla::{Code, Error};
use flotilla_archive::store::{Class, Entry, Listing, Store as Objects};
use futures_util::TryStreamExt as _;

use super::facts::{Facts, Unseen};
use super::rule::{Judged, MOOT, Rule, Severity, holds};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject};

/// One store.
pub(crate) struct Store;

/// What MinIO calls its administrator, and that one's password, where nobody has said.
const DEFAULT_KEY: &str = "minioadmin";

impl Auditor for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Store(store) => Some(match (&store.endpoint, &store.url) {
                (Some(endpoint), StoreUrl::S3 { .. }) => format!("{endpoint} {}", store.url),
                _ => store.url.to_string(),
            }),
            Subject::Target(_) => None,
        }
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Subject::Store(store) = &instance.subject else {
                return Err(Error::internal("a store was expected"));
            };
            let store = patient(store);
            let objects = Objects::open(&store).await?;
            let mut facts = Facts::default();
            match &store.url {
                StoreUrl::File(path) => {
                    facts.note("folder_mode", mode(path));
                    for name in ["url", "stranger_lists", "stranger_reads", "default_key", "keeps_versions"] {
                        facts.saw(name, ());
                    }
                    facts.saw("credentials_mode", ());
                }
                StoreUrl::S3 { bucket, path } => {
                    facts.saw("folder_mode", ());
                    s3(asking, &store, &objects, bucket, path, &mut facts).await?;
                }
            }
            Ok(facts)
        })
    }
}

/// The same store with as much time as an audit has for one question.
fn patient(store: &ArchiveStore) -> ArchiveStore {
    let at_most = |seconds: u64| seconds.min(5);
    ArchiveStore {
        connect_timeout_seconds: at_most(store.connect_timeout_seconds),
        stall_timeout_seconds: at_most(store.stall_timeout_seconds),
        retry_seconds: at_most(store.retry_seconds),
        ..store.clone()
    }
}

async fn s3(
    asking: &Asking,
    store: &ArchiveStore,
    objects: &Objects,
    bucket: &str,
    path: &str,
    facts: &mut Facts,
) -> Result<(), Error> {
    // Whoever has the right to gets an answer, or silence to others would prove nothing.
    let mut entries = objects.list(Listing::default());
    let first = entries.try_next().await.map_err(Error::from)?;
    let url = bucket_url(store, bucket);
    facts.saw("url", &url);
    let client = match &store.ca_file {
        Some(path) => Client::new(Roots::from_file(path)?, None, asking.limit)?,
        None => asking.stranger()?,
    };
    let status = async |url: String| client.ask(Request::get(&url)).await.map(|answer| answer.status);
    facts.note("stranger_lists", status(format!("{url}/?list-type=2&max-keys=1")).await);
    match first {
        Some(Entry::Object(meta)) => {
            let key = if path.is_empty() { meta.key } else { format!("{path}/{}", meta.key) };
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
            if key.bytes().all(plain) {
                facts.note("stranger_reads", status(format!("{url}/{key}")).await);
            } else {
                facts.missed("stranger_reads", Unseen::new("the first object's name can't stand in a URL"));
            }
        }
        _ => facts.missed("stranger_reads", Unseen::new("it holds no object").hint("Make a backup: walg-wrap push.")),
    }
    facts.note("default_key", default_key(store).await);
    facts.note("keeps_versions", objects.keeps_versions().await.map_err(Error::from));
    match &store.credentials_file {
        Some(path) => facts.note("credentials_mode", mode(path)),
        None => facts.saw("credentials_mode", ()),
    }
    Ok(())
}

fn bucket_url(store: &ArchiveStore, bucket: &str) -> String {
    let endpoint = store.endpoint.clone().unwrap_or_else(|| match &store.region {
        Some(region) => format!("https://s3.{region}.amazonaws.com"),
        None => "https://s3.amazonaws.com".to_owned(),
    });
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !store.path_style => format!("{scheme}://{bucket}.{host}"),
        _ => format!("{endpoint}/{bucket}"),
    }
}

fn mode(path: &Path) -> Result<u32, Unseen> {
    let looked = path.metadata().map_err(|error| {
        Unseen::from(Error::new(Code::Io, format!("could not look at {}", path.display())).source(error))
            .hint("Audit as somebody who may look at it.")
    })?;
    Ok(looked.permissions().mode() & 0o777)
}

/// Whether the service knows the administrator that everybody knows. Amazon's has none; null.
async fn default_key(store: &ArchiveStore) -> Result<Option<bool>, Unseen> {
    if store.endpoint.is_none() {
        return Ok(None);
    }
    let file = tempfile::NamedTempFile::new().and_then(|mut file| {
        writeln!(file, "[{DEFAULT_KEY}]\naws_access_key_id = {DEFAULT_KEY}\naws_secret_access_key = {DEFAULT_KEY}")?;
        Ok(file)
    });
    let file = file.map_err(|e| Unseen::from(Error::new(Code::Io, "could not write a temporary file").source(e)))?;
    let as_everybody = ArchiveStore {
        profile: Some(DEFAULT_KEY.to_owned()),
        credentials_file: Some(file.path().to_owned()),
        ..store.clone()
    };
    let objects = Objects::open(&as_everybody).await?;
    let mut entries = objects.list(Listing::default().flat());
    match entries.try_next().await {
        Ok(_) => Ok(Some(true)),
        Err(error) if error.class() == Class::Denied => Ok(Some(false)),
        Err(error) => Err(Unseen::from(Error::from(error))),
    }
}

const RULES: &[Rule] = &[
    Rule {
        name: "store-plaintext",
        severity: Severity::Fail,
        proof: false,
        why: "What is stored, and the signatures of requests, can be read on the way.",
        mend: "Give the service a certificate, and https in the store's endpoint.",
        judge: |facts: &Facts| match facts.find::<String>("url")? {
            None => MOOT,
            Some(url) => holds(url.starts_with("https://"), format!("it is at {url}")),
        },
    },
    Rule {
        name: "store-public-list",
        severity: Severity::Fail,
        proof: true,
        why: "Everybody sees which backups there are, of what size and when they are made.",
        mend: "Take away the bucket's public policy.",
        judge: |facts: &Facts| stranger(facts, "stranger_lists", "a listing"),
    },
    Rule {
        name: "store-public-read",
        severity: Severity::Fail,
        proof: true,
        why: "Everybody can fetch backups; that they are encrypted is then all that protects them.",
        mend: "Take away the bucket's public policy.",
        judge: |facts: &Facts| stranger(facts, "stranger_reads", "an object"),
    },
    Rule {
        name: "store-default-key",
        severity: Severity::Fail,
        proof: true,
        why: "The service still has the administrator that its documentation names: everybody is one.",
        mend: "Set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD, and restart it.",
        judge: |facts: &Facts| match facts.find::<bool>("default_key")? {
            None => MOOT,
            Some(true) => holds(false, format!("{DEFAULT_KEY} with the same password gets in")),
            Some(false) => holds(true, format!("{DEFAULT_KEY} doesn't get in")),
        },
    },
    Rule {
        name: "store-unversioned",
        severity: Severity::Warn,
        proof: false,
        why: "Whoever gets hold of the key that writes can delete every backup for good.",
        mend: "Turn the bucket's versioning on, with a rule that removes old versions after some days.",
        judge: |facts: &Facts| match facts.find::<bool>("keeps_versions")? {
            None => MOOT,
            Some(true) => holds(true, "the bucket keeps what is deleted"),
            Some(false) => holds(false, "the bucket keeps no versions"),
        },
    },
    Rule {
        name: "store-credentials-open",
        severity: Severity::Fail,
        proof: false,
        why: "Others on this machine can read the key that writes and deletes backups.",
        mend: "chmod 600 the credentials file, or 640 with a group of its own.",
        judge: |facts: &Facts| match facts.find::<u32>("credentials_mode")? {
            None => MOOT,
            Some(mode) => holds(mode & 0o027 == 0, format!("the credentials file has mode {mode:04o}")),
        },
    },
    Rule {
        name: "store-folder-open",
        severity: Severity::Fail,
        proof: false,
        why: "Others on this machine can read backups or change them.",
        mend: "chmod 700 the folder, or 750 with a group of its own.",
        judge: |facts: &Facts| match facts.find::<u32>("folder_mode")? {
            None => MOOT,
            Some(mode) => holds(mode & 0o027 == 0, format!("the folder has mode {mode:04o}")),
        },
    },
];

fn stranger(facts: &Facts, name: &str, what: &str) -> Judged {
    let Some(status) = facts.find::<u16>(name)? else { return MOOT };
    match status {
        401 | 403 => holds(true, format!("{what} without a signature is refused with {status}")),
        200..=299 => holds(false, format!("{what} is given without a signature")),
        status => Err(Unseen::new(format!("{what} without a signature is answered by {status}"))),
    }
}
