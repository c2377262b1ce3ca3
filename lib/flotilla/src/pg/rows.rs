//! Any SQL, its rows streamed in the server's own text and turned into JSON.
//!
//! tokio-postgres asks for rows in binary, which only a client that knows every type can read; and
//! its look-up of unknown types needs prepared statements, which a pooler in transaction mode
//! doesn't keep. Here the server is asked for text, a form that it has for every type. A statement
//! is parsed, bound and described without a name, in one go, so it runs through PgBouncer as well;
//! parameters are text whose types the server infers, and several statements in one string are
//! refused by the server.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, try_unfold};
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use tokio_postgres::fallible_iterator::FallibleIterator as _;
use tokio_postgres::types::Oid;

use super::connect::Arrival;
use super::report::Report;
use super::session::Canceller;
use super::value::Kind;
use super::wire::{Wire, garbled, unexpected};
use crate::error::{Code, Error, Result};

/// The portal's name: a look-up of types may use the nameless one while this one waits.
const PORTAL: &str = "rows";

/// Array types that aren't built in: what is between their elements, and the elements' type below
/// all domains.
const ARRAY_TYPES: &str = "\
SELECT t.oid, e.typdelim, (
  WITH RECURSIVE below (oid, typbasetype) AS (
    SELECT e.oid, e.typbasetype
    UNION ALL
    SELECT b.oid, b.typbasetype FROM below JOIN pg_catalog.pg_type b ON b.oid = below.typbasetype)
  SELECT below.oid FROM below WHERE below.typbasetype = 0)
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON e.oid = t.typelem
WHERE t.typcategory = 'A' AND t.typlen = -1 AND t.oid = ANY ($1::pg_catalog.oid[])";

/// A statement to run.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    sql: &'a str,
    params: &'a [Option<String>],
    read_only: bool,
    settings: Vec<(&'a str, String)>,
}

impl<'a> Query<'a> {
    /// One statement. Without further wishes it runs on its own, so that also what can't run in a
    /// transaction block does.
    pub fn new(sql: &'a str) -> Self {
        Self { sql, params: &[], read_only: false, settings: Vec::new() }
    }

    /// The values of `$1`, `$2` and so on, as text; `None` is NULL.
    #[must_use]
    pub fn params(mut self, params: &'a [Option<String>]) -> Self {
        self.params = params;
        self
    }

    /// Runs it in a transaction that may only read.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets a setting for this statement alone, which then runs in a transaction.
    #[must_use]
    pub fn setting(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// What opens the transaction; `None` when the statement runs on its own.
    fn opening(&self) -> Option<String> {
        if !self.read_only && self.settings.is_empty() {
            return None;
        }
        let mut sql = if self.read_only { "BEGIN READ ONLY".to_owned() } else { "BEGIN".to_owned() };
        for (name, value) in &self.settings {
            // set_config takes any name as a value; nothing is pasted as an identifier.
            sql.push_str("; SELECT pg_catalog.set_config(");
            sql.push_str(&literal(name));
            sql.push_str(", ");
            sql.push_str(&literal(value));
            sql.push_str(", true)");
        }
        Some(sql)
    }
}

/// An SQL string constant that doesn't depend on `standard_conforming_strings`.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// A column of a result.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name; of several equal ones the second is `name_2`, and so on.
    pub name: String,
    /// Its type.
    pub type_oid: Oid,
    /// How its values become JSON.
    pub kind: Kind,
}

/// A row: the server's text of each value, and JSON when it is serialized.
#[derive(Clone, Debug)]
pub struct Row {
    columns: Arc<[Column]>,
    text: Bytes,
    ranges: Box<[Option<Range<usize>>]>,
}

impl Row {
    fn new(columns: &Arc<[Column]>, body: &DataRowBody) -> Result<Self> {
        let text = body.buffer_bytes().clone();
        let ranges: Box<[_]> = body.ranges().collect::<Vec<_>>().map_err(|e| garbled(&e))?.into();
        if ranges.len() != columns.len() {
            return Err(unexpected());
        }
        // Checked for each value, as lengths stand between them.
        for (range, column) in ranges.iter().zip(columns.iter()) {
            if range.clone().is_some_and(|range| std::str::from_utf8(&text[range]).is_err()) {
                return Err(Error::new(
                    Code::QueryFailed,
                    format!("column \"{}\" holds bytes that are not UTF-8", column.name),
                )
                .hint("The database's encoding is probably SQL_ASCII; convert the column in the query."));
            }
        }
        Ok(Self { columns: Arc::clone(columns), text, ranges })
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The text of a value; `None` for NULL and for a column that isn't there.
    pub fn text(&self, index: usize) -> Option<&str> {
        let range = self.ranges.get(index)?.clone()?;
        std::str::from_utf8(&self.text[range]).ok()
    }

    /// The text of the value in the column of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text(self.columns.iter().position(|column| column.name == name)?)
    }

