//! Mutations of seeds: the same number gives the same bytes, on every machine.

/// What parsers decide by: numbers at the edge of a type, delimiters, words of our formats.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e309",
    b"99999999999999999999",
    b"0.005",
    b"1,000.00",
    b"NaN",
    b"null",
    b"true",
    b"\"",
    b"\\u0000",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"%00",
    b"%",
    b"&",
    b"=",
    b";",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\x8b",
    b"ac=",
    b" ",
    b"&sig=",
    b"&sig=00",
    b"Host: ",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"HTTP/1.0",
    b"..",
    b"/_ac/",
    b"#",
    b"\0",
    b"EUR",
    b"JPY",
    b"XXX",
    b"\"id\":",
    b"\"status\":",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\0\0",
];

/// Pseudo-random numbers: SplitMix64.
pub struct Numbers(u64);

impl Numbers {
    /// Makes the numbers that follow from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }
}

/// Returns a mutation of one of the seeds.
///
/// # Panics
/// Never: without seeds it mutates the empty text.
pub fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let pick = |numbers: &mut Numbers| seeds.get(numbers.below(seeds.len())).cloned();
    let mut bytes = pick(numbers).unwrap_or_default();
    for _ in 0..=numbers.below(4) {
        let at = match numbers.below(8) {
            0 => 0,
            1 => bytes.len(),
            _ => numbers.below(bytes.len() + 1),
        };
        let end = at + numbers.below((bytes.len() - at).min(64) + 1);
        match numbers.below(8) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(numbers.below(256)).unwrap_or(0);
                }
            }
            2 => _ = bytes.drain(at..end),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => bytes.truncate(at),
            5 => {
                // The end of another seed.
                let other = pick(numbers).unwrap_or_default();
                let from = numbers.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            kind => {
                let word = WORDS[numbers.below(WORDS.len())];
                let end = if kind == 6 { at } else { end };
                bytes.splice(at..end, word.iter().copied());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_bytes() {
        let seeds = vec![b"one seed".to_vec(), b"{\"another\": 1}".to_vec()];
        let some = |seed| {
            let mut numbers = Numbers::new(seed);
            (0..100).map(|_| mutated(&seeds, &mut numbers)).collect::<Vec<_>>()
        };
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
        assert!(some(3).iter().filter(|bytes| !seeds.contains(bytes)).count() > 50);
    }
}
