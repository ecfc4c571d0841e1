//! What a page's address says of the visit: the click token, or a discount code.
//!
//! Of the token only what has its shape is taken: a shop may use a parameter of the same name for
//! something else. Version 1 has 76 characters; later ones may differ.

use super::text::{Room, Text, size};

/// The names under which shops put a code into an address.
const CODE_NAMES: [&str; 7] = [
    "code=",
    "coupon=",
    "discount=",
    "coupon_code=",
    "coupon-code=",
    "discount_code=",
    "discount-code=",
];
/// How the proofs begin that shops put into the address of their thank-you page.
const PROOFS: [&str; 3] = ["wc_order_", "cs_live_", "cs_test_"];

/// The place of the next parameter of a query; 0 if none follows.
fn next_parameter(address: Text, room: &Room) -> u32 {
    let mut at = address.0;
    loop {
        match room.byte(at) {
            b'?' | b'&' => return at + 1,
            b'#' => return 0,
            _ if room.is_end(at) => return 0,
            _ => at += 1,
        }
    }
}

/// The place behind letters, digits, `-` and `_`.
pub fn end_of_word(at: u32, room: &Room) -> u32 {
    let mut at = at;
    while room.byte(at).is_ascii_alphanumeric() || matches!(room.byte(at), b'-' | b'_') {
        at += 1;
    }
    at
}

/// The length of the first of these words that stands at a place; 0 if none does.
fn any_at(at: u32, words: &[&str], room: &Room) -> u32 {
    let found = words.iter().find(|words| room.has_at(at, words));
    found.map_or(0, |words| size(words.len()))
}

fn is_end_of_value(at: u32, room: &Room) -> bool {
    room.is_end(at) || matches!(room.byte(at), b'&' | b'#')
}

/// The place of the click token in an address; 0 if there is none.
pub fn token_in(address: Text, room: &Room) -> u32 {
    let (mut found, mut at) = (0, address.0);
    loop {
        at = next_parameter(Text(at), room);
        if at == 0 {
            return found;
        }
        let end = end_of_word(at + 3, room);
        if room.has_at(at, "ac=") && matches!(end - at, 43..=259) && is_end_of_value(end, room) {
            found = at + 3;
        }
    }
}

/// Writes the address without the token, so that a visitor who shares it does not share the click.
pub fn without_token(address: Text, room: &mut Room) -> Text {
    let token = token_in(address, room);
    if token == 0 {
        return address;
    }
    let clean = room.begin();
    let mut rest = end_of_word(token, room);
    // One of the two signs around it goes with it.
    let is_last = room.byte(rest) != b'&';
    room.copy_range(address.0, token - 3 - u32::from(is_last));
    rest += u32::from(!is_last);
    room.copy(Text(rest));
    room.close();
    clean
}

/// The hash of an address without query and fragment: FNV-1a, never 0. Two pages of one visit that
/// share it would cost one counted page.
pub fn hash_of_page(address: Text, room: &Room) -> u32 {
    let (mut hash, mut at) = (0x811c_9dc5_u32, address.0);
    while !room.is_end(at) && !matches!(room.byte(at), b'?' | b'#') {
        hash = (hash ^ u32::from(room.byte(at))).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash | 1
}

/// Writes the discount code in an address, as it is spelled there; nothing where somebody signs in:
/// such addresses come back with a `code` of their own, and a `state` beside it.
pub fn code_in(address: Text, room: &mut Room) -> Text {
    let (mut found, mut at) = (0, address.0);
    loop {
        at = next_parameter(Text(at), room);
        if at == 0 {
            break;
        }
        if room.has_at(at, "state=") {
            return Text::NONE;
        }
        let value = at + any_at(at, &CODE_NAMES, room);
        if value != at && !is_end_of_value(value, room) {
            found = value;
        }
    }
    let code = room.begin();
    while found != 0 && !is_end_of_value(found, room) {
        room.push(room.byte(found));
        found += 1;
    }
    room.close();
    code
}

/// Writes what only the buyer's page and the shop know of an order, where a shop puts it into the
/// address of its thank-you page: WooCommerce's order key, or the id of Stripe's checkout session.
pub fn proof_in(address: Text, room: &mut Room) -> Text {
    let proof = room.begin();
    let mut at = address.0;
    while !room.is_end(at) {
        if any_at(at, &PROOFS, room) != 0 {
            room.copy_range(at, end_of_word(at, room));
            break;
        }
        at += 1;
    }
    room.close();
    proof
}
