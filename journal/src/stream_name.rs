//! The name of a stream; it never looks at a folder.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a stream: 1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`.
///
/// It is a valid folder name on every file system, needs no quoting in a shell, and is cheap to
/// clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// A text that is no valid [`StreamName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no valid stream name; use 1 to 63 of a-z, 0-9 and -, not beginning with -")]
pub struct InvalidStreamName {
    /// The text.
    pub name: String,
}

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 63;

impl StreamName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidStreamName`] when it has other characters or another length.
    pub fn new(name: &str) -> Result<Self, InvalidStreamName> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_valid = (1..=NAME_BYTES_MAX).contains(&name.len())
            && !name.starts_with('-')
            && name.bytes().all(is_allowed);
        if is_valid { Ok(Self(name.into())) } else { Err(InvalidStreamName { name: name.into() }) }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the checksum that binds a segment to its stream.
    pub(crate) fn checksum(&self) -> u32 {
        crc32c::crc32c(self.0.as_bytes())
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = InvalidStreamName;

    fn from_str(name: &str) -> Result<Self, InvalidStreamName> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_is_a_plain_lower_case_word() {
        for good in ["main", "core-0", "0", "a", &"x".repeat(63)] {
            assert_eq!(StreamName::new(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-a", "A", "a_b", "a/b", "..", ".", "a.b", "ä", "a\0", "a ", &"x".repeat(64)]
        {
            assert!(StreamName::new(bad).is_err(), "{bad:?}");
        }
    }
}
