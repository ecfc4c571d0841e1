//! Event ids: UUID version 7, so that ids sort by time and the server can drop an event it has already seen.
//!
//! Reads no clock and no random source: both are parameters.

/// Random bytes one id takes.
pub const RANDOM_BYTES: usize = 10;

/// Spells a version 7 UUID: 48 bits of milliseconds, then random bits around version and variant.
pub fn v7(now_ms: i64, random: [u8; RANDOM_BYTES]) -> String {
    let mut bytes = [0; 16];
    let time = now_ms.to_be_bytes();
    for (to, from) in bytes.iter_mut().zip(time.iter().skip(2).chain(&random)) {
        *to = *from;
    }
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    spell(&bytes)
}

fn spell(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(hex_digit(byte >> 4));
        text.push(hex_digit(byte & 15));
    }
    text
}

const fn hex_digit(nibble: u8) -> char {
    (if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }) as char
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9562_is_met() {
        // RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let random = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        assert_eq!(v7(0x017f_22e2_79b0, random), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn later_ids_sort_later() {
        assert!(v7(1_763_800_000_000, [0xff; 10]) < v7(1_763_800_000_001, [0; 10]));
    }
}
