//! Which names the admin listener answers to.
//!
//! SECURITY: a page of somebody else can give its own name our address (DNS rebinding). Then a
//! browser inside our network asks us in that page's name, and shows it the answer. So a name is
//! answered only when it is one of ours.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};

/// Paths that load balancers ask, by whatever address they have. They tell nothing but health.
const ANSWERED_TO_ALL: [&str; 2] = ["/healthz", "/readyz"];

/// The hosts of the admin listener.
pub struct Hosts {
    listens_on: IpAddr,
    configured: Vec<String>,
    foreign: AtomicU64,
}

impl Hosts {
    /// Answers to loopback, to the address on which it listens, and to configured hosts, which are
    /// in lower case.
    pub const fn new(listens_on: IpAddr, configured: Vec<String>) -> Self {
        Self { listens_on, configured, foreign: AtomicU64::new(0) }
    }

    /// Returns how many requests named another host.
    pub(crate) fn foreign_total(&self) -> u64 {
        self.foreign.load(Relaxed)
    }

    /// Returns whether a host, which may have a port, is one of ours.
    fn has(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let is_configured = self.configured.contains(&name);
        match name.parse::<IpAddr>() {
            // Nobody can register an address as a name. A listener on all addresses has many.
            Ok(address) => {
                address.is_loopback()
                    || self.listens_on.is_unspecified()
                    || address == self.listens_on
                    || is_configured
            }
            Err(_) => name == "localhost" || name.ends_with(".localhost") || is_configured,
        }
    }

    /// Returns whether a request may be answered: it is for all, or names us. Counts those that name
    /// others.
    pub(crate) fn admit(&self, request: &Request) -> bool {
        let is_for_all = ANSWERED_TO_ALL.contains(&request.uri().path());
        let is_admitted = is_for_all || self.are_named_by(request);
        if !is_admitted {
            self.foreign.fetch_add(1, Relaxed);
        }
        is_admitted
    }

    /// Returns whether every name that a request gives us is one of ours, and there is one.
    fn are_named_by(&self, request: &Request) -> bool {
        let headers = request.headers().get_all(header::HOST).iter();
        let headers = headers.map(|host| host.to_str().unwrap_or_default());
        let target = request.uri().authority().map(|authority| authority.as_str());
        let mut names = headers.chain(target).peekable();
        names.peek().is_some() && names.all(|host| self.has(host))
    }
}

/// Returns whether a request came to a name of this machine alone, where nobody has HTTPS.
pub(crate) fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = without_port(host).to_ascii_lowercase();
    let is_loopback = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

/// Returns whether a request has one `Host`, which only HTTP/1.1 demands (RFC 9112, 3.2).
pub(crate) fn are_named_once(request: &Request) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() != Version::HTTP_11,
        count => count == 1,
    }
}

/// Returns `shop.example:8080` or `[::1]:8080` without the port.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(listens_on: &str, host: &str) -> bool {
        let configured = vec!["admin.agency.example".to_owned()];
        Hosts::new(listens_on.parse().unwrap(), configured).has(host)
    }

    #[test]
    fn loopback_and_configured_names_are_ours_and_others_are_not() {
        for host in [
            "localhost",
            "localhost:8081",
            "a.localhost",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:8081",
            "Admin.Agency.Example:443",
        ] {
            assert!(answers("127.0.0.1", host) && answers("0.0.0.0", host), "{host}");
        }
        for host in [
            "",
            ":8081",
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "x.admin.agency.example",
            "agency.example",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f.1",
            "2130706433",
            "localhost.",
        ] {
            assert!(!answers("127.0.0.1", host) && !answers("0.0.0.0", host), "{host}");
        }
    }

    #[test]
    fn an_address_is_ours_when_the_listener_may_have_it() {
        assert!(answers("192.0.2.7", "192.0.2.7:8081") && !answers("192.0.2.7", "192.0.2.8"));
        assert!(answers("0.0.0.0", "192.0.2.8:8081") && answers("::", "[2001:db8::1]"));
        assert!(!answers("127.0.0.1", "192.0.2.8"));
    }
}
