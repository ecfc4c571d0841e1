//! The one HTTP client of this program. With it the program asks shops, stores, certificate
//! authorities and, for `doctor`, an installation from outside.
//!
//! SECURITY: redirects are never followed, since they could take a key to another host. Every
//! request has a time limit. Whoever reads an answer limits its bytes.

use std::time::Duration;

use ureq::Agent;
use ureq::Body;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};

/// The limits for one kind of request, and the certificates that it trusts.
pub(crate) struct Policy {
    /// How long connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How long a whole request may take, its answer included.
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

/// Makes a client with these limits. An answer with a failure status (4xx, 5xx) is no error.
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

/// Reads an answer's body. A body of more than `bytes_max` bytes is an error.
pub(crate) fn body(answer: &mut Response<Body>, bytes_max: u64) -> Result<Vec<u8>, ureq::Error> {
    answer.body_mut().with_config().limit(bytes_max).read_to_vec()
}

/// Returns a header of an answer as text, or an empty text.
pub(crate) fn header<B>(answer: &Response<B>, name: &str) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
