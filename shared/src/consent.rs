//! The visitor's consent, as the page reports it.

use serde::{Deserialize, Serialize};

/// What the visitor allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// The page has not said.
    #[default]
    Unknown,
    /// Storage and measurement allowed.
    Granted,
    /// Refused: nothing is stored and nothing is sent but what the law exempts.
    Denied,
}

impl Consent {
    /// The word used on the wire and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}
