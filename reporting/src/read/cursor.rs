//! Where an export ended: the last sequence read of every stream, as one opaque text for `--since`;
//! it never says anything about time.

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

/// What stands inside the opaque text.
#[derive(Serialize, Deserialize)]
struct Inside {
    v: u8,
    seq: BTreeMap<String, u64>,
}

const VERSION: u8 = 1;

impl Cursor {
    /// Returns the last sequence of a stream that was read; 0 for a stream not seen before.
    pub fn position(&self, stream: &str) -> u64 {
        self.0.get(stream).copied().unwrap_or(0)
    }

    /// Whether a record lies after the cursor.
    pub fn is_before(&self, stream: &str, seq: u64) -> bool {
        self.position(stream) < seq
    }

    /// Moves the cursor to the last sequences read. A stream that was not read keeps its place.
    #[must_use]
    pub fn advanced(mut self, ends: &BTreeMap<StreamName, u64>) -> Self {
        self.0.extend(ends.iter().map(|(stream, &seq)| (stream.to_string(), seq)));
        self
    }

    /// Whether everything that `other` has seen was seen here too.
    pub fn reaches(&self, other: &Self) -> bool {
        other.beyond(self).is_none()
    }

    /// The first stream in which this cursor has seen more than `other`, with its place there.
    pub fn beyond(&self, other: &Self) -> Option<(String, u64)> {
        let beyond = self.0.iter().find(|(stream, seq)| **seq > other.position(stream));
        beyond.map(|(stream, seq)| (stream.clone(), *seq))
    }

    /// Checks that no stream ends before the cursor's place in it.
    ///
    /// # Errors
    /// [`Error::CursorAhead`] for the first stream that does: what was recorded since would be
    /// skipped.
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
        let inside = Inside { v: VERSION, seq: self.0.clone() };
        let json = serde_json::to_vec(&inside).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let json = URL_SAFE_NO_PAD.decode(text.trim()).ok();
        let inside = json.and_then(|json| serde_json::from_slice::<Inside>(&json).ok());
        match inside {
            Some(inside) if inside.v == VERSION => Ok(Self(inside.seq)),
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
            assert_eq!(text.parse::<Cursor>().unwrap_err().exit_status(), 2, "{text}");
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
