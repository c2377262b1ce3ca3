//! Parameters as the protocol crate wants them: text, whose types the server infers.

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use crate::error::Result;

#[expect(clippy::ref_option, clippy::unnecessary_wraps, reason = "the shape that the protocol crate calls")]
pub(super) fn put_param(
    param: &Option<String>,
    buf: &mut BytesMut,
) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
    match param {
        None => Ok(IsNull::Yes),
        Some(text) => {
            buf.extend_from_slice(text.as_bytes());
            Ok(IsNull::No)
        }
    }
}

pub(super) fn bind_error(error: frontend::BindError) -> std::io::Error {
    match error {
        frontend::BindError::Conversion(e) => std::io::Error::other(e),
        frontend::BindError::Serialization(e) => e,
    }
}
