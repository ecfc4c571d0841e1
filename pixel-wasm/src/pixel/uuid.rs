//! Event ids: UUID version 7, so that ids sort by time and the server can drop an event it has
//! already seen.
//!
//! Reads no clock and no random source: both are parameters.

use super::text::{Room, Text};

/// The number of characters of an id.
pub const ID_CHARS: u32 = 36;

/// Overwrites 36 random bytes with a version 7 UUID: 48 bits of milliseconds, then random bits
/// around version and variant. A digit uses at most four bits of the random byte in its place.
pub fn spell_v7(now_ms: u64, random: Text, room: &mut Room) {
    let mut time_bits = 48;
    room.take_back(random);
    for index in 0..ID_CHARS {
        let byte = room.byte(random.0 + index);
        match index {
            8 | 13 | 18 | 23 => room.push(b'-'),
            14 => room.push(b'7'),
            19 => room.add_digit(8 | byte & 3),
            ..13 => {
                time_bits -= 4;
                room.add_digit((now_ms >> time_bits & 15) as u8);
            }
            _ => room.add_digit(byte & 15),
        }
    }
    room.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(now_ms: u64, random: &[u8; 36]) -> String {
        let mut room = Box::new(Room::NEW);
        let text = room.begin();
        random.iter().for_each(|byte| room.push(*byte));
        spell_v7(now_ms, text, &mut room);
        String::from_utf8_lossy(room.bytes(text)).into_owned()
    }

    #[test]
    fn the_example_of_rfc_9562_is_met() {
        // RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let digits = "............._.cc3.18c4.dc0c0c07398f".chars();
        let random: Vec<_> = digits
            .map(|digit| digit.to_digit(16).map_or(0xff, |digit| u8::try_from(digit).unwrap_or(0)))
            .collect();
        let random = random.try_into().expect("36 of them");
        assert_eq!(spelled(0x017f_22e2_79b0, &random), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn later_ids_sort_later() {
        assert!(spelled(0x1_0000_0001, &[0xff; 36]) < spelled(0x1_0000_0002, &[0; 36]));
        assert!(spelled(0x1_ffff_ffff, &[0xff; 36]) < spelled(0x2_0000_0000, &[0; 36]));
    }
}
