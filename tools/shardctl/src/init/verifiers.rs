//! SCRAM verifiers: the same on all shards, so that the poolers' one file fits every server.

use flotilla::config::Config;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;

use crate::schema::quoted;

/// Settings under which the server's log holds no statement and no parameter. Who reads a verifier
/// there could try it against guesses for as long as he likes.
const UNLOGGED: [(&str, &str); 5] = [
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("log_min_duration_sample", "-1"),
    ("log_transaction_sample_rate", "0"),
    ("log_min_error_statement", "panic"),
];

/// The verifiers of the roles that init makes, as the secrets file has them.
pub(super) struct Verifiers(Vec<(String, String)>);

impl Verifiers {
    /// Reads PgBouncer's `auth_file`: a line `"role" "SCRAM-SHA-256$…"` for each role. Roles that init
    /// doesn't make, as the pooler's own, are left alone.
    pub(super) fn load(config: &Config) -> Result<Self> {
        let Some(path) = &config.secrets.verifiers else { return Ok(Self(Vec::new())) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::new(Code::Config, format!("could not read the verifiers in {shown}"))
                .hint("Correct secrets.verifiers in flotilla.toml, or take it out to set passwords by hand.")
                .source(e)
        })?;
        let users = &config.users;
        let made = [&users.app, &users.app_ro, &users.migrator, &users.monitor, &users.backup, "analytics"];
        let mut verifiers = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with(';') {
                continue;
            }
            // The line itself is never shown: it may hold a password.
            let (role, verifier) = pair(line).ok_or_else(|| {
                Error::config(format!("{shown}:{number}: not a role and a verifier"))
                    .hint("Write \"role\" \"SCRAM-SHA-256$…\", both in double quotes.")
            })?;
            if !made.contains(&role.as_str()) {
                continue;
            }
            if !verifier.starts_with("SCRAM-SHA-256$") {
                return Err(Error::config(format!("{shown}:{number}: role \"{role}\" has no SCRAM verifier")).hint(
                    "Plain passwords and md5 are refused; make a verifier with psql's \\password and pg_authid.",
                ));
            }
            verifiers.push((role, verifier));
        }
        Ok(Self(verifiers))
    }

    /// Gives the roles their verifiers where they have another; which ones.
    pub(super) async fn set(&self, session: &Session, missing: &mut Vec<String>) -> Result<Vec<String>> {
        let mut set = Vec::new();
        if self.0.is_empty() {
            return Ok(set);
        }
        if session.value("SHOW is_superuser").await?.as_deref() != Some("on") {
            missing.push(
                "verifiers: only a superuser can compare and set them; set the roles' passwords by hand".to_owned(),
            );
            return Ok(set);
        }
        session.simple(&UNLOGGED.map(|(name, value)| format!("SET LOCAL {name} = {value};")).concat()).await?;
        for (role, verifier) in &self.0 {
            let same = "SELECT rolpassword IS NOT DISTINCT FROM $2 FROM pg_catalog.pg_authid WHERE rolname = $1";
            if session.query_one(same, &[role, verifier]).await?.get(0) {
                continue;
            }
            let sql = format!("ALTER ROLE {} PASSWORD {}", quoted(role, '"'), quoted(verifier, '\''));
            session.simple(&sql).await?;
            set.push(role.clone());
        }
        session.simple(&UNLOGGED.map(|(name, _)| format!("SET LOCAL {name} TO DEFAULT;")).concat()).await?;
        Ok(set)
    }
}

/// Two double-quoted words; a quote in a word is doubled.
pub fn pair(line: &str) -> Option<(String, String)> {
    let (first, rest) = word(line.trim())?;
    let (second, _) = word(rest.trim_start())?;
    Some((first, second))
}

fn word(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut word = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        word.push_str(part);
        rest = after;
        let Some(more) = rest.strip_prefix('"') else { return Some((word, rest)) };
        word.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn lines_of_an_auth_file() {
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(pair("\"app\" \"SCRAM-SHA-256$4096:x$y:z\""), two("app", "SCRAM-SHA-256$4096:x$y:z"));
        assert_eq!(pair(" \"a\"\"b\"\t\"c\" trailing"), two("a\"b", "c"));
        for bad in ["app secret", "\"app\"", "\"app\" \"open", "\"app", ""] {
            assert_eq!(pair(bad), None, "{bad}");
        }
    }
}
