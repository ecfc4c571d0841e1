//! The one way in which this program asks others over HTTP: shops, stores, certificate authorities,
//! and a set-up that is looked at from outside.
//!
//! SECURITY: redirects are never followed, since they could carry a key elsewhere. Every request is
//! bounded in time, and every answer in bytes by whoever reads it.

use std::time::Duration;

use ureq::Agent;
use ureq::Body;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};

/// What a kind of requests may take, and whom it believes.
pub(crate) struct Policy {
    /// For connecting.
    pub(crate) connect_timeout: Duration,
    /// For a request in all, its answer included.
    pub(crate) timeout: Duration,
    /// Whether plain HTTP is refused.
    pub(crate) https_only: bool,
    pub(crate) roots: RootCerts,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            https_only: false,
            roots: RootCerts::WebPki,
        }
    }
}

/// A client that keeps to a policy. A status of failure is an answer, not an error.
pub(crate) fn client(policy: Policy) -> Agent {
    Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(policy.roots).build())
        .timeout_connect(Some(policy.connect_timeout))
        .timeout_global(Some(policy.timeout))
        .https_only(policy.https_only)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("afterclick/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// Reads an answer's body of at most so many bytes.
pub(crate) fn body(answer: &mut Response<Body>, bytes_max: u64) -> Result<Vec<u8>, ureq::Error> {
    answer.body_mut().with_config().limit(bytes_max).read_to_vec()
}

/// A header of an answer as text; empty where there is none.
pub(crate) fn header<B>(answer: &Response<B>, name: &str) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
