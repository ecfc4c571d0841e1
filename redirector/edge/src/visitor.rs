//! Where a visitor comes from, as far as it matters: the block of addresses.
//!
//! SECURITY: an address is never stored, logged or sent on. Its block lives as long as a
//! connection, and what is kept of it is a salted hash (`flood`).

use std::net::IpAddr;

use hyper::HeaderMap;

use crate::request::Headers;
use crate::stream::GatedStream;

/// Bits of an IPv4 address that name its block.
const V4_BITS: u32 = 24;
/// Bits of an IPv6 address that name its block: what a carrier's region or a rented tunnel has.
const V6_BITS: u32 = 48;

/// A block of addresses. About as many people share an IPv4 block of a carrier as an IPv6 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block(pub(crate) u64);

impl Block {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits() >> (32 - V4_BITS))),
            IpAddr::V6(address) => {
                let block = u64::try_from(address.to_bits() >> (128 - V6_BITS)).unwrap_or(0);
                Self(1 << 63 | block)
            }
        }
    }
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// `None` when the peer is gone already.
    block: Option<Block>,
    is_proxy: bool,
    is_loopback: bool,
}

impl Peer {
    pub(crate) fn of(stream: &GatedStream, proxies: &Proxies) -> Self {
        Self::at(stream.peer(), proxies)
    }

    fn at(address: Option<IpAddr>, proxies: &Proxies) -> Self {
        let address = address.map(|address| address.to_canonical());
        Self {
            block: address.map(Block::of),
            is_proxy: address.is_some_and(|address| proxies.contains(address)),
            is_loopback: address.is_some_and(|address| address.is_loopback()),
        }
    }

    /// Returns the block of the visitor's address, or `None` when a proxy does not say it.
    ///
    /// SECURITY: only a proxy that the operator trusts may say where a visitor comes from. Of what
    /// it says, the last address that is not a proxy's own counts: visitors write those before it.
    pub(crate) fn visitor(&self, headers: &Headers<'_>, proxies: &Proxies) -> Option<Block> {
        if !self.is_proxy {
            return self.block;
        }
        let Some(chain) = headers.forwarded_for else {
            // Loopback without any word of a proxy is a program on this machine. Otherwise all
            // visitors of a proxy would count as one.
            let is_direct = self.is_loopback && !headers.forwarded;
            return self.block.filter(|_| is_direct);
        };
        farthest(chain, proxies).map(Block::of)
    }

    /// Returns the address for which a trusted proxy asks, if the peer is one and says it.
    pub(crate) fn client_of_proxy(self, headers: &HeaderMap, proxies: &Proxies) -> Option<IpAddr> {
        if !self.is_proxy {
            return None;
        }
        let last = headers.get_all("x-forwarded-for").iter().next_back()?;
        farthest(last.as_bytes(), proxies)
    }
}

/// Returns the last address of `X-Forwarded-For` that is not a proxy's own, or else the first.
fn farthest(chain: &[u8], proxies: &Proxies) -> Option<IpAddr> {
    let mut farthest = None;
    for text in str::from_utf8(chain).ok()?.rsplit(',') {
        let address = address_of(text.trim())?;
        farthest = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    farthest
}

/// Reads an address, with or without a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    let without_port = || text.rsplit_once(':').and_then(|(address, _)| parse(address));
    let address = parse(bare.unwrap_or(text)).or_else(without_port)?;
    Some(address.to_canonical())
}

/// The networks of proxies that say where a visitor comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies(Vec<(u128, u32)>);

/// What `loopback` stands for.
const LOOPBACK: &str = "127.0.0.0/8, ::1";
/// What `private` stands for: networks that no visitor of the Internet comes from.
const PRIVATE: &str = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, \
    fc00::/7, fe80::/10";

const EXPECTED: &str = "expected `loopback`, `private`, `none` or a network such as 203.0.113.0/24";

impl Default for Proxies {
    /// Whoever is on this machine or in a private network.
    fn default() -> Self {
        let networks = [LOOPBACK, PRIVATE].into_iter().flat_map(|text| text.split(','));
        Self(networks.filter_map(network).collect())
    }
}

impl Proxies {
    /// Reads networks such as `203.0.113.0/24` and single addresses, separated by commas. The words
    /// `loopback` and `private` stand for the networks of their kind; `none` for no network.
    ///
    /// # Errors
    /// The text names what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut networks = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "none")) {
            let meant = match name {
                "loopback" => LOOPBACK,
                "private" => PRIVATE,
                _ => name,
            };
            for one in meant.split(',') {
                networks.push(network(one).ok_or_else(|| format!("`{name}`: {EXPECTED}"))?);
            }
        }
        Ok(Self(networks))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let bits = bits_of(address);
        self.0
            .iter()
            .any(|(network, length)| *length == 0 || (bits ^ network) >> (128 - length) == 0)
    }
}

