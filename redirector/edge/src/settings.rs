//! The settings of the edge, which the operator chooses.

use journal::Durability;

pub use crate::flood::FloodLimits;
pub use crate::visitor::Proxies;

#[derive(Debug, Clone)]
pub struct Settings {
    /// What a recorded click survives: the end of the process, or also a power cut.
    pub clicks: Durability,
    pub scheme: Scheme,
    /// Only this machine reaches the plain listener. Then a proxy on this machine may say that the
    /// visitor uses HTTPS.
    pub listens_on_loopback: bool,
    /// The contact in `/.well-known/security.txt`. Without a contact there is no such file.
    pub security_contact: Option<String>,
    /// How many clicks on a link may come from one block of addresses.
    pub flood: FloodLimits,
    /// The proxies that say for whom they ask. What they may hold themselves is not bounded.
    pub trusted_proxies: Proxies,
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
