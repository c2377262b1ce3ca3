//! What servers say to logins that must not succeed.

use flotilla::pg::Endpoint;
use flotilla::pg::knock::{Answer, Proof};
use flotilla::{Code, Context, Error};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::facts::Unseen;
use super::rule::{Judged, holds};

/// How a server met a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Met {
    /// Who knocked.
    pub(crate) user: String,
    /// What the server did.
    pub(crate) answer: Word,
    /// In its own words, where it refused.
    #[serde(default)]
    pub(crate) said: String,
}

/// What a server does to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// It refuses.
    Refuses,
    /// It can't say: it is busy, or has no such database.
    Evades,
    /// It asks for a proof that doesn't give the password away.
    AsksScram,
    /// It asks for the password, or something as good.
    AsksPassword,
    /// It lets the user in.
    LetsIn,
}

/// Knocks without showing any password.
pub(crate) async fn knock(endpoint: Endpoint, encrypted: bool) -> Result<Met, Error> {
    let user = endpoint.user().to_owned();
    let (answer, said) = match endpoint.knock(encrypted).await? {
        Answer::LetsIn => (Word::LetsIn, String::new()),
        Answer::Asks(Proof::Scram | Proof::Other) => (Word::AsksScram, String::new()),
        Answer::Asks(Proof::Md5 | Proof::Password) => (Word::AsksPassword, String::new()),
        // By these the rules of who may come from where refuse; PgBouncer has but one state for everything.
        Answer::Refused { sqlstate, message } if matches!(&*sqlstate, "28000" | "28P01") => (Word::Refuses, message),
        Answer::Refused { sqlstate, message } if sqlstate == "08P01" && is_refusal(&message) => {
            (Word::Refuses, message)
        }
        Answer::Refused { message, .. } => (Word::Evades, message),
    };
    Ok(Met { user, answer, said })
}

/// PgBouncer's words.
fn is_refusal(message: &str) -> bool {
    ["SSL required", "TLS required", "no such user", "authentication failed", "login rejected"]
        .iter()
        .any(|words| message.contains(words))
}

/// Logs in with a password that nobody has.
pub(crate) async fn guess(cx: &Context, endpoint: Endpoint) -> Result<Met, Error> {
    let user = endpoint.user().to_owned();
    let password = SecretString::from(format!("not the password {}", cx.run_id()));
    match cx.connect(endpoint.with_password(password)).await {
        Ok(session) => {
            session.close().await;
            Ok(Met { user, answer: Word::LetsIn, said: String::new() })
        }
        Err(error) if error.code() == Code::AuthFailed => {
            Ok(Met { user, answer: Word::Refuses, said: error.message().to_owned() })
        }
        Err(error) => Err(error),
    }
}

/// A login without TLS must be refused before a password is asked for.
pub(crate) fn without_tls(met: &Met) -> Judged {
    let Met { user, answer, said } = met;
    match answer {
        Word::Refuses => holds(true, format!("a login without TLS as \"{user}\" is refused: {said}")),
        Word::AsksScram | Word::AsksPassword => {
            holds(false, format!("a login without TLS as \"{user}\" is asked for its password"))
        }
        Word::LetsIn => holds(false, format!("a login without TLS as \"{user}\" is let in")),
        Word::Evades => Err(Unseen::new(format!("a login without TLS as \"{user}\" got no clear answer: {said}"))),
    }
}

/// A login must be asked for a proof, and for one that doesn't give the password away.
pub(crate) fn without_proof(met: &[Met]) -> Judged {
    let named = |wanted: &[Word]| {
        let of = met.iter().filter(|one| wanted.contains(&one.answer));
        of.map(|one| format!("\"{}\"", one.user)).collect::<Vec<_>>().join(", ")
    };
    let (open, weak) = (named(&[Word::LetsIn]), named(&[Word::AsksPassword]));
    if !open.is_empty() {
        return holds(false, format!("let in without a password: {open}"));
    }
    if !weak.is_empty() {
        return holds(false, format!("asked for the password itself or its MD5 hash: {weak}"));
    }
    if let Some(Met { user, said, .. }) = met.iter().find(|one| one.answer == Word::Evades) {
        return Err(Unseen::new(format!("a login as \"{user}\" got no clear answer: {said}")));
    }
    if met.is_empty() {
        return Err(Unseen::new("nobody knocked"));
    }
    holds(true, format!("refused or asked for a proof: {}", named(&[Word::Refuses, Word::AsksScram])))
}

/// A login with a wrong password must fail.
pub(crate) fn with_a_guess(met: &Met) -> Judged {
    match met.answer {
        Word::Refuses => holds(true, format!("a wrong password for \"{}\" is refused: {}", met.user, met.said)),
        _ => holds(false, format!("a wrong password for \"{}\" is taken", met.user)),
    }
}
