//! What [`crate::fuzz`] opens of this module.

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use secrecy::SecretString;

use super::conninfo::Conninfo;
use super::endpoint::Endpoint;
use super::passfile::{self, Lookup};
use super::report::Report;
use super::rows::{Column, Row};
use super::service;
use super::surroundings::Surroundings;
use super::value::Kind;
use super::wire::garbled;
use crate::error::{Error, Result};

/// What a password is looked up by.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub dbname: &'a str,
    /// The user.
    pub user: &'a str,
}

impl Login<'_> {
    fn lookup(&self) -> Lookup<'_> {
        Lookup { host: self.host, port: self.port, dbname: self.dbname, user: self.user }
    }

    /// The line that hints name.
    pub fn line(&self) -> String {
        self.lookup().line()
    }
}

pub(crate) fn endpoint(info: Conninfo) -> Result<Endpoint> {
    let nothing = |_: &str| None;
    Endpoint::resolve(info, &Surroundings::made_up(&nothing, None))
}

pub(crate) fn password(text: &str, login: &Login<'_>) -> Option<SecretString> {
    passfile::search(text, login.lookup())
}

pub(crate) fn service(text: &str, name: &str, path: &Path) -> Result<Option<Conninfo>> {
    let mut info = Conninfo::new();
    Ok(service::read(text, name, path, &mut info)?.then_some(info))
}

/// Reads bytes as what a server sends, rows of these columns among it: the rows as JSON, and the errors
/// that the server reports. Ends at the first message that isn't whole or not of the protocol.
pub fn messages(bytes: &[u8], kinds: &[Kind]) -> Result<(Vec<String>, Vec<Error>)> {
    let columns = kinds.iter().enumerate();
    let columns: Arc<[Column]> =
        columns.map(|(at, kind)| Column { name: format!("c{at}"), type_oid: 0, kind: kind.clone() }).collect();
    let mut incoming = BytesMut::from(bytes);
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    while let Some(message) = Message::parse(&mut incoming).map_err(|e| garbled(&e))? {
        match message {
            Message::DataRow(body) => {
                let row = Row::new(&columns, &body)?;
                rows.push(serde_json::to_string(&row).map_err(|e| Error::internal("a row is no JSON").source(e))?);
            }
            Message::ErrorResponse(body) => {
                errors.push(Report::parse(body.fields()).map_err(|e| garbled(&e))?.error());
            }
            Message::NoticeResponse(body) => Report::parse(body.fields()).map_err(|e| garbled(&e))?.log(),
            Message::CommandComplete(body) => drop(body.tag().map_err(|e| garbled(&e))?.to_owned()),
            Message::RowDescription(body) => drop(super::rows::fields(&body)?),
            _ => {}
        }
    }
    Ok((rows, errors))
}
