//! The first message of a login, and what tokio-postgres can't say in it.
//!
//! The replication protocol is asked for by the parameter `replication` of the startup message
//! (PostgreSQL's documentation, "Streaming Replication Protocol"), which tokio-postgres doesn't
//! offer. So the message is amended on its way out.

use bytes::{BufMut as _, BytesMut};

/// Protocol 3.0.
const PROTOCOL: u32 = 3 << 16;

/// The startup message with one parameter more; `None` when `message` isn't exactly one.
pub(super) fn with_parameter(message: &[u8], name: &str, value: &str) -> Option<BytesMut> {
    let word = |at: usize| Some(u32::from_be_bytes(message.get(at..at + 4)?.try_into().ok()?));
    if word(0)? as usize != message.len() || word(4)? != PROTOCOL || message.last() != Some(&0) {
        return None;
    }
    let added = name.len() + value.len() + 2;
    let mut amended = BytesMut::with_capacity(message.len() + added);
    amended.put_u32(u32::try_from(message.len() + added).ok()?);
    // All but the NUL that ends the list.
    amended.put_slice(&message[4..message.len() - 1]);
    for text in [name, value] {
        amended.put_slice(text.as_bytes());
        amended.put_u8(0);
    }
    amended.put_u8(0);
    Some(amended)
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::frontend;

    use super::*;

    fn startup(parameters: &[(&str, &str)]) -> BytesMut {
        let mut message = BytesMut::new();
        frontend::startup_message(parameters.iter().copied(), &mut message).unwrap();
        message
    }

    #[test]
    fn a_parameter_is_added_as_if_the_client_had_said_it() {
        let plain = startup(&[("user", "backup"), ("database", "app")]);
        let said = startup(&[("user", "backup"), ("database", "app"), ("replication", "database")]);
        assert_eq!(with_parameter(&plain, "replication", "database"), Some(said));
    }

    #[test]
    fn another_message_is_left_alone() {
        let message = startup(&[("user", "backup")]);
        assert_eq!(with_parameter(&message[..message.len() - 1], "replication", "database"), None);
        assert_eq!(with_parameter(b"", "replication", "database"), None);
        assert_eq!(with_parameter(&[0, 0, 0, 8, 4, 210, 22, 47], "replication", "database"), None);
    }
}