    /// A value as JSON.
    pub fn json(&self, index: usize) -> String {
        let mut json = String::new();
        if let Some(column) = self.columns.get(index) {
            column.kind.write(self.text(index), &mut json);
        }
        json
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        let mut json = String::new();
        for (index, column) in self.columns.iter().enumerate() {
            json.clear();
            column.kind.write(self.text(index), &mut json);
            let raw: &RawValue = serde_json::from_str(&json).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(&column.name, raw)?;
        }
        map.end()
    }
}

impl schemars::JsonSchema for Row {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Row".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "description": "A row: a key for each column, in the query's order." })
    }
}

/// A session that runs statements and streams their rows.
pub struct RowSession {
    wire: Wire,
    canceller: Canceller,
    place: String,
    kinds: HashMap<Oid, Kind>,
    state: State,
}

/// Where a statement stands.
enum State {
    /// Nothing is under way.
    Idle,
    /// Rows are coming.
    Rows { columns: Arc<[Column]>, transaction: bool },
    /// A message was awaited and the waiting was given up, or the connection failed.
    Broken,
}

impl RowSession {
    pub(super) async fn new(arrival: Arrival) -> Result<Self> {
        let Arrival { client, connection, place, dialer, pledge, .. } = arrival;
        let iso = connection.parameter("DateStyle").is_some_and(|style| style.starts_with("ISO"));
        let canceller = Canceller { token: client.cancel_token(), dialer };
        drop((client, connection));
        let (stream, incoming) = pledge
            .and_then(super::link::Pledge::redeem)
            .ok_or_else(|| Error::internal("a lent stream didn't come back"))?;
        let mut session =
            Self { wire: Wire::new(stream, incoming), canceller, place, kinds: HashMap::new(), state: State::Idle };
        if !iso {
            // One of the settings that a pooler restores for each of its clients.
            session.wire.simple("SET DateStyle = ISO").await?;
        }
        Ok(session)
    }

    /// The server that was found, as messages name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Something that can cancel the statement under way, from anywhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Runs SQL by the simple protocol, for its effect; several statements are one transaction.
    pub async fn simple(&mut self, sql: &str) -> Result<()> {
        self.ready().await?;
        self.wire.simple(sql).await
    }

