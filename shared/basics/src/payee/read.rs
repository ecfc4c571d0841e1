//! Reads payees and payers from JSON, and tells all mistakes at once. It asks nobody whether an
//! account or a number exists.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::account::{Bic, Iban};
use super::address::Address;
use super::fields::Fields;
use super::mistake::Mistake;
use super::types::{Account, Document, Holder, Payee, Payer, VatStatus, WiseRecipient};
use crate::money::Decimal;

/// The most characters of a name.
const NAME_MAX: usize = 140;
/// The most characters of a tax number.
const TAX_NUMBER_MAX: usize = 35;

impl Payee {
    /// Reads a payee from JSON.
    ///
    /// # Errors
    /// All mistakes, each with field, value (an account masked) and way out.
    pub fn read(value: &Value) -> Result<Self, Vec<Mistake>> {
        let mut fields = Fields::of(value)?;
        let account = read_account(&mut fields);
        let name = fields.text("name", NAME_MAX);
        let bank_name = fields.text("bank_name", NAME_MAX);
        let holder = fields.word("holder", &HOLDERS).unwrap_or(Holder::Person);
        let address = fields.object("address", Address::read);
        let document = fields.word("document", &DOCUMENTS);
        let tax_number = fields.text("tax_number", TAX_NUMBER_MAX);
        let vat_id = fields.parsed("vat_id");
        let vat = read_vat(&mut fields);
        check_taxes(&mut fields, document, vat, tax_number.is_some() || vat_id.is_some());
        fields.finish()?;
        let account = account.ok_or_else(Vec::new)?;
        Ok(Self { name, bank_name, holder, address, account, document, tax_number, vat_id, vat })
    }
}

impl Payer {
    /// Reads a payer from JSON.
    ///
    /// # Errors
    /// All mistakes, each with field, value (an account masked) and way out.
    pub fn read(value: &Value) -> Result<Self, Vec<Mistake>> {
        let mut fields = Fields::of(value)?;
        let name = fields.text("name", NAME_MAX);
        let name = fields.required("name", name, "enter the legal name");
        let bank_name = fields.text("bank_name", NAME_MAX);
        let address = fields.object("address", Address::read);
        let address = fields.required("address", address, "enter town and country at least");
        let (iban, bic) = read_bank(&mut fields);
        let tax_number = fields.text("tax_number", TAX_NUMBER_MAX);
        let vat_id = fields.parsed("vat_id");
        fields.finish()?;
        match (name, address, iban) {
            (Some(name), Some(address), Some(iban)) => {
                Ok(Self { name, bank_name, address, iban, bic, tax_number, vat_id })
            }
            _ => Err(Vec::new()),
        }
    }
}

const HOLDERS: [(&str, Holder); 2] = [("person", Holder::Person), ("company", Holder::Company)];

const DOCUMENTS: [(&str, Document); 4] = [
    ("invoice", Document::Invoice),
    ("self_billing", Document::SelfBilling),
    ("receipt", Document::Receipt),
    ("payslip", Document::Payslip),
];

/// How somebody is paid, and so which fields name the account.
#[derive(Clone, Copy)]
enum Method {
    Bank,
    Paypal,
    Wise,
}

const METHODS: [(&str, Method); 4] = [
    ("bank", Method::Bank),
    ("paypal", Method::Paypal),
    ("wise", Method::Wise),
    // What examples called an account at a bank before there were checks.
    ("sepa", Method::Bank),
];

fn read_account(fields: &mut Fields) -> Option<Account> {
    let method = fields.word("method", &METHODS);
    match fields.required("method", method, "enter one of bank, paypal, wise")? {
        Method::Bank => {
            let (iban, bic) = read_bank(fields);
            Some(Account::Bank { iban: iban?, bic })
        }
        Method::Paypal => {
            let email = fields.parsed("email");
            let email = fields.required("email", email, "enter the address that PayPal knows");
            Some(Account::Paypal { email: email? })
        }
        Method::Wise => read_wise(fields).map(Account::Wise),
    }
}

