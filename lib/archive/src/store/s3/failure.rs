//! What S3's answers mean.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use flotilla::tls;

use crate::store::{Class, StoreError};

/// What S3 calls an object that isn't there. The answer needs a look at the listing still.
const NO_SUCH_KEY: &str = "NoSuchKey";

/// The class of an answer, by its status and the code in its document; and what to do about it.
pub(super) fn class(status: u16, code: Option<&str>) -> (Class, Option<&'static str>) {
    match (status, code.unwrap_or_default()) {
        (404, NO_SUCH_KEY) => (Class::Absent, None),
        (404, "NoSuchBucket") => (Class::Other, Some("Create the bucket, or correct the store's url.")),
        (404, "NoSuchUpload") => (Class::Other, None),
        (404, _) => {
            (Class::Other, Some("This answer is no proof that the object is missing; is the endpoint an S3 service's?"))
        }
        (412, _) => (Class::Changed, None),
        (
            400,
            "BadDigest"
            | "InvalidDigest"
            | "XAmzContentChecksumMismatch"
            | "XAmzContentSHA256Mismatch"
            | "IncompleteBody",
        ) => (Class::Corrupt, None),
        (400, "RequestTimeout") | (408 | 425 | 429, _) | (409, "ConditionalRequestConflict" | "OperationAborted") => {
            (Class::Busy, None)
        }
        (403, "RequestTimeTooSkewed") => {
            (Class::Denied, Some("Set the clock: it differs from the service's too much."))
        }
        (400, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "AuthorizationHeaderMalformed")
        | (401 | 403, _) => (
            Class::Denied,
            Some(
                "Check the credentials and what their policy allows: get, put, list and delete below the store's path.",
            ),
        ),
        (301 | 307, _) => (Class::Other, Some("Correct the store's region or endpoint.")),
        // 501 and 505 don't pass.
        (500 | 502..=504 | 507..=599, _) => (Class::Busy, None),
        _ => (Class::Other, None),
    }
}

/// A failed request as the failure that it is; `what` is what couldn't be done. That an object is
/// missing is no answer to it.
pub(super) fn of<E>(what: &str, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let failure = of_reading(what, error);
    if !failure.is_absent() {
        return failure;
    }
    StoreError::new(Class::Other, format!("could not {what}: the service speaks of a missing object"))
        .hint("Is the endpoint an S3 service's?")
        .source(failure)
}

/// The same of reading an object, which may be missing.
pub(super) fn of_reading<E>(what: &str, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code();
            let (class, hint) = class(status, code);
            let said = code.map_or_else(|| format!("status {status}"), |code| format!("{code} ({status})"));
            let failure = StoreError::new(class, format!("could not {what}: the service says {said}"));
            let failure = match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            };
            match service.err().message() {
                Some(message) => failure.source(message.to_owned()),
                None => failure,
            }
        }
        SdkError::ResponseError(response) => {
            // Cut off, or not S3 at all.
            let status = response.raw().status().as_u16();
            let class = if (400..500).contains(&status) { class(status, None).0 } else { Class::Unreachable };
            StoreError::new(class, format!("could not {what}: an answer that can't be read (status {status})"))
                .source(error)
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            unsent(what, error)
        }
        _ => StoreError::new(Class::Other, format!("could not {what}")).source(error),
    }
}

/// A request that got no answer.
fn unsent(what: &str, error: impl StdError + Send + Sync + 'static) -> StoreError {
    if let Some(found) = tls::find(&error) {
        let explained = tls::explain(found, "the store").record();
        let failure = StoreError::new(Class::Other, format!("could not {what}: {}", explained.message));
        let hint = explained.hint.unwrap_or_else(|| "Check the store's endpoint and ca_file.".to_owned());
        // Only what is wrong with a certificate stays wrong.
        if matches!(found, rustls::Error::InvalidCertificate(_)) {
            return failure.hint(hint).source(error);
        }
    }
    let of_credentials = anyhow::Chain::new(&error).find_map(|cause| match cause.downcast_ref()? {
        CredentialsError::ProviderTimedOut(_) => Some(Class::Unreachable),
        _ => Some(Class::Denied),
    });
    if let Some(class) = of_credentials {
        return StoreError::new(class, format!("could not {what}: there are no usable credentials"))
            .hint("Set AWS_SHARED_CREDENTIALS_FILE or AWS_PROFILE, or the store's credentials_file or profile.")
            .source(error);
    }
    StoreError::new(Class::Unreachable, format!("could not {what}: no answer")).source(error)
}

#[cfg(test)]
mod tests {
    use super::{Class, class};

    #[test]
    fn only_a_missing_key_is_absent() {
        for status in 100..600 {
            for code in
                [None, Some("NoSuchBucket"), Some("AccessDenied"), Some("NotFound"), Some("NoSuchUpload"), Some("")]
            {
                assert_ne!(class(status, code).0, Class::Absent, "{status} {code:?}");
            }
            assert_eq!(class(status, Some("NoSuchKey")).0 == Class::Absent, status == 404, "{status}");
        }
        assert_eq!(class(403, Some("AccessDenied")).0, Class::Denied);
        assert_eq!(class(503, Some("SlowDown")).0, Class::Busy);
        assert_eq!(class(500, None).0, Class::Busy);
        assert_eq!(class(501, Some("NotImplemented")).0, Class::Other);
    }
}