    /// Runs a statement; its rows come with [`Rows::next`].
    pub async fn run(&mut self, query: &Query<'_>) -> Result<Rows<'_>> {
        let columns = self.start(query).await?;
        Ok(Rows { session: self, columns, ended: false, tag: None })
    }

    /// Runs a statement and streams its rows, owning the session.
    pub async fn into_stream(mut self, query: &Query<'_>) -> Result<BoxStream<'static, Result<Row>>> {
        self.start(query).await?;
        Ok(try_unfold(self, |mut session| async move {
            match session.advance().await? {
                Step::Row(row) => Ok(Some((row, session))),
                Step::End(_) => {
                    session.close().await;
                    Ok(None)
                }
            }
        })
        .boxed())
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.wire.close().await;
    }

    /// Reads what is left of the last statement, if its rows weren't read to the end.
    async fn ready(&mut self) -> Result<()> {
        while matches!(self.state, State::Rows { .. }) {
            // An error here was the last statement's, and whoever ran it turned away from it.
            if let Err(e) = self.advance().await {
                tracing::debug!("unread statement failed: {e}");
            }
        }
        match self.state {
            State::Broken => Err(super::report::closed()),
            _ => Ok(()),
        }
    }

    async fn start(&mut self, query: &Query<'_>) -> Result<Arc<[Column]>> {
        self.ready().await?;
        // Until the server is known to be ready again, an early return leaves the session unusable.
        self.state = State::Broken;
        let transaction = match query.opening() {
            Some(opening) => {
                if let Err(e) = self.wire.simple(&opening).await {
                    self.roll_back().await?;
                    return Err(e);
                }
                true
            }
            None => false,
        };
        let put = self.wire.put(|buf| {
            // Left over if the caller keeps a transaction open; closing what isn't there is no error.
            frontend::close(b'P', PORTAL, buf)?;
            frontend::parse("", query.sql, [], buf)?;
            frontend::bind(PORTAL, "", [], query.params, put_param, [], buf).map_err(bind_error)?;
            frontend::describe(b'P', PORTAL, buf)?;
            frontend::flush(buf);
            Ok(())
        });
        if let Err(e) = put {
            self.state = State::Idle;
            if transaction {
                self.roll_back().await?;
            }
            return Err(e);
        }
        self.wire.send().await?;
        match self.describe().await {
            Ok(columns) => {
                self.wire.put(|buf| {
                    frontend::execute(PORTAL, 0, buf)?;
                    // pgaudit counts a query's open portal as a statement under way, and refuses the next
                    // utility command, such as COMMIT, while there is one. What gives no rows has ended
                    // by itself; and COPY FROM STDIN takes no other message before its data.
                    if !columns.is_empty() {
                        frontend::close(b'P', PORTAL, buf)?;
                    }
                    frontend::sync(buf);
                    Ok(())
                })?;
                self.wire.send().await?;
                self.state = State::Rows { columns: Arc::clone(&columns), transaction };
                Ok(columns)
            }
            Err(e) => {
                self.wire.put(|buf| {
                    frontend::sync(buf);
                    Ok(())
                })?;
                self.wire.send().await?;
                self.wire.settle().await?;
                if transaction {
                    self.roll_back().await?;
                }
                self.state = State::Idle;
                Err(e)
            }
        }
    }

    async fn roll_back(&mut self) -> Result<()> {
        self.wire.simple("ROLLBACK").await?;
        self.state = State::Idle;
        Ok(())
    }

    /// Reads up to the description of the rows and finds out how each column is written.
    async fn describe(&mut self) -> Result<Arc<[Column]>> {
        loop {
            match self.wire.next().await? {
                Message::CloseComplete | Message::ParseComplete | Message::BindComplete => {}
                Message::NoData => return Ok(Arc::new([])),
                Message::RowDescription(body) => return self.columns(&body).await,
                Message::ErrorResponse(body) => {
                    return Err(Report::parse(body.fields()).map_err(|e| garbled(&e))?.error());
                }
                _ => return Err(unexpected()),
            }
        }
    }

    async fn columns(&mut self, body: &RowDescriptionBody) -> Result<Arc<[Column]>> {
        let fields: Vec<(String, Oid)> =
            body.fields().map(|f| Ok((f.name().to_owned(), f.type_oid()))).collect().map_err(|e| garbled(&e))?;
        let unknown: Vec<Oid> = fields
            .iter()
            .map(|(_, oid)| *oid)
            .filter(|oid| Kind::of(*oid).is_none() && !self.kinds.contains_key(oid))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        if !unknown.is_empty() {
            self.look_up(&unknown).await?;
        }
        let mut names = HashSet::new();
        Ok(fields
            .into_iter()
            .map(|(name, type_oid)| Column {
                name: distinct(name, &mut names),
                type_oid,
                kind: Kind::of(type_oid).or_else(|| self.kinds.get(&type_oid).cloned()).unwrap_or(Kind::Text),
            })
            .collect())
    }

    /// Asks the catalog which of these types are arrays, in the middle of the statement: its portal
    /// waits, and no other connection of a pooler can answer meanwhile.
    async fn look_up(&mut self, unknown: &[Oid]) -> Result<()> {
        let list = unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        self.wire.put(|buf| {
            frontend::parse("", ARRAY_TYPES, [], buf)?;
            let list = [Some(format!("{{{list}}}"))];
            frontend::bind("", "", [], &list, put_param, [], buf).map_err(bind_error)?;
            frontend::execute("", 0, buf)?;
            frontend::flush(buf);
            Ok(())
        })?;
        self.wire.send().await?;
        self.kinds.extend(unknown.iter().map(|oid| (*oid, Kind::Text)));
        loop {
            match self.wire.next().await? {
                Message::ParseComplete | Message::BindComplete => {}
                Message::DataRow(body) => {
                    let texts: Vec<String> = body
                        .ranges()
                        .map(
                            |range| Ok(String::from_utf8_lossy(&body.buffer()[range.unwrap_or_default()]).into_owned()),
                        )
                        .collect()
                        .map_err(|e| garbled(&e))?;
                    if let [oid, delimiter, element] = texts.as_slice()
                        && let (Ok(oid), Ok(element)) = (oid.parse(), element.parse())
                    {
                        let delimiter = delimiter.chars().next().unwrap_or(',');
                        let element = Kind::of(element).unwrap_or(Kind::Text);
                        self.kinds.insert(oid, Kind::Array(Box::new(element), delimiter));
                    }
                }
                Message::CommandComplete(_) => return Ok(()),
                Message::ErrorResponse(body) => {
                    return Err(Report::parse(body.fields()).map_err(|e| garbled(&e))?.error());
                }
                _ => return Err(unexpected()),
            }
        }
    }

    /// The next row, or the end with the command tag.
    async fn advance(&mut self) -> Result<Step> {
        let mut tag = None;
        let mut failed = None;
        let (columns, transaction) = match &self.state {
            State::Rows { columns, transaction } => (Arc::clone(columns), *transaction),
            State::Idle => return Ok(Step::End(None)),
            State::Broken => return Err(super::report::closed()),
        };
        loop {
            let message = match self.wire.next().await {
                Ok(message) => message,
                Err(e) => {
                    self.state = State::Broken;
                    return Err(e);
                }
            };
            match message {
                Message::DataRow(body) if failed.is_none() => match Row::new(&columns, &body) {
                    Ok(row) => return Ok(Step::Row(row)),
                    Err(e) => failed = Some(e),
                },
                Message::CommandComplete(body) => tag = Some(body.tag().map_err(|e| garbled(&e))?.to_owned()),
                Message::ErrorResponse(body) => {
                    let error = Report::parse(body.fields()).map_err(|e| garbled(&e))?.error();
                    failed.get_or_insert(error);
                }
                Message::CopyInResponse(_) => {
                    // COPY has swallowed the sync that was sent with the statement.
                    self.wire.put(|buf| {
                        frontend::copy_fail("there is no data to copy", buf)?;
                        frontend::sync(buf);
                        Ok(())
                    })?;
                    self.wire.send().await?;
                    failed.get_or_insert_with(copy_unsupported);
                }
                Message::CopyOutResponse(_) => {
                    failed.get_or_insert_with(copy_unsupported);
                }
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        self.state = State::Broken;
        if transaction {
            let end = if failed.is_some() { "ROLLBACK" } else { "COMMIT" };
            if let Err(e) = self.wire.simple(end).await {
                failed.get_or_insert(e);
            }
        }
        self.state = State::Idle;
        match failed {
            Some(e) => Err(e),
            None => Ok(Step::End(tag)),
        }
    }
}

enum Step {
    Row(Row),
    End(Option<String>),
}

#[expect(clippy::ref_option, clippy::unnecessary_wraps, reason = "the shape that the protocol crate calls")]
fn put_param(
    param: &Option<String>,
    buf: &mut bytes::BytesMut,
) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
    match param {
        None => Ok(IsNull::Yes),
        Some(text) => {
            buf.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        }
    }
}

fn bind_error(error: frontend::BindError) -> std::io::Error {
    match error {
        frontend::BindError::Conversion(e) => std::io::Error::other(e),
        frontend::BindError::Serialization(e) => e,
    }
}

fn copy_unsupported() -> Error {
    Error::new(Code::Unsupported, "COPY with the client is not supported here")
        .hint("Select the rows instead, or use psql's \\copy with the target's service.")
}

/// The name, or with the first free number where it was there before.
fn distinct(name: String, taken: &mut HashSet<String>) -> String {
    if taken.insert(name.clone()) {
        return name;
    }
    let mut number = 2;
    loop {
        let numbered = format!("{name}_{number}");
        if taken.insert(numbered.clone()) {
            return numbered;
        }
        number += 1;
    }
}

/// The rows of a statement. One that is dropped early is read to its end before the next runs.
pub struct Rows<'s> {
    session: &'s mut RowSession,
    columns: Arc<[Column]>,
    ended: bool,
    tag: Option<String>,
}

impl Rows<'_> {
    /// The columns; none for a statement that gives no rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next row; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Row>> {
        if self.ended {
            return Ok(None);
        }
        match self.session.advance().await? {
            Step::Row(row) => Ok(Some(row)),
            Step::End(tag) => {
                self.ended = true;
                self.tag = tag;
                Ok(None)
            }
        }
    }

    /// What the server calls what was done, such as `INSERT 0 3`; known after the last row.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// How many rows were read or changed, where the tag says so; known after the last row.
    pub fn affected(&self) -> Option<u64> {
        self.tag()?.rsplit(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_numbered() {
        let mut taken = HashSet::new();
        let names: Vec<String> =
            ["id", "id_2", "id", "id", "x"].into_iter().map(|name| distinct(name.to_owned(), &mut taken)).collect();
        assert_eq!(names, ["id", "id_2", "id_3", "id_4", "x"]);
    }

    #[test]
    fn settings_are_values_never_identifiers() {
        let query = Query::new("select 1").read_only(true).setting("a.b", r"x'; drop \");
        assert_eq!(
            query.opening().as_deref(),
            Some(r"BEGIN READ ONLY; SELECT pg_catalog.set_config(E'a.b', E'x''; drop \\', true)")
        );
        assert_eq!(Query::new("vacuum").opening(), None);
    }
}