fn read_bank(fields: &mut Fields) -> (Option<Iban>, Option<Bic>) {
    let iban: Option<Iban> = fields.parsed("iban");
    let iban = fields.required("iban", iban, "enter it from a bank statement");
    let bic: Option<Bic> = fields.parsed("bic");
    if let (Some(iban), Some(bic)) = (&iban, &bic)
        && !iban.may_be_held_by(bic)
    {
        let wrong =
            format!("is a bank of {}, but the IBAN is of {}", bic.country(), iban.country());
        let way_out = "copy both from one bank statement, or leave the BIC out";
        fields.tell::<()>(Mistake::new("bic", bic.as_str(), wrong, way_out));
    }
    (iban, bic)
}

fn read_wise(fields: &mut Fields) -> Option<WiseRecipient> {
    let email = fields.parsed("email").map(WiseRecipient::Email);
    let recipient = fields.parsed("recipient").map(WiseRecipient::Recipient);
    if email.is_some() && recipient.is_some() {
        let wrong = "stands beside `email`, so that nobody knows which of them counts";
        return fields.tell(Mistake::new("recipient", "", wrong, "leave one of them out"));
    }
    if fields.has_mistake_at("email") || fields.has_mistake_at("recipient") {
        return None;
    }
    let way_out = "enter the id of a recipient saved at Wise, or `email`";
    fields.required("recipient", recipient.or(email), way_out)
}

fn read_vat(fields: &mut Fields) -> Option<VatStatus> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Domestic,
        Other(VatStatus),
    }
    let words = [
        ("domestic", Word::Domestic),
        ("reverse_charge", Word::Other(VatStatus::ReverseCharge)),
        ("small_business", Word::Other(VatStatus::SmallBusiness)),
        ("exempt", Word::Other(VatStatus::Exempt)),
    ];
    match fields.word("vat", &words)? {
        Word::Other(status) => Some(status),
        Word::Domestic => read_rate(fields).map(|rate| VatStatus::Domestic { rate }),
    }
}

fn read_rate(fields: &mut Fields) -> Option<Decimal> {
    let way_out = "enter percent as a text, such as \"19\"";
    let Some(text) = fields.text("vat_rate", 10) else {
        return fields.required("vat_rate", None, way_out);
    };
    let is_rate = |rate: &Decimal| {
        let (units, one) = rate.fraction();
        units > 0 && units <= 30 * one
    };
    match text.parse::<Decimal>().ok().filter(is_rate) {
        Some(rate) => Some(rate),
        None => {
            let wrong = "is no rate above 0 and at most 30";
            fields.tell(Mistake::new("vat_rate", &text, wrong, way_out))
        }
    }
}

/// Checks what a document with this VAT must have besides.
fn check_taxes(
    fields: &mut Fields,
    document: Option<Document>,
    vat: Option<VatStatus>,
    has_number: bool,
) {
    let bears_vat = matches!(vat, Some(VatStatus::Domestic { .. } | VatStatus::ReverseCharge));
    let mistake = match document {
        Some(Document::Receipt | Document::Payslip) if bears_vat => Mistake::new(
            "document",
            "",
            "a receipt and a payslip bear no VAT",
            "enter `invoice` or `self_billing`, or another `vat`",
        ),
        _ if bears_vat && !has_number => Mistake::new(
            "tax_number",
            "",
            "a document with VAT or reverse charge names the payee's number",
            "enter `vat_id` or `tax_number`",
        ),
        _ => return,
    };
    fields.tell::<()>(mistake);
}

