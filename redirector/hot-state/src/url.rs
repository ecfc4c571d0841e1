//! The address of the hot state, as it is written in the configuration.

/// One server or a cluster, with or without TLS.
const REDIS_SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+cluster://", "rediss+cluster://"];

/// The address of the hot state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// In the data folder.
    Embedded,
    /// On a Redis server, or a cluster.
    Redis(String),
}

impl StateUrl {
    /// Reads `embedded` or the address of Redis.
    ///
    /// # Errors
    /// The text says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            _ if REDIS_SCHEMES.iter().any(|scheme| text.starts_with(scheme)) => {
                Ok(Self::Redis(text.to_owned()))
            }
            _ => Err("expected `embedded`, redis://host:port, rediss://host:port (TLS), or \
                      redis+cluster://host:port,host:port"
                .to_owned()),
        }
    }
}

/// Returns an address without its password, as logs may show it.
pub fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
        _ => url.to_owned(),
    }
}
