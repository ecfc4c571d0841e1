//! How much one client address may hold at once: open connections, or behind a trusted proxy
//! requests that are not answered yet. Whoever has an address has a whole IPv6 network, so its
//! first 64 bits count. Kept in memory while something is held, and never written down.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

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
}
