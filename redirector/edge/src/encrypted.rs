//! What an encrypted connection says about the requests on it: whether they may be asked here, and
//! whether the browser may be told to use only HTTPS for their host.
//!
//! A browser sends requests for several hosts over one HTTP/2 connection, when its certificate is
//! for all of them. That is right, and is answered. A request for a host that the certificate is
//! not for was not checked by anybody, and is answered 421: then a browser opens a connection of
//! its own.

use std::sync::Arc;

use live::Snapshot;
use rustls::ServerConnection;

use crate::tls::Certificates;

/// An encrypted connection.
pub(crate) struct Encrypted {
    /// The host for which it was opened, if the peer named one.
    name: Option<String>,
    certificates: Arc<Certificates>,
}

impl Encrypted {
    pub(crate) fn new(handshake: &ServerConnection, certificates: &Arc<Certificates>) -> Self {
        let name = handshake.server_name().map(str::to_ascii_lowercase);
        Self { name, certificates: Arc::clone(certificates) }
    }

    /// Returns whether a request for this host may come over the connection. A peer that named no
    /// host, such as a load balancer, knows what it does.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let Some(name) = &self.name else { return true };
        name == host || self.certificates.are_shared(name, host)
    }
}

/// Returns whether browsers may be told to use only HTTPS for a host: for the hosts of links. A
/// shop's own host is the merchant's, who may serve it without TLS elsewhere.
pub(crate) fn may_pin(snapshot: &Snapshot, host: &str) -> bool {
    snapshot.scope_of(host).is_some() && !snapshot.is_domain(host)
}
