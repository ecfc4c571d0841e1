//! How much one client address may hold at once: open connections, or behind a trusted proxy
//! requests that are not answered yet. Whoever has an address has a whole IPv6 network, so its
//! first 64 bits count. Kept in memory while something is held, and never written down.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use hyper::HeaderMap;

/// What each address holds.
pub(crate) struct Addresses {
    held: RefCell<HashMap<u128, usize>>,
    most: usize,
}

/// One thing that an address holds. Dropping it frees the place.
pub(crate) struct Place {
    addresses: Rc<Addresses>,
    block: u128,
}

impl Addresses {
    pub(crate) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { held: RefCell::default(), most })
    }

    /// Takes a place for an address; `None` when it has as many as it may have.
    pub(crate) fn take(self: &Rc<Self>, address: IpAddr) -> Option<Place> {
        let block = block_of(address);
        let mut held = self.held.borrow_mut();
        let count = held.entry(block).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { addresses: Rc::clone(self), block })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.addresses.held.borrow_mut();
        if let Some(count) = held.get_mut(&self.block) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.block);
            }
        }
    }
}

/// Returns the number of an IPv4 address, or of the network of an IPv6 address.
fn block_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() | u128::from(u64::MAX),
    }
}

/// The peers in front of the server that say for whom they ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    loopback: bool,
    addresses: Vec<IpAddr>,
}

impl Default for Proxies {
    /// Everybody on this machine.
    fn default() -> Self {
        Self { loopback: true, addresses: vec![] }
    }
}

impl Proxies {
    /// Reads `none`, or addresses separated by commas, of which `loopback` stands for all of this
    /// machine.
    ///
    /// # Errors
    /// The text names what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut proxies = Self { loopback: false, addresses: vec![] };
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        for name in names.filter(|name| *name != "none") {
            match name.parse::<IpAddr>() {
                Ok(address) => proxies.addresses.push(address.to_canonical()),
                Err(_) if name == "loopback" => proxies.loopback = true,
                Err(_) => {
                    return Err("expected `none`, `loopback` or addresses such as 10.0.0.5".into());
                }
            }
        }
        Ok(proxies)
    }

    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        (self.loopback && peer.is_loopback()) || self.addresses.contains(&peer)
    }
}

/// Returns the address for which a trusted proxy asks: the last one in `X-Forwarded-For`, which
/// this proxy has added. The ones before it may be anybody's word.
pub(crate) fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let with_port = || last.parse().ok().map(|address: std::net::SocketAddr| address.ip());
    last.trim_matches(['[', ']']).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_places_and_no_more_and_frees_them() {
        let addresses = Addresses::new(2);
        let take = |text: &str| addresses.take(address(text));
        let (one, two) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(one.is_some() && two.is_some() && take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some(), "a neighbour is somebody else");
        drop(one);
        assert!(take("192.0.2.1").is_some());
        drop(two);
        assert!(addresses.held.borrow().is_empty(), "nothing is remembered");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let addresses = Addresses::new(1);
        let held = addresses.take(address("2001:db8::1"));
        assert!(held.is_some() && addresses.take(address("2001:db8::ffff:1")).is_none());
        assert!(addresses.take(address("2001:db8:0:1::1")).is_some());
        assert!(addresses.take(address("0.0.0.1")).is_some());
    }

    #[test]
    fn proxies_are_named_and_this_machine_is_one_unless_said_otherwise() {
        assert!(Proxies::default().contains(address("127.0.0.1")));
        assert!(!Proxies::parse("none").unwrap().contains(address("127.0.0.1")));
        let both = Proxies::parse("loopback, 10.0.0.5").unwrap();
        assert!(both.contains(address("::1")) && both.contains(address("::ffff:10.0.0.5")));
        assert!(!both.contains(address("10.0.0.6")));
        assert!(Proxies::parse("10.0.0.0/8").is_err());
    }

    #[test]
    fn only_the_proxys_own_word_about_the_client_counts() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            forwarded_for(&headers)
        };
        assert_eq!(read(&["6.6.6.6, 192.0.2.1"]), Some(address("192.0.2.1")));
        assert_eq!(read(&["6.6.6.6", "192.0.2.1:4711"]), Some(address("192.0.2.1")));
        assert_eq!(read(&["[2001:db8::1]:80"]), Some(address("2001:db8::1")));
        assert_eq!(read(&["2001:db8::1"]), Some(address("2001:db8::1")));
        assert_eq!((read(&[]), read(&["unknown"])), (None, None));
    }
}
