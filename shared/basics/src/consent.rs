//! The visitor's consent, as the page tells it.

use serde::{Deserialize, Serialize};

/// The visitor's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// The page did not tell a choice.
    #[default]
    Unknown,
    /// Storage and measurement allowed.
    Granted,
    /// Refused: the pixel stores nothing, and sends only what the law exempts from consent.
    Denied,
}

impl Consent {
    /// Returns the word that pixel events and exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}
