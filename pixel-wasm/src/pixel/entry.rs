//! A foreign object, as the adapter wrote it down: a call of the page, an entry of its data layer,
//! the answer of a consent platform.
//!
//! Each value that is there stands as `path=value`, with a separator behind it, and a zero behind all. A path has a
//! letter for each name on the way (`NAMES` in `web/flat.js`; [`name`] says the same), and behind the
//! letter of an object or a list the place in it, from `0` up. Nothing here decides what an object
//! means.

use super::text::{Room, Text, size};

/// The letters of names. Those of objects and lists come first.
pub mod name {
    /// `2`: the detail of a call, and of Google's `gtag`.
    pub const DETAIL: u8 = b'@';
    /// `ecommerce`.
    pub const ECOMMERCE: u8 = b'A';
    /// `purchase`.
    pub const PURCHASE: u8 = b'B';
    /// `actionField`.
    pub const ACTION_FIELD: u8 = b'C';
    /// `products`.
    pub const PRODUCTS: u8 = b'D';
    /// `items`.
    pub const ITEMS: u8 = b'E';
    /// `purpose`.
    pub const PURPOSE: u8 = b'F';
    /// `consents`.
    pub const CONSENTS: u8 = b'G';
    /// `0`: the name of a call.
    pub const CALL: u8 = b'H';
    /// `1`: the word of a call, and the first purpose of the TCF.
    pub const ONE: u8 = b'I';
    /// `event`.
    pub const EVENT: u8 = b'J';
    /// `id`.
    pub const ID: u8 = b'K';
    /// `key`.
    pub const KEY: u8 = b'R';
    /// `currencyCode`.
    pub const CURRENCY_CODE: u8 = b'[';
    /// `ad_storage`.
    pub const AD_STORAGE: u8 = b'`';
    /// `ad_user_data`.
    pub const AD_USER_DATA: u8 = b'a';
    /// `gdprApplies`.
    pub const GDPR_APPLIES: u8 = b'b';
    /// `eventStatus`.
    pub const EVENT_STATUS: u8 = b'c';
    /// `token`.
    pub const TOKEN: u8 = b'd';
}

/// Where an object stands in an entry: its path, and for a line of an order the place behind it.
#[derive(Clone, Copy)]
pub struct Path(pub &'static str, pub u8);

/// The value of a name in the object at a path, if it is there.
pub fn value(entry: Text, path: Path, name: u8, room: &Room) -> Text {
    let mut leaf = entry.0;
    while room.byte(leaf) != 0 {
        if room.has_at(leaf, path.0) {
            let mut at = leaf + size(path.0.len());
            if path.1 != 0 && room.byte(at) == path.1 {
                at += 1;
            }
            if room.byte(at) == name && room.byte(at + 1) == b'=' {
                return Text(at + 2);
            }
        }
        leaf = room.end_of(Text(leaf)) + 1;
    }
    Text::NONE
}

/// The first of these names that has a value.
pub fn first(entry: Text, path: Path, names: &[u8], room: &Room) -> Text {
    for name in names {
        let value = value(entry, path, *name, room);
        if !room.is_empty(value) {
            return value;
        }
    }
    Text::NONE
}

/// The value of a name in the entry itself.
pub fn of_top(entry: Text, name: u8, room: &Room) -> Text {
    value(entry, Path("", 0), name, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let mut room = Box::new(Room::NEW);
        let entry = room.begin();
        room.add("H=event\u{1f}@0=\u{1f}@0K=a=b\u{1f}@0E0=\u{1f}@0E0K=line\u{1f}\0");
        let is = |path, name, words| room.is(value(entry, path, name, &room), words);
        assert!(is(Path("", 0), name::CALL, "event") && is(Path("@0", 0), name::ID, "a=b"));
        assert!(is(Path("@0E", b'0'), name::ID, "line"));
        assert!(!value(entry, Path("", 0), name::ID, &room).is_some());
        assert!(room.is(first(entry, Path("@0", 0), &[name::KEY, name::ID], &room), "a=b"));
        assert!(value(entry, Path("@0E", 0), b'0', &room).is_some());
        assert!(!value(entry, Path("@0E", 0), b'1', &room).is_some());
    }

    #[test]
    fn letters_are_those_of_the_adapter() {
        let adapter = include_str!("../../web/flat.js");
        let names = adapter.split("NAMES =").nth(1).and_then(|rest| rest.split('"').nth(1));
        let names: Vec<_> = names.expect("the adapter's names").split(' ').collect();
        for (letter, expected) in [
            (name::DETAIL, "2"),
            (name::ECOMMERCE, "ecommerce"),
            (name::PURCHASE, "purchase"),
            (name::ACTION_FIELD, "actionField"),
            (name::PRODUCTS, "products"),
            (name::ITEMS, "items"),
            (name::PURPOSE, "purpose"),
            (name::CONSENTS, "consents"),
            (name::CALL, "0"),
            (name::ONE, "1"),
            (name::EVENT, "event"),
            (name::ID, "id"),
            (name::KEY, "key"),
            (name::CURRENCY_CODE, "currencyCode"),
            (name::AD_STORAGE, "ad_storage"),
            (name::AD_USER_DATA, "ad_user_data"),
            (name::GDPR_APPLIES, "gdprApplies"),
            (name::EVENT_STATUS, "eventStatus"),
            (name::TOKEN, "token"),
            (b'L', "value"),
            (b'M', "currency"),
            (b'N', "tax"),
            (b'O', "shipping"),
            (b'P', "coupon"),
            (b'Q', "new_customer"),
            (b'S', "sig"),
            (b'T', "sku"),
            (b'U', "name"),
            (b'V', "category"),
            (b'W', "qty"),
            (b'X', "price"),
            (b'Y', "transaction_id"),
            (b'Z', "revenue"),
            (b'\\', "item_id"),
            (b']', "item_name"),
            (b'^', "item_category"),
            (b'_', "quantity"),
        ] {
            assert_eq!(names.get(usize::from(letter - b'@')), Some(&expected));
        }
    }
}