/// Reads with the checks of `read`, and tells all mistakes in one text.
macro_rules! deserialize_by_read {
    ($($name:ident),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::read(&Value::deserialize(deserializer)?).map_err(|mistakes| {
                    let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                    serde::de::Error::custom(told.join("; "))
                })
            }
        }
    )+};
}
deserialize_by_read!(Payee, Payer);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Country, Email, RecipientId, VatId, mask};
    use super::*;

    fn full() -> Value {
        json!({
            "method": "bank", "iban": "de89 3704 0044 0532 0130 00", "bic": "cobadeffxxx",
            "name": "Anna Müller", "bank_name": "Anna Mueller", "holder": "company",
            "address": { "street": "Ulmenweg", "building": "4a", "postcode": "10115",
                         "town": "Berlin", "country": "de" },
            "document": "self_billing", "tax_number": "12/345/67890", "vat_id": "de 123456789",
            "vat": "domestic", "vat_rate": "19",
        })
    }

    fn told(value: &Value) -> Vec<String> {
        let mistakes = Payee::read(value).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_field_is_read_and_stored_compact() {
        let payee = Payee::read(&full()).unwrap();
        let mut stored = full();
        stored["iban"] = "DE89370400440532013000".into();
        stored["bic"] = "COBADEFFXXX".into();
        stored["vat_id"] = "DE123456789".into();
        stored["address"]["country"] = "DE".into();
        assert_eq!(serde_json::to_value(&payee).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Payee>(stored).unwrap(), payee);
    }

    #[test]
    fn every_account_and_every_word_is_written_as_it_is_read() {
        let rest =
            json!({ "method": "bank", "iban": "DE89370400440532013000", "holder": "person" });
        let with = |fields: Value| {
            let mut payee = rest.clone();
            for (name, value) in fields.as_object().unwrap() {
                payee[name] = value.clone();
            }
            payee
        };
        let vat = |word: &str| with(json!({ "vat": word, "tax_number": "1" }));
        let document = |word: &str| with(json!({ "document": word }));
        for payee in [
            rest.clone(),
            json!({ "method": "paypal", "email": "anna@example.com", "holder": "person" }),
            json!({ "method": "wise", "email": "anna@example.com", "holder": "person" }),
            json!({ "method": "wise", "recipient": "12345678", "holder": "company" }),
            document("invoice"),
            document("self_billing"),
            document("receipt"),
            document("payslip"),
            vat("reverse_charge"),
            vat("small_business"),
            vat("exempt"),
        ] {
            let read =
                Payee::read(&payee).unwrap_or_else(|mistakes| panic!("{payee}: {mistakes:?}"));
            assert_eq!(serde_json::to_value(read).unwrap(), payee);
        }
    }

    #[test]
    fn what_was_documented_before_there_were_checks_is_still_read() {
        let payee = json!({ "method": "sepa", "iban": "DE02120300000000202051" });
        let read = Payee::read(&payee).unwrap();
        assert!(matches!(read.account, Account::Bank { bic: None, .. }), "{read:?}");
        assert_eq!((read.name, read.address, read.document), (None, None, None));
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_way_out() {
        let payee = json!({
            "method": "bank", "iban": "DE89370400440532013001", "bic": "COBAZZFF", "name": " ",
            "holder": "robot", "address": { "town": "Berlin", "country": "Germany", "line": "x" },
            "document": 7, "vat_id": "DE12", "vat": "domestic", "vat_rate": "190",
            "email": "anna@example.com", "ibann": "DE89370400440532013000",
        });
        let told = told(&payee);
        let named: Vec<_> = told.iter().map(|told| told.split(':').next().unwrap()).collect();
        assert_eq!(
            named,
            [
                "iban",
                "bic",
                "name",
                "holder",
                "address.country",
                "address.line",
                "document",
                "vat_id",
                "vat_rate",
                "email",
                "ibann",
            ]
        );
        assert_eq!(
            told[0],
            "iban: `…3001` has check digits that do not fit: copy it again from a bank statement"
        );
        assert!(!told.join("\n").contains("3704"), "no account is shown: {told:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (payee, expected) in [
            (json!({}), vec!["method: is missing: enter one of bank, paypal, wise"]),
            (json!({ "method": "bank" }), vec!["iban: is missing: enter it from a bank statement"]),
            (
                json!({ "method": "paypal", "email": null }),
                vec!["email: is missing: enter the address that PayPal knows"],
            ),
            (
                json!({ "method": "wise" }),
                vec![
                    "recipient: is missing: enter the id of a recipient saved at Wise, or `email`",
                ],
            ),
            (
                json!({ "method": "paypal", "email": "a@b.de", "address": {} }),
                vec![
                    "address.town: is missing: enter the town",
                    "address.country: is missing: enter it as two letters, such as DE",
                ],
            ),
            (
                json!({ "method": "paypal", "email": "a@b.de", "address": "Berlin" }),
                vec!["address: is no object: put its fields into braces"],
            ),
        ] {
            assert_eq!(told(&payee), expected, "{payee}");
        }
    }

    #[test]
    fn a_bic_stands_with_the_iban_of_its_country_or_of_its_territory() {
        let check = |iban: &str, bic: &str| {
            let payee = json!({ "method": "bank", "iban": iban, "bic": bic });
            Payee::read(&payee).map(drop).map_err(|mistakes| mistakes[0].to_string())
        };
        const GERMAN: &str = "DE89370400440532013000";
        assert_eq!(check(GERMAN, "COBADEFF"), Ok(()));
        assert_eq!(check("FR1420041010050500013M02606", "AGRIGPGX"), Ok(()), "Guadeloupe");
        assert_eq!(check("GB29NWBK60161331926819", "NWBKJESX"), Ok(()), "Jersey");
        assert_eq!(check("FI2112345600000785", "AABAAXHH"), Ok(()), "Åland");
        assert_eq!(check("MC5811222000010123456789030", "AGRIFRPP891"), Ok(()), "Monaco");
        assert_eq!(
            check(GERMAN, "BNPAFRPP").unwrap_err(),
            "bic: `BNPAFRPP` is a bank of FR, but the IBAN is of DE: copy both from one bank \
             statement, or leave the BIC out"
        );
        assert!(check(GERMAN, "AGRIGPGX").is_err(), "a territory of another country");
    }

    #[test]
    fn taxes_that_contradict_each_other_are_refused() {
        let check = |fields: Value| {
            let mut payee = json!({ "method": "paypal", "email": "a@b.de" });
            for (name, value) in fields.as_object().unwrap() {
                payee[name] = value.clone();
            }
            told(&payee).join("; ")
        };
        for (fields, field) in [
            (json!({ "vat": "reverse_charge" }), "tax_number: "),
            (json!({ "vat": "domestic", "vat_rate": "19" }), "tax_number: "),
            (json!({ "vat": "domestic", "vat_id": "DE123456789" }), "vat_rate: is missing"),
            (json!({ "vat": "exempt", "vat_rate": "19" }), "vat_rate: is no field here"),
            (
                json!({ "vat": "reverse_charge", "tax_number": "1", "document": "payslip" }),
                "document: ",
            ),
            (
                json!({ "vat": "reverse_charge", "tax_number": "1", "document": "receipt" }),
                "document: ",
            ),
        ] {
            let told = check(fields);
            assert!(told.starts_with(field), "{field} {told}");
        }
        for rate in ["0", "-1", "30.01", "19%", "", "1e9"] {
            let fields = json!({ "vat": "domestic", "vat_rate": rate, "tax_number": "1" });
            assert!(check(fields).starts_with("vat_rate: "), "{rate}");
        }
    }

    #[test]
    fn debug_output_never_shows_a_whole_account() {
        for (account, secret, shown) in [
            (json!({ "method": "bank", "iban": "DE89370400440532013000" }), "3704", "…3000"),
            (json!({ "method": "paypal", "email": "ann@example.com" }), "ann", "a…@example.com"),
            (json!({ "method": "wise", "email": "ann@example.com" }), "ann", "a…@example.com"),
            (json!({ "method": "wise", "recipient": "123456789" }), "12345", "…6789"),
        ] {
            let payee = Payee::read(&account).unwrap();
            assert_eq!(payee.account.shown(), shown);
            let debug = format!("{payee:?}");
            assert!(!debug.contains(secret) && debug.contains(shown), "{debug}");
        }
    }

    #[test]
    fn a_payer_has_name_address_and_iban() {
        let payer = json!({
            "name": "Shop GmbH", "address": { "town": "Wien", "country": "AT" },
            "iban": "AT611904300234573201", "bic": "BKAUATWW", "tax_number": "12 345/6789",
            "vat_id": "ATU12345678",
        });
        let read = Payer::read(&payer).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), payer);
        assert_eq!(serde_json::from_value::<Payer>(payer).unwrap(), read);
        let mistakes = Payer::read(&json!({ "bic": "BKAUATWW", "method": "bank" })).unwrap_err();
        let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["name", "address", "iban", "method"]);
    }

    /// Values that may stand in a field: right ones, wrong ones, and of wrong types.
    fn entered() -> impl Strategy<Value = Value> {
        let known = [
            "bank",
            "sepa",
            "paypal",
            "wise",
            "DE89370400440532013000",
            "DE89370400440532013001",
            "COBADEFF",
            "anna@example.com",
            "12345678",
            "DE123456789",
            "domestic",
            "19",
            "exempt",
            "reverse_charge",
            "invoice",
            "payslip",
            "company",
            "DE",
            "Berlin",
        ];
        prop_oneof![
            4 => prop::sample::select(known.to_vec()).prop_map(Value::from),
            1 => any::<String>().prop_map(Value::from),
            1 => Just(json!({ "town": "Berlin", "country": "DE" })),
            1 => prop_oneof![Just(Value::Null), Just(json!(7)), Just(json!([])), Just(json!(true))],
        ]
    }

    /// A right payee of which some fields are changed.
    fn object() -> impl Strategy<Value = Value> {
        let names = [
            "method",
            "iban",
            "bic",
            "email",
            "recipient",
            "name",
            "bank_name",
            "holder",
            "address",
            "document",
            "tax_number",
            "vat_id",
            "vat",
            "vat_rate",
            "other",
        ];
        let right = [
            full(),
            json!({ "method": "paypal", "email": "anna@example.com" }),
            json!({ "method": "wise", "recipient": "12345678" }),
        ];
        let changes =
            prop::collection::vec((prop::sample::select(names.to_vec()), entered()), 0..4);
        (prop::sample::select(right.to_vec()), changes).prop_map(|(mut payee, changes)| {
            for (name, value) in changes {
                payee[name] = value;
            }
            payee
        })
    }

    proptest! {
        #[test]
        fn any_object_is_read_and_written_alike_or_refused_with_reasons(value in object()) {
            match Payee::read(&value) {
                Ok(payee) => {
                    let written = serde_json::to_value(&payee).unwrap();
                    prop_assert_eq!(Payee::read(&written), Ok(payee));
                }
                Err(mistakes) => prop_assert!(!mistakes.is_empty()),
            }
            prop_assert!(!Payer::read(&value).is_err_and(|mistakes| mistakes.is_empty()));
        }

        #[test]
        fn no_field_shows_an_account_in_a_mistake(
            name in prop::sample::select(vec!["iban", "bic", "vat_id", "email", "holder", "vat"]),
        ) {
            let mut value = json!({ "method": "bank" });
            value[name] = "DE89370400440532013001".into();
            let told = told(&value).join("; ");
            prop_assert!(!told.contains("3704004405"), "{told}");
        }

        #[test]
        fn any_text_is_an_account_or_none(text in any::<String>()) {
            _ = (text.parse::<Iban>(), text.parse::<Bic>(), text.parse::<Email>());
            _ = (text.parse::<RecipientId>(), text.parse::<VatId>(), text.parse::<Country>());
            _ = mask(&text);
        }
    }
}