/// Reads a network: its bits, and how many of them count.
fn network(text: &str) -> Option<(u128, u32)> {
    let text = text.trim();
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.map_or(Some(most), |length| length.parse().ok())?;
    (length <= most).then(|| (bits_of(address), 128 - most + length))
}

/// Returns an address as one of IPv6, where every address has its place.
fn bits_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: &str) -> Block {
        Block::of(address.parse().unwrap())
    }

    #[test]
    fn a_block_is_what_a_carrier_shares_and_an_attacker_rents() {
        assert_eq!(block("203.0.113.7"), block("203.0.113.250"));
        assert_eq!(block("203.0.113.7"), block("::ffff:203.0.113.9"));
        assert_ne!(block("203.0.113.7"), block("203.0.114.7"));
        assert_eq!(block("2001:db8:7:1::1"), block("2001:db8:7:ffff::2"));
        assert_ne!(block("2001:db8:7::1"), block("2001:db8:8::1"));
        assert_ne!(block("::"), block("0.0.0.0"));
    }

    /// Checks whose block counts for a request from `peer`.
    fn check(peer: &str, forwarded_for: Option<&str>, over_proxy: bool, expected: Option<&str>) {
        let proxies = Proxies::default();
        let mut headers = Headers::default();
        headers.forwarded_for = forwarded_for.map(str::as_bytes);
        headers.forwarded = over_proxy;
        let found = Peer::at(peer.parse().ok(), &proxies).visitor(&headers, &proxies);
        assert_eq!(found, expected.map(block), "{peer} {forwarded_for:?}");
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_visitor_comes_from() {
        check("203.0.113.7", None, false, Some("203.0.113.7"));
        check("203.0.113.7", Some("198.51.100.1"), true, Some("203.0.113.7"));
        check("127.0.0.1", Some("198.51.100.1"), true, Some("198.51.100.1"));
        check("10.1.2.3", Some("198.51.100.1"), false, Some("198.51.100.1"));
        check("::ffff:10.1.2.3", Some("198.51.100.1"), false, Some("198.51.100.1"));
        // The visitor wrote the first of these, and the proxies the others.
        check("127.0.0.1", Some("1.1.1.1, 198.51.100.1, 10.0.0.9"), true, Some("198.51.100.1"));
        check("127.0.0.1", Some("198.51.100.1:4711"), true, Some("198.51.100.1"));
        check("127.0.0.1", Some("[2001:db8::1]:4711"), true, Some("2001:db8::1"));
        check("127.0.0.1", Some("2001:db8::1"), true, Some("2001:db8::1"));
        check("127.0.0.1", Some("10.9.8.7"), true, Some("10.9.8.7"));
    }

    #[test]
    fn visitors_of_a_proxy_that_says_nothing_are_not_one_visitor() {
        check("127.0.0.1", None, true, None);
        check("10.1.2.3", None, false, None);
        check("127.0.0.1", Some("unknown"), true, None);
        check("127.0.0.1", Some(""), true, None);
        check("127.0.0.1", None, false, Some("127.0.0.1"));
    }

    #[test]
    fn only_the_proxys_own_word_about_the_client_counts() {
        let proxies = Proxies::default();
        let read = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            Peer::at(peer.parse().ok(), &proxies).client_of_proxy(&headers, &proxies)
        };
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(read("127.0.0.1", &["6.6.6.6, 192.0.2.1"]), address("192.0.2.1"));
        assert_eq!(read("127.0.0.1", &["6.6.6.6", "192.0.2.1:4711"]), address("192.0.2.1"));
        assert_eq!(read("127.0.0.1", &["[2001:db8::1]:80"]), address("2001:db8::1"));
        assert_eq!(read("127.0.0.1", &["2001:db8::1"]), address("2001:db8::1"));
        assert_eq!((read("127.0.0.1", &[]), read("127.0.0.1", &["unknown"])), (None, None));
        assert_eq!(read("203.0.113.7", &["192.0.2.1"]), None);
    }

    #[test]
    fn networks_are_read_and_mistakes_are_named() {
        let networks = Proxies::parse("203.0.113.0/24, 2001:db8::/32,198.51.100.1").unwrap();
        let contains = |address: &str| networks.contains(address.parse().unwrap());
        assert!(contains("203.0.113.9") && contains("2001:db8:1::") && contains("198.51.100.1"));
        assert!(!contains("203.0.112.9") && !contains("2001:db9::") && !contains("198.51.100.2"));
        assert!(!Proxies::parse("none").unwrap().contains("127.0.0.1".parse().unwrap()));
        assert!(Proxies::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
        let local = Proxies::default();
        assert_eq!(Proxies::parse("loopback, private"), Ok(local.clone()));
        assert_eq!(local.0.len(), 9);
        assert!(!Proxies::parse("loopback").unwrap().contains("10.0.0.1".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "shop.example", "10.0.0.0/x", "::/129"] {
            assert!(Proxies::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
