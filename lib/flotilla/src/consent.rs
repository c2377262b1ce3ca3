//! Consent: a destructive call takes a token that only the user's word yields.

use crate::error::{Code, Error, Result};
use crate::flags::Global;

/// Proof that the user consented. It can't be made elsewhere.
#[derive(Debug)]
pub struct Consent(());

impl Consent {
    /// Consent to what can't be undone: `--yes`.
    pub fn by_yes(global: &Global, act: &str) -> Result<Self> {
        if global.yes {
            return Ok(Self(()));
        }
        Err(Error::new(Code::ConsentMissing, format!("this {act}; nothing was touched"))
            .hint("See what it would do with --dry-run, then give --yes."))
    }

    /// Consent to a severe act: `--confirm NAME`, the name of what it destroys.
    pub fn by_name(global: &Global, act: &str, name: &str) -> Result<Self> {
        match global.confirm.as_deref() {
            Some(given) if given == name => Ok(Self(())),
            Some(given) => Err(Error::new(
                Code::ConsentMissing,
                format!("this {act}; \"{given}\" was confirmed, but it is \"{name}\""),
            )
            .hint(format!("If you mean it, give --confirm {name}."))),
            None => Err(Error::new(Code::ConsentMissing, format!("this {act}; nothing was touched"))
                .hint(format!("If you mean it, give --confirm {name}."))),
        }
    }
}
