//! Finding out, before anything depends on it, whether a store does what is needed.

use futures_util::StreamExt as _;

use super::{Class, Listing, Over, Put, Result, Store, StoreError};

/// What a store is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Reading archives: list and get.
    Read,
    /// Writing them as well: put and delete.
    Write,
}

/// What a store was found to do; each failure says why not.
#[derive(Debug)]
pub struct Preflight {
    /// Names what there is. Without it, a store can't prove that an object is missing.
    pub list: Result<()>,
    /// Reads objects.
    pub get: Result<()>,
    /// Writes objects; not asked of those who only read.
    pub put: Option<Result<()>>,
    /// Leaves an object as it is when told to, rather than writing over it.
    pub keep: Option<Result<()>>,
    /// Deletes objects.
    pub delete: Option<Result<()>>,
}

impl Preflight {
    /// What is missing, by the name of the right, in the order of its use.
    pub fn missing(&self) -> Vec<(&'static str, &StoreError)> {
        let asked = [
            ("list", Some(&self.list)),
            ("get", Some(&self.get)),
            ("put", self.put.as_ref()),
            ("keep", self.keep.as_ref()),
            ("delete", self.delete.as_ref()),
        ];
        asked.into_iter().filter_map(|(right, found)| Some((right, found?.as_ref().err()?))).collect()
    }

    /// An error that names all that is missing.
    pub fn check(self, store: &Store) -> flotilla::Result<()> {
        let missing: Vec<&str> = self.missing().into_iter().map(|(right, _)| right).collect();
        let Some(first) = missing.first() else { return Ok(()) };
        let all = missing.join(", ");
        let of = |right: &str| match right {
            "list" => self.list.err(),
            "get" => self.get.err(),
            "put" => self.put.and_then(Result::err),
            "keep" => self.keep.and_then(Result::err),
            _ => self.delete.and_then(Result::err),
        };
        let Some(cause) = of(first) else { return Ok(()) };
        let error = flotilla::Error::from(cause);
        let hint = error.record().hint;
        let told = flotilla::Error::new(
            error.code(),
            format!("the store \"{}\" at {} can't do: {all}", store.name(), store.place()),
        );
        let told = match hint {
            Some(hint) => told.hint(hint),
            None => told,
        };
        Err(told.source(error))
    }
}

impl Store {
    /// Tries what is needed, below this store's path, with an object of its own that is gone after.
    pub async fn preflight(&self, rights: Rights) -> Preflight {
        // No letter of it can be a digit of a WAL file's name.
        let random: String = (0..12).map(|_| char::from(b'g' + rand::random::<u8>() % 20)).collect();
        let key = format!("flotilla-preflight-{random}");
        let list = match self.list(Listing::default().flat()).next().await {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        };
        let mut found = Preflight { list, get: Ok(()), put: None, keep: None, delete: None };
        if rights == Rights::Read {
            found.get = match self.get(&key).await {
                // There is none of this name, and whoever is told so might have read it.
                Err(error) if !error.is_absent() => Err(error),
                _ => Ok(()),
            };
            return found;
        }
        let put = self.put(&key, random.clone().into(), Over::Keep).await;
        let written = put.is_ok();
        found.put = Some(put.map(drop));
        if written {
            found.get = match self.get(&key).await {
                Ok(body) => body.collect(1024).await.and_then(|content| {
                    let same = content == random.as_bytes();
                    same.then_some(()).ok_or_else(|| {
                        StoreError::new(Class::Corrupt, format!("\"{key}\" in {} isn't what was written", self.place()))
                    })
                }),
                Err(error) => Err(error),
            };
            found.keep = Some(match self.put(&key, "another".into(), Over::Keep).await {
                Ok(Put::Exists) => Ok(()),
                Ok(Put::Written { .. }) => Err(StoreError::new(
                    Class::Other,
                    format!("{} writes over an object that it was told to keep", self.place()),
                )
                .hint("The service ignores If-None-Match; use one that doesn't, for nothing else protects archives from a stray cluster.")),
                Err(error) => Err(error),
            });
            found.delete = Some(self.delete([key.as_str()]).await);
        }
        found
    }
}
