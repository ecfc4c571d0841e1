//! Event ids: UUID version 7, so that ids sort by time and the server can drop an event it has
//! already seen.
//!
//! Reads no clock and no random source: both are parameters.

/// Overwrites 36 random bytes with the text of a version 7 UUID: 48 bits of milliseconds, then
/// random bits around version and variant. A digit uses at most four bits of the random byte in its
/// place. The time comes as two halves.
#[inline(always)]
pub fn spell_v7(now_ms_high: u32, now_ms_low: u32, text: &mut [u8]) {
    let now_ms = u64::from(now_ms_high) << 32 | u64::from(now_ms_low);
    let mut time_digits = 12;
    for (index, byte) in text.iter_mut().enumerate() {
        let digit = match index {
            8 | 13 | 18 | 23 => {
                *byte = b'-';
                continue;
            }
            14 => 7,
            19 => 8 | *byte & 3,
            ..13 => {
                time_digits -= 1;
                (now_ms >> (4 * time_digits) & 15) as u8
            }
            _ => *byte & 15,
        };
        *byte = if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(high: u32, low: u32, random: &[u8; 36]) -> String {
        let mut text = *random;
        spell_v7(high, low, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn the_example_of_rfc_9562_is_met() {
        // RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let digits = "............._.cc3.18c4.dc0c0c07398f".chars();
        let random: Vec<_> = digits
            .map(|digit| digit.to_digit(16).map_or(0xff, |digit| u8::try_from(digit).unwrap_or(0)))
            .collect();
        let random = random.try_into().expect("36 of them");
        assert_eq!(spelled(0x017f, 0x22e2_79b0, &random), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn later_ids_sort_later() {
        assert!(spelled(1, 1, &[0xff; 36]) < spelled(1, 2, &[0; 36]));
        assert!(spelled(1, u32::MAX, &[0xff; 36]) < spelled(2, 0, &[0; 36]));
    }
}
