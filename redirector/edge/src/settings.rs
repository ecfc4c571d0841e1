//! What the operator sets for the edge.

use journal::Durability;

/// What the operator sets for the edge.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What a click survives.
    pub clicks: Durability,
    pub scheme: Scheme,
    /// Whether the plain listener is for this machine alone: then a proxy on it may say that the
    /// visitor speaks HTTPS.
    pub listens_on_loopback: bool,
    /// The contact in `/.well-known/security.txt`; without one there is no such file.
    pub security_contact: Option<String>,
}

/// The scheme that visitors see, which decides the cookie's name and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP on loopback unless a proxy on the same machine says `X-Forwarded-Proto: https`;
    /// HTTPS elsewhere.
    Auto,
    Https,
    Http,
}

impl Scheme {
    /// Reads a setting.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "https" => Ok(Self::Https),
            "http" => Ok(Self::Http),
            _ => Err("expected auto, https or http".to_owned()),
        }
    }
}
