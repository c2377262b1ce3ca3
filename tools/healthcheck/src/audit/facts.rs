//! What was seen of an instance: facts by name, or why nobody can tell.

use std::collections::BTreeMap;

use flotilla::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};

use serde_json::{Map, Value};

/// Why a fact isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What stood in the way.
    pub why: String,
    /// What would have to be given for it to be seen.
    pub hint: Option<String>,
}

impl Unseen {
    /// For this reason.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    /// What would have to be given for it to be seen.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<&Error> for Unseen {
    fn from(error: &Error) -> Self {
        let record = error.record();
        let why = std::iter::once(&record.message).chain(&record.causes).cloned().collect::<Vec<_>>().join(": ");
        Self { why, hint: record.hint }
    }
}

impl From<Error> for Unseen {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// What was seen of an instance. A rule that needs a fact which isn't here can't tell: never is all well.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    seen: Map<String, Value>,
    unseen: BTreeMap<String, Unseen>,
    /// Why nothing else was seen.
    otherwise: Option<Unseen>,
}

impl Facts {
    /// Facts as a document has them.
    pub fn of(document: Map<String, Value>) -> Self {
        Self { seen: document, ..Self::default() }
    }

    /// None as yet, and why none is to be had.
    pub(crate) fn none(why: &Error) -> Self {
        Self { otherwise: Some(Unseen::from(why)), ..Self::default() }
    }

    /// Notes what was seen.
    pub(crate) fn saw(&mut self, name: &str, what: impl Serialize) {
        match serde_json::to_value(what) {
            Ok(value) => drop(self.seen.insert(name.to_owned(), value)),
            Err(error) => self.missed(name, Unseen::new(error.to_string())),
        }
    }

    /// Notes why something wasn't seen.
    pub(crate) fn missed(&mut self, name: &str, unseen: Unseen) {
        self.unseen.insert(name.to_owned(), unseen);
    }

    /// Notes the one or the other.
    pub(crate) fn note(&mut self, name: &str, looked: Result<impl Serialize, impl Into<Unseen>>) {
        match looked {
            Ok(what) => self.saw(name, what),
            Err(unseen) => self.missed(name, unseen.into()),
        }
    }

    /// A fact.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, Unseen> {
        self.find(name)?.ok_or_else(|| Unseen::new(format!("there is no \"{name}\"")))
    }

    /// A fact about something that may not be there; none where it was seen not to be.
    pub(crate) fn find<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Unseen> {
        let Some(value) = self.seen.get(name) else {
            let unseen = self.unseen.get(name).or(self.otherwise.as_ref()).cloned();
            return Err(unseen.unwrap_or_else(|| Unseen::new(format!("\"{name}\" wasn't seen"))));
        };
        Option::deserialize(value).map_err(|e| Unseen::new(format!("\"{name}\" has another form: {e}")))
    }
}
