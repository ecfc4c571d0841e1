//! Reads an order out of what the page wrote, checks it, and writes it as the collector reads it.
//!
//! It never guesses an amount or an order id: an invalid field refuses the whole call, and the
//! page's developer is told which field it is. Of an order from a data layer only the id must be
//! right: the rest decorates a claim, and the server judges it.

use shared::wire::{is_currency, is_decimal, is_order_id};

use super::entry::{self, Path, name};
use super::text::{Room, Text};

/// The number of lines that an order may have.
pub const LINES_MAX: u8 = 50;

/// What a field must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Amount,
    Currency,
    Flag,
    Key,
    Text,
}

/// A field: its name, the names that pages give it, best first, and what it must be.
struct Field(&'static str, &'static [u8], Kind);

const ORDER: [Field; 9] = [
    Field("id", ID, Kind::Id),
    Field("value", b"LZ", Kind::Amount),
    Field("currency", b"M", Kind::Currency),
    Field("tax", b"N", Kind::Amount),
    Field("shipping", b"O", Kind::Amount),
    Field("coupon", b"P", Kind::Text),
    Field("new_customer", b"Q", Kind::Flag),
    Field("key", b"R", Kind::Key),
    Field("sig", b"S", Kind::Text),
];
const LINE: [Field; 5] = [
    Field("sku", b"\\TK", Kind::Text),
    Field("name", b"]U", Kind::Text),
    Field("category", b"^V", Kind::Text),
    Field("qty", b"_W", Kind::Amount),
    Field("price", b"X", Kind::Amount),
];
/// The names that pages give an order's id.
pub const ID: &[u8] = b"YK";

/// Where the order stands in what a page gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// There is none.
    None,
    /// The detail of a call.
    Call,
    /// The detail of Google's `gtag("event", "purchase", …)`.
    Gtag,
    /// `ecommerce` beside `event: "purchase"`.
    Ecommerce,
    /// Beside `event: "purchase"` itself.
    Bare,
    /// `ecommerce.purchase`, as it was before GA4.
    Legacy,
}

impl Shape {
    /// The shape of the purchase in an entry of a data layer.
    pub fn of_entry(entry: Text, room: &Room) -> Self {
        let is = |name, words| room.is(entry::of_top(entry, name, room), words);
        let has = |path, place| entry::value(entry, Path(path, 0), place, room).is_some();
        if has("A0B0C", b'0') {
            Self::Legacy
        } else if is(name::CALL, "event") && is(name::ONE, "purchase") {
            Self::Gtag
        } else if !is(name::EVENT, "purchase") {
            Self::None
        } else if has("A", b'0') {
            Self::Ecommerce
        } else {
            Self::Bare
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Call | Self::Gtag => "@0",
            Self::Ecommerce => "A0",
            Self::Legacy => "A0B0C0",
            Self::None | Self::Bare => "",
        }
    }

