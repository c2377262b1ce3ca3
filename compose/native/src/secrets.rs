//! Passwords, made once and kept in a file that only its owner may read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flotilla::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::files::{self, File, Owner};
use crate::plan::Plan;

/// Database roles that log in with a password, besides the superuser. Each has one SCRAM verifier
/// for all shards, because PgBouncer can pass a login on only if it is the same everywhere.
pub const ROLES: [&str; 6] = ["app", "app_ro", "analytics", "migrator", "monitor", "backup"];
/// PgBouncer's console; no database knows it.
pub const POOL_ADMIN: &str = "pool_admin";
/// The superuser.
pub const SUPERUSER: &str = "postgres";
/// Streaming replication, and `pg_rewind` after a failover.
pub const REPLICATION: &str = "replicator";
/// What `pg_rewind` logs in as.
pub const REWIND: &str = "rewinder";
/// Redis: everything, for operators and for the readiness check.
pub const REDIS_OPERATOR: &str = "redis-operator";
/// Redis: what applications need.
pub const REDIS_APP: &str = "redis-app";
/// Redis: between servers.
pub const REDIS_PEER: &str = "redis-peer";
/// MinIO's administrator.
pub const MINIO_ROOT: &str = "minio-root";
/// What archives are encrypted with.
const ARCHIVE_KEY: &str = "archive-key";

/// Who does this with archives in a region; also the profile in AWS's shared files.
pub fn archive_user(region: &str, does: &str) -> String {
    format!("{region}-{does}")
}

/// Every secret of the stack.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Secrets {
    passwords: BTreeMap<String, String>,
    verifiers: BTreeMap<String, String>,
}

impl Secrets {
    /// Reads them and makes the ones that aren't there yet.
    pub fn prepare(plan: &Plan) -> Result<Self> {
        let path = plan.state.join("secrets/passwords.json");
        let mut secrets: Self = match files::read_if_there(&path)? {
            None => Self::default(),
            Some(text) => serde_json::from_str(&text).map_err(|source| {
                Error::config(format!("{} is damaged", path.display()))
                    .hint("Bring it back from a copy, or start anew with `compose/down --wipe`.")
                    .source(source)
            })?,
        };
        let others = [SUPERUSER, REPLICATION, REWIND, REDIS_OPERATOR, REDIS_APP, REDIS_PEER];
        let others = others.into_iter().chain([MINIO_ROOT, ARCHIVE_KEY]).chain(ROLES).chain([POOL_ADMIN]);
        let users: Vec<String> = plan
            .regions()
            .iter()
            .flat_map(|region| ["writer", "reader"].map(|does| archive_user(&region.name, does)))
            .collect();
        for name in others.map(str::to_owned).chain(users.iter().cloned()) {
            secrets.passwords.entry(name).or_insert_with(password);
        }
        for role in ROLES.into_iter().chain([POOL_ADMIN]) {
            let password = secrets.passwords[role].as_bytes();
            let verifier = || postgres_protocol::password::scram_sha_256(password);
            secrets.verifiers.entry(role.to_owned()).or_insert_with(verifier);
        }
        let text = serde_json::to_string_pretty(&secrets).map_err(|e| Error::internal("no JSON").source(e))?;
        File::new("secrets/passwords.json", text).owner(Owner::Caller).private().write(plan)?;
        File::new("secrets/userlist.txt", secrets.user_list()).owner(Owner::Shared).private().write(plan)?;
        for redis in [REDIS_OPERATOR, REDIS_APP] {
            let line = format!("{}\n", secrets.password(redis));
            File::new(format!("secrets/{redis}"), line).owner(Owner::Client).private().write(plan)?;
        }
        let key = format!("{}\n", secrets.password(ARCHIVE_KEY));
        File::new("secrets/archive.key", key).owner(Owner::Shared).private().write(plan)?;
        let credentials = users.iter().fold(String::from("# Written by stack.\n"), |mut text, user| {
            let secret = secrets.password(user);
            let _ = writeln!(text, "[{user}]\naws_access_key_id = {user}\naws_secret_access_key = {secret}");
            text
        });
        File::new(plan.object_credentials(), credentials).owner(Owner::Shared).private().write(plan)?;
        Ok(secrets)
    }

    /// The password of this name.
    pub fn password(&self, name: &str) -> &str {
        &self.passwords[name]
    }

    /// The SCRAM verifier of this role.
    pub fn verifier(&self, role: &str) -> &str {
        &self.verifiers[role]
    }

    /// PgBouncer's `auth_file`.
    fn user_list(&self) -> String {
        self.verifiers.iter().fold(String::new(), |mut text, (role, verifier)| {
            let _ = writeln!(text, "\"{role}\" \"{verifier}\"");
            text
        })
    }
}

/// 192 random bits in letters that need no quoting in any of the files they go into.
fn password() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_need_no_quotes_and_differ() {
        let (one, two) = (super::password(), super::password());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}
