//! Where an export ended: the last sequence that was read of every stream, as one opaque text for
//! `--since`. It says nothing about time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use journal::StreamName;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A place in every stream of the journals that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(BTreeMap<String, u64>);

/// The contents of the opaque text: this JSON in base64url.
#[derive(Serialize, Deserialize)]
struct CursorJson {
    v: u8,
    seq: BTreeMap<String, u64>,
}

const VERSION: u8 = 1;

impl Cursor {
    /// Returns the last sequence of a stream that was read; 0 for a stream not seen before.
    pub fn position(&self, stream: &str) -> u64 {
        self.0.get(stream).copied().unwrap_or(0)
    }

    /// Returns whether the cursor stands before a record.
    pub fn is_before(&self, stream: &str, seq: u64) -> bool {
        self.position(stream) < seq
    }

    /// Moves the cursor to the end of every stream that was read. It keeps its place in others.
    #[must_use]
    pub fn advanced(mut self, ends: &BTreeMap<StreamName, u64>) -> Self {
        self.0.extend(ends.iter().map(|(stream, &seq)| (stream.to_string(), seq)));
        self
    }

    /// Returns whether this cursor stands at least as far as `other` in every stream.
    pub fn reaches(&self, other: &Self) -> bool {
        other.beyond(self).is_none()
    }

    /// Returns the first stream in which this cursor stands further than `other`, and its place
    /// there.
    pub fn beyond(&self, other: &Self) -> Option<(String, u64)> {
        let beyond = self.0.iter().find(|(stream, seq)| **seq > other.position(stream));
        beyond.map(|(stream, seq)| (stream.clone(), *seq))
    }

    /// Checks that no stream ends before the cursor's place in it.
    ///
    /// # Errors
    /// [`Error::CursorAhead`] for the first stream that does. Records appended later would
    /// otherwise be skipped.
    pub fn check(&self, ends: &BTreeMap<StreamName, u64>) -> Result<(), Error> {
        for (stream, &last_seq) in ends {
            let position = self.position(stream.as_str());
            if position > last_seq {
                return Err(Error::CursorAhead { stream: stream.to_string(), position, last_seq });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = CursorJson { v: VERSION, seq: self.0.clone() };
        let json = serde_json::to_vec(&contents).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let json = URL_SAFE_NO_PAD.decode(text.trim()).ok();
        let decoded = json.and_then(|json| serde_json::from_slice::<CursorJson>(&json).ok());
        match decoded {
            Some(decoded) if decoded.v == VERSION => Ok(Self(decoded.seq)),
            _ => Err(Error::Cursor { text: text.chars().take(80).collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_other_texts_are_refused() {
        let ends = BTreeMap::from([
            (StreamName::new("core-0").unwrap(), 7),
            (StreamName::new("core-1").unwrap(), 9),
        ]);
        let cursor = Cursor::default().advanced(&ends);
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!(cursor.is_before("core-0", 8) && !cursor.is_before("core-0", 7));
        assert!(cursor.is_before("core-2", 1), "a new stream is new from its first record");
        for text in ["", "7", "e30", "{}", &URL_SAFE_NO_PAD.encode(r#"{"v":2,"seq":{}}"#)] {
            assert!(matches!(text.parse::<Cursor>(), Err(Error::Cursor { .. })), "{text}");
        }
    }

    #[test]
    fn a_cursor_beyond_the_end_of_a_stream_is_refused() {
        let main = StreamName::new("main").unwrap();
        let cursor = Cursor::default().advanced(&BTreeMap::from([(main.clone(), 7)]));
        assert!(cursor.check(&BTreeMap::from([(main.clone(), 7)])).is_ok());
        let error = cursor.check(&BTreeMap::from([(main, 6)])).unwrap_err();
        assert!(
            error.to_string().contains("stands at record 7 of stream main, which ends at 6"),
            "{error}"
        );
        assert!(
            cursor.check(&BTreeMap::new()).is_ok(),
            "a journal that was not given is left alone"
        );
    }
}