    fn lines(self) -> &'static str {
        match self {
            Self::Call | Self::Gtag => "@0E",
            Self::Ecommerce => "A0E",
            Self::Legacy => "A0B0D",
            Self::None | Self::Bare => "E",
        }
    }

    /// The value of the first of these names that the order has.
    pub fn first(self, entry: Text, names: &[u8], room: &Room) -> Text {
        entry::first(entry, Path(self.path(), 0), names, room)
    }

    /// Writes the order with this many lines at most, and with this key if it has none of its own.
    /// Returns which field cannot be used, with what it holds; nothing if all can.
    pub fn write(self, entry: Text, lines_max: u8, key: Text, room: &mut Room) -> Text {
        room.push(b'{');
        let mut wrong = self.write_fields(&ORDER, entry, Path(self.path(), 0), key, room);
        if self != Self::Call {
            room.add(",\"source\":\"ga4\"");
        }
        room.add(",\"items\":[");
        let mut place = b'0';
        while place < b'0' + lines_max
            && !wrong.is_some()
            && entry::value(entry, Path(self.lines(), 0), place, room).is_some()
        {
            room.add_comma();
            room.push(b'{');
            wrong = self.write_fields(&LINE, entry, Path(self.lines(), place), Text::NONE, room);
            room.push(b'}');
            place += 1;
        }
        room.add("]}");
        wrong
    }

    fn write_fields(
        self,
        fields: &[Field],
        entry: Text,
        path: Path,
        key: Text,
        room: &mut Room,
    ) -> Text {
        let mut is_amount_before = false;
        for Field(name, names, kind) in fields {
            let mut value = entry::first(entry, path, names, room);
            if !value.is_some() {
                value = match kind {
                    Kind::Key => key,
                    Kind::Currency => entry::value(entry, Path("A0", 0), name::CURRENCY_CODE, room),
                    _ => value,
                };
            }
            let is_missing = room.is_empty(value);
            let bytes = room.bytes(value);
            let is_usable = match kind {
                Kind::Id => is_order_id(bytes),
                _ if self != Self::Call => true,
                Kind::Currency => is_missing && !is_amount_before || is_currency(bytes),
                Kind::Amount => is_missing || is_decimal(bytes),
                _ => true,
            };
            if !is_usable {
                let wrong = room.begin();
                room.add(name);
                room.add(" \"");
                room.copy(value);
                room.close();
                return wrong;
            }
            is_amount_before = !is_missing;
            if !is_missing {
                room.add_comma();
                room.push(b'"');
                room.add(name);
                room.add("\":");
                if *kind == Kind::Flag {
                    room.add(if room.is(value, "true") { "true" } else { "false" });
                } else {
                    room.quote(value);
                }
            }
        }
        Text::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "@0K=1001\x1f@0L=129.90\x1f@0M=EUR\x1f@0N=20.74\x1f@0O=4.90\x1f@0P=ANNA\x1f@0Q=true\x1f\
        @0R=wc_order_1\x1f@0E0=\x1f@0E0T=A1\x1f@0E0U=Lamp\x1f@0E0W=2\x1f@0E0X=64.95\x1f@0E1=\x1f@0E1T=B2\x1f";

    fn written(entry: &str) -> Result<String, String> {
        let mut room = Box::new(Room::NEW);
        let text = room.begin();
        room.add(entry);
        room.close();
        let shape = match Shape::of_entry(text, &room) {
            Shape::None => Shape::Call,
            found => found,
        };
        let order = room.begin();
        let wrong = shape.write(text, LINES_MAX, Text::NONE, &mut room);
        room.close();
        let read = |text| String::from_utf8_lossy(room.bytes(text)).into_owned();
        if wrong.is_some() { Err(read(wrong) + "\"") } else { Ok(read(order)) }
    }

    #[test]
    fn a_whole_order_is_written() {
        assert_eq!(
            written(GOOD).as_deref(),
            Ok(
                r#"{"id":"1001","value":"129.90","currency":"EUR","tax":"20.74","shipping":"4.90","coupon":"ANNA","new_customer":true,"key":"wc_order_1","items":[{"sku":"A1","name":"Lamp","qty":"2","price":"64.95"},{"sku":"B2"}]}"#
            )
        );
    }

    #[test]
    fn the_first_field_that_cannot_be_used_is_named() {
        for (from, to, wrong) in [
            ("@0K=1001", "@0K=", "id \"\""),
            ("@0K=1001", "@0K=undefined", "id \"undefined\""),
            ("@0L=129.90", "@0L=129,90", "value \"129,90\""),
            ("@0M=EUR", "@0M=", "currency \"\""),
            ("@0M=EUR", "@0M=EURO", "currency \"EURO\""),
            ("@0N=20.74", "@0N=NaN", "tax \"NaN\""),
            ("@0O=4.90", "@0O=free", "shipping \"free\""),
            ("@0E0W=2", "@0E0W=two", "qty \"two\""),
            ("@0E1T=B2", "@0E1X=x", "price \"x\""),
        ] {
            assert_eq!(written(&GOOD.replace(from, to)), Err(wrong.to_owned()), "{to}");
        }
    }

    #[test]
    fn without_a_value_no_currency_is_needed() {
        assert_eq!(written("@0K=1\x1f").as_deref(), Ok(r#"{"id":"1","items":[]}"#));
        assert_eq!(written("@0K=1\x1f@0M=euro\x1f"), Err("currency \"euro\"".to_owned()));
    }

    #[test]
    fn a_data_layers_purchase_is_found_in_all_its_shapes() {
        for (entry, order) in [
            (
                "J=purchase\x1fA0=\x1fA0Y=T1\x1fA0L=1,5\x1fA0E0=\x1fA0E0\\=S\x1fA0E0]=N\x1fA0E0_=3\x1f",
                r#"{"id":"T1","value":"1,5","source":"ga4","items":[{"sku":"S","name":"N","qty":"3"}]}"#,
            ),
            (
                "A0=\x1fA0[=EUR\x1fA0B0=\x1fA0B0C0=\x1fA0B0C0K=T3\x1fA0B0C0Z=35.43\x1fA0B0D0=\x1fA0B0D0K=P1\x1f",
                r#"{"id":"T3","value":"35.43","currency":"EUR","source":"ga4","items":[{"sku":"P1"}]}"#,
            ),
            (
                "H=event\x1fI=purchase\x1f@0=\x1f@0Y=T2\x1f",
                r#"{"id":"T2","source":"ga4","items":[]}"#,
            ),
            ("J=purchase\x1fY=T5\x1f", r#"{"id":"T5","source":"ga4","items":[]}"#),
        ] {
            assert_eq!(written(entry).as_deref(), Ok(order), "{entry:?}");
        }
        assert_eq!(written("J=purchase\x1fA0=\x1fA0Y={{id}}\x1f"), Err("id \"{{id}}\"".to_owned()));
    }
}
