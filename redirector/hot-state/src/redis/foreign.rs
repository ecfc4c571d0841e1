//! Which keys commands name, and of which type a key is when we wrote it.
//!
//! SECURITY: Redis is not trusted. What stands in our keys and is not ours is deleted, counted and
//! said; the journal has everything that may have stood there before. It must never stop the
//! projector or an answer.

use std::collections::BTreeSet;

use redis::{ConnectionLike, ErrorKind, RedisResult, Value};

/// Returns the keys that commands name. Nothing is sent.
pub(super) fn keys_of<T>(
    commands: &impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
) -> BTreeSet<Vec<u8>> {
    let mut noting = Noting::default();
    _ = commands(&mut noting);
    first_arguments(&noting.0).unwrap_or_default()
}

/// Returns the type of a key that we wrote; `None` for a key that is none of ours.
pub(super) fn type_of(key: &[u8]) -> Option<&'static str> {
    let kind = key.strip_prefix(b"ac:{")?.get(3)?;
    match kind {
        b'w' | b'e' | b'g' => Some("string"),
        b'k' => Some("set"),
        b'i' => Some("zset"),
        b'n' | b't' | b'a' | b'o' | b'c' | b'd' | b'f' | b'p' | b'u' | b'x' => Some("hash"),
        _ => None,
    }
}

/// Takes down commands as they would be sent, and sends none.
#[derive(Default)]
struct Noting(Vec<u8>);

impl Noting {
    fn note<T>(&mut self, commands: &[u8]) -> RedisResult<T> {
        self.0.extend(commands);
        Err((ErrorKind::Client, "the commands are only taken down").into())
    }
}

impl ConnectionLike for Noting {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.note(command)
    }

    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        _offset: usize,
        _count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.note(commands)
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// Returns the first argument of every command, as the protocol spells commands:
/// `*<arguments>`, then `$<bytes>` and the bytes of each.
fn first_arguments(mut commands: &[u8]) -> Option<BTreeSet<Vec<u8>>> {
    let mut found = BTreeSet::new();
    while !commands.is_empty() {
        for index in 0..number(&mut commands, b'*')? {
            let length = number(&mut commands, b'$')?;
            let (argument, rest) = commands.split_at_checked(length)?;
            commands = rest.strip_prefix(b"\r\n")?;
            if index == 1 {
                found.insert(argument.to_vec());
            }
        }
    }
    Some(found)
}

fn number(commands: &mut &[u8], kind: u8) -> Option<usize> {
    let line = commands.strip_prefix(&[kind])?;
    let end = line.iter().position(|byte| *byte == b'\r')?;
    *commands = line[end..].strip_prefix(b"\r\n")?;
    str::from_utf8(&line[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::keys::key;

    #[test]
    fn every_key_of_every_command_is_found() {
        let (one, two) = (key(0, b'p', &[]), key(63, b'n', b"\r\n$3\r\n"));
        let pipeline = |connection: &mut dyn ConnectionLike| {
            let mut pipeline = redis::pipe();
            pipeline.atomic().cmd("HGETALL").arg(&one).cmd("SADD").arg(&two).arg("x");
            pipeline.query::<()>(connection)
        };
        assert_eq!(keys_of(&pipeline), BTreeSet::from([one.clone(), two.clone()]));
        let command = |c: &mut dyn ConnectionLike| redis::cmd("HKEYS").arg(&one).query::<()>(c);
        assert_eq!(keys_of(&command), BTreeSet::from([one.clone()]));
        assert_eq!((type_of(&one), type_of(&two)), (Some("hash"), Some("hash")));
        assert_eq!((type_of(b"somebody else's"), type_of(b"ac:{00}")), (None, None));
    }
}
