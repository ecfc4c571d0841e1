//! The settings of the edge, which the operator chooses.

use journal::Durability;

use crate::addresses::Proxies;

#[derive(Debug, Clone)]
pub struct Settings {
    /// What a recorded click survives: the end of the process, or also a power cut.
    pub clicks: Durability,
    pub scheme: Scheme,
    /// Only this machine reaches the plain listener. Then a proxy on this machine may say that the
    /// visitor uses HTTPS.
    pub listens_on_loopback: bool,
    /// The peers that say for whom they ask. What they may hold is not bounded.
    pub trusted_proxies: Proxies,
    /// The contact in `/.well-known/security.txt`. Without a contact there is no such file.
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
    /// # Errors
    /// The text names the expected values.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "https" => Ok(Self::Https),
            "http" => Ok(Self::Http),
            _ => Err("expected auto, https or http".to_owned()),
        }
    }
}
