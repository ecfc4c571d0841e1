//! Entries of the exchange. Beyond no panic: nothing opens that our nodes did not seal, nothing that
//! is sealed for another purpose or under another name, and never with a bit changed; what opens is a
//! change under its own id.
//!
//! The bytes are what somebody put into Redis, the first sixteen as its name. They are also sealed as
//! a node of ours would seal them, because a node may be of another version.

use journal::StreamName;
use live::entry;
use live::seal::{Purpose, Sealer};
use shared::catalog::{Change, change_id};
use shared::record::Record;
use shared::token::{KeyRing, KeyState, MasterKey};

use crate::world::{MASTER, NOW};

thread_local! {
    static SEALERS: [Sealer; 2] = [Purpose::Exchange, Purpose::HotState].map(sealer);
}

fn sealer(purpose: Purpose) -> Sealer {
    let key = MasterKey { id: 1, state: KeyState::Active, secret: MASTER };
    Sealer::new(&KeyRing::new(vec![key]).expect("one key is active"), purpose)
}

pub(crate) fn entry(bytes: &[u8]) {
    let (name, content) = bytes.split_at(bytes.len().min(16));
    SEALERS.with(|[sealer, other]| {
        if let Some(opened) = entry::open(sealer, name, content) {
            assert_eq!((change_id(&opened.record), &opened.id[..]), (opened.id, name));
            let read = Record::decode(&opened.record);
            assert_eq!(read, Ok(Record::Catalog(opened.change)));
            check_bits(sealer, name, content);
            assert!(other.open(name, content).is_none(), "it is sealed for another purpose");
        }
        // Sealed by one of our nodes, with whatever is inside.
        let sealed = sealer.seal(name, content);
        if let Some(opened) = entry::open(sealer, name, &sealed) {
            assert_eq!((change_id(&opened.record), &opened.id[..]), (opened.id, name));
        }
        assert!(entry::open(sealer, name, &other.seal(name, content)).is_none());
        let (id, stream) = (change_id(content), StreamName::new("catalog-a").expect("a name"));
        let sealed = entry::seal(sealer, &id, &stream, 1, content);
        let is_change = matches!(Record::decode(content), Ok(Record::Catalog(_)));
        assert_eq!(entry::open(sealer, &id, &sealed).is_some(), is_change);
    });
}

fn check_bits(sealer: &Sealer, name: &[u8], sealed: &[u8]) {
    for bit in (0..sealed.len() * 8).step_by(7) {
        let mut forged = sealed.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(entry::open(sealer, name, &forged).is_none(), "bit {bit}");
    }
}

pub(crate) fn made() -> Vec<Vec<u8>> {
    let record =
        Record::Catalog(Change { at: NOW, entities: vec![], request: None, by: None }).encode();
    let (id, stream) = (change_id(&record), StreamName::new("catalog-a").expect("a name"));
    let sealed = entry::seal(&sealer(Purpose::Exchange), &id, &stream, 1, &record);
    vec![[&id[..], &sealed].concat(), [&id[..], &record].concat(), record]
}
