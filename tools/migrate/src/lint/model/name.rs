//! Names of relations and other things in schemas.

use std::fmt;

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};
use postgres_protocol::escape::escape_identifier;

/// A name and its schema; without one it is in `public`, where migrations work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) schema: String,
    pub(crate) name: String,
}

const HOME: &str = "public";

impl Name {
    pub(crate) fn new(schema: &str, name: impl Into<String>) -> Self {
        let schema = if schema.is_empty() { HOME } else { schema };
        Self { schema: schema.to_owned(), name: name.into() }
    }

    pub(crate) fn of(relation: &RangeVar) -> Self {
        Self::new(&relation.schemaname, &*relation.relname)
    }

    /// From the parts of a dotted name.
    pub(crate) fn of_parts(parts: &[String]) -> Option<Self> {
        let (name, rest) = parts.split_last()?;
        Some(Self::new(rest.last().map_or("", String::as_str), &**name))
    }

    /// From a name in text, as `'public.t'::regclass` has it.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let parsed = pg_query::parse(&format!("SELECT FROM {text}"), 0).ok()?;
        let statement = parsed.protobuf.stmts.first()?.stmt.as_ref()?.node.as_ref()?;
        let NodeEnum::SelectStmt(select) = statement else { return None };
        match select.from_clause.as_slice() {
            [Node { node: Some(NodeEnum::RangeVar(relation)) }] => Some(Self::of(relation)),
            _ => None,
        }
    }

    /// As SQL, for a server that looks for it where migrations work.
    pub(crate) fn quoted(&self) -> String {
        let name = escape_identifier(&self.name);
        if self.schema == HOME { name } else { format!("{}.{name}", escape_identifier(&self.schema)) }
    }

    /// Another name in the same schema.
    pub(crate) fn sibling(&self, name: impl Into<String>) -> Self {
        Self { schema: self.schema.clone(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema != HOME {
            write!(f, "{}.", self.schema)?;
        }
        f.write_str(&self.name)
    }
}
