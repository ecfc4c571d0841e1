//! An entry of the exchange: a change of the catalog as nodes pass it on through a place that is
//! not trusted. Pure but for the seal's random nonce: bytes in, a change out, or nothing.

use journal::StreamName;
use shared::catalog::{Change, ChangeId, change_id};
use shared::record::Record;

use crate::seal::Sealer;

/// A change that one of our nodes made.
pub struct Opened {
    pub id: ChangeId,
    /// The record as it stands in that node's journal.
    pub record: Vec<u8>,
    pub change: Change,
}

/// Returns the sealed entry of a record, with its stream and sequence inside.
pub fn seal(
    sealer: &Sealer,
    id: &ChangeId,
    stream: &StreamName,
    seq: u64,
    record: &[u8],
) -> Vec<u8> {
    let name = stream.as_str().as_bytes();
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let entry = [&length.to_be_bytes()[..], name, &seq.to_be_bytes(), record].concat();
    sealer.seal(id, &entry)
}

/// Opens what stands under a name; `None` for anything that none of our nodes put there.
pub fn open(sealer: &Sealer, name: &[u8], sealed: &[u8]) -> Option<Opened> {
    let id = ChangeId::try_from(name).ok()?;
    let entry = sealer.open(&id, sealed)?;
    let record = record_of(&entry).filter(|record| change_id(record) == id)?;
    match Record::decode(record) {
        Ok(Record::Catalog(change)) => Some(Opened { id, record: record.to_vec(), change }),
        _ => None,
    }
}

fn record_of(entry: &[u8]) -> Option<&[u8]> {
    let (length, rest) = entry.split_first_chunk()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
    rest.get(size_of::<u64>()..)
}

#[cfg(test)]
mod tests {
    use shared::time::Timestamp;
    use shared::token::{KeyRing, KeyState, MasterKey};

    use super::*;
    use crate::seal::Purpose;

    #[test]
    fn an_entry_opens_under_the_id_of_its_change_alone() {
        let key = MasterKey { id: 1, state: KeyState::Active, secret: [1; 32] };
        let sealer = Sealer::new(&KeyRing::new(vec![key]).unwrap(), Purpose::Exchange);
        let at = Timestamp::from_ms(1_790_000_000_000);
        let record =
            Record::Catalog(Change { at, entities: vec![], request: None, by: None }).encode();
        let (id, stream) = (change_id(&record), StreamName::new("catalog-a").unwrap());
        let sealed = seal(&sealer, &id, &stream, 7, &record);
        assert!(open(&sealer, &id, &sealed).is_some_and(|opened| opened.record == record));
        for name in [&[8; 16][..], b"", b"short", &[id.as_slice(), &[0]].concat()] {
            assert!(open(&sealer, name, &sealed).is_none(), "{name:?}");
        }
        // Our own seal over what is no change, or another change, opens nothing.
        for content in [&b""[..], b"\xff\xff", b"\0\x01a", &[&[0; 10][..], b"record"].concat()] {
            assert!(open(&sealer, &id, &sealer.seal(&id, content)).is_none(), "{content:?}");
        }
    }
}
