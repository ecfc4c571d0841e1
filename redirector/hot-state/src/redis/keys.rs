//! The layout in Redis: buckets, and the keys in them.

/// How many buckets there are. Each may lose its data independently of the others.
pub(super) const BUCKETS: u8 = 64;
/// The bucket of data that belongs to no id: unparsed deliveries, changes of the catalog.
pub(super) const FIRST: u8 = 0;
/// The kind of the keys that hold what orders count for. Earlier releases had `t`, by days.
pub(super) const TOTALS: u8 = b'a';
/// The field of a stream's counters that holds the position up to which they count.
pub(super) const COUNTED: &[u8] = b"@";

/// FNV-1a: spreads ids and names over the buckets.
pub(super) fn bucket_of(id: &[u8]) -> u8 {
    let hash = id.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u8::try_from((hash >> 32) % u64::from(BUCKETS)).unwrap_or(FIRST)
}

pub(super) fn key(bucket: u8, kind: u8, id: &[u8]) -> Vec<u8> {
    [format!("ac:{{{bucket:02x}}}").as_bytes(), &[kind], id].concat()
}

pub(super) fn key_of(kind: u8, id: &[u8]) -> Vec<u8> {
    key(bucket_of(id), kind, id)
}

/// A stream's counters, by campaign and the merchants' hours.
pub(super) fn counters_of(stream: &[u8]) -> Vec<u8> {
    key_of(b'f', stream)
}

/// The counters that earlier releases kept, by UTC days and by the merchants' days. A stream without
/// counters is counted from its beginning, and nodes of both releases may share a store meanwhile.
pub(super) fn earlier_counters_of(stream: &[u8]) -> [Vec<u8>; 2] {
    [key_of(b'c', stream), key_of(b'd', stream)]
}
