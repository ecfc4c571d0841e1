//! In which order a list stands, and where a page of it ends.

use api::Kind;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::time::Timestamp;

use answers::Problem;
use answers::asked::wrong;

/// What sorts an entity in a list, the id last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) by: By,
    pub(super) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Time(i64),
    Name(String),
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) by_name: bool,
    pub(super) backwards: bool,
}

impl Sort {
    pub(super) fn read(text: Option<&str>) -> Result<Self, Problem> {
        let (by_name, backwards) = match text {
            None | Some("created_at") => (false, false),
            Some("-created_at") => (false, true),
            Some("name") => (true, false),
            Some("-name") => (true, true),
            Some(other) => {
                let expected = "expected created_at, -created_at, name or -name";
                return Err(wrong("sort", format!("`{other}`: {expected}")));
            }
        };
        Ok(Self { by_name, backwards })
    }

    /// Returns whether an entity stands before another one.
    pub(super) fn is_before(self, one: &Key, other: &Key) -> bool {
        if self.backwards { other < one } else { one < other }
    }
}

impl Key {
    pub(super) const fn is_name(&self) -> bool {
        matches!(self.by, By::Name(_))
    }

    /// Returns the cursor behind this entity.
    pub(super) fn cursor(&self, kind: Kind) -> String {
        let by = match &self.by {
            By::Time(ms) => format!("t{ms}"),
            By::Name(name) => format!("n{name}"),
        };
        URL_SAFE_NO_PAD.encode(format!("{}\0{by}\0{}", kind.plural(), self.id))
    }
}

/// Reads a cursor of a list of this kind.
pub(super) fn read_cursor(cursor: &str, kind: Kind) -> Option<Key> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('\0');
    let (of, by, id) = (parts.next()?, parts.next()?, parts.next()?);
    if of != kind.plural() || parts.next().is_some() {
        return None;
    }
    let by = match by.split_at_checked(1)? {
        ("t", ms) => By::Time(ms.parse().ok()?),
        ("n", name) => By::Name(name.to_owned()),
        _ => return None,
    };
    Some(Key { by, id: id.to_owned() })
}

pub(super) fn key(sort: Sort, at: Timestamp, name: impl FnOnce() -> String, id: String) -> Key {
    let by = if sort.by_name { By::Name(name()) } else { By::Time(at.as_ms()) };
    Key { by, id }
}
