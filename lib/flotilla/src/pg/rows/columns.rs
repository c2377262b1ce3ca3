//! The columns of a result, and how each one's values become JSON.

use std::collections::HashSet;
use std::sync::Arc;

use postgres_protocol::message::backend::{Message, RowDescriptionBody};
use postgres_protocol::message::frontend;
use tokio_postgres::fallible_iterator::FallibleIterator as _;
use tokio_postgres::types::Oid;

use super::bind::{bind_error, put_param};
use super::{Column, RowSession};
use crate::error::Result;
use crate::pg::report::Report;
use crate::pg::value::Kind;
use crate::pg::wire::{garbled, unexpected};

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

/// Names and types, as the server describes them.
pub(in crate::pg) fn fields(body: &RowDescriptionBody) -> Result<Vec<(String, Oid)>> {
    body.fields().map(|f| Ok((f.name().to_owned(), f.type_oid()))).collect().map_err(|e| garbled(&e))
}

impl RowSession {
    /// Reads up to the description of the rows and finds out how each column is written.
    pub(super) async fn describe(&mut self) -> Result<Arc<[Column]>> {
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
        let fields = fields(body)?;
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

#[cfg(test)]
mod tests {
    use super::{HashSet, distinct};

    #[test]
    fn equal_names_are_numbered() {
        let mut taken = HashSet::new();
        let names: Vec<String> =
            ["id", "id_2", "id", "id", "x"].into_iter().map(|name| distinct(name.to_owned(), &mut taken)).collect();
        assert_eq!(names, ["id", "id_2", "id_3", "id_4", "x"]);
    }
}
