//! Accounts: IBAN, BIC, e-mail address and recipient id, checked when they are entered. Whether an
//! account exists, only a bank knows. Debug output never shows a whole account number.

use std::fmt;
use std::str::FromStr;

use sepa::bic::BicError;
use sepa::iban::{iban_bban_format, iban_check_digits};
use serde::{Serialize, Serializer};

use super::mistake::{Mistake, mask};

/// The number of an account by ISO 13616: compact, in upper case, with the length and structure of
/// its country by SWIFT's registry and with check digits that fit.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Iban(String);

/// The name of a bank by ISO 9362: 8 or 11 characters, compact, in upper case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bic(String);

/// An e-mail address that names an account of a payment service: ASCII, at most 254 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The id of a recipient whom the payer saved at Wise: at most 36 letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecipientId(String);

const COPY_AGAIN: &str = "copy it again from a bank statement";

impl Iban {
    /// Returns the compact text, such as `DE89370400440532013000`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the two letters of the country.
    pub fn country(&self) -> &str {
        self.0.get(..2).unwrap_or_default()
    }

    /// Returns whether a bank with this BIC may hold the account. Countries agree, except where a
    /// territory has BICs of its own and the IBANs of another country (SWIFT's registry), and in
    /// Monaco, where branches of French banks keep the BIC of France.
    pub fn may_be_held_by(&self, bic: &Bic) -> bool {
        let territories: &[&str] = match self.country() {
            "FI" => &["AX"],
            "FR" => &["BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"],
            "GB" => &["GG", "IM", "JE"],
            "MC" => &["FR"],
            _ => &[],
        };
        bic.country() == self.country() || territories.contains(&bic.country())
    }
}

impl FromStr for Iban {
    type Err = Mistake;
    /// Reads an IBAN with or without spaces, in any case.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let compact = compact.to_ascii_uppercase();
        match check_iban(&compact) {
            Ok(()) => Ok(Self(compact)),
            Err(wrong) => Err(Mistake::new("iban", &mask(text), wrong, COPY_AGAIN)),
        }
    }
}

fn check_iban(compact: &str) -> Result<(), String> {
    if let Some(c) = compact.chars().find(|c| !c.is_ascii_alphanumeric()) {
        return Err(format!("contains {c:?}"));
    }
    let (country, rest) = compact.split_at_checked(2).unwrap_or((compact, ""));
    let Some(structure) = structure_of(country) else {
        return Err(format!("begins with {country:?}, but no country that issues IBANs does"));
    };
    let (length, expected) = (compact.len(), structure.len() + 4);
    if length != expected {
        return Err(format!("has {length} characters, but an IBAN of {country} has {expected}"));
    }
    let (digits, account) = rest.split_at_checked(2).unwrap_or((rest, ""));
    for (place, (c, class)) in (5..).zip(account.chars().zip(structure.chars())) {
        let (fits, name) = match class {
            'n' => (c.is_ascii_digit(), "a digit"),
            'a' => (c.is_ascii_uppercase(), "a letter"),
            _ => (true, "either"),
        };
        if !fits {
            return Err(format!("has {c:?} at place {place}, where {country} has {name}"));
        }
    }
    // Digits that are 97 more or less leave the same remainder, but nobody issues them.
    if iban_check_digits(country, account) == digits {
        Ok(())
    } else {
        Err("has check digits that do not fit".to_owned())
    }
}

/// Returns what stands behind the check digits: `n` a digit, `a` a letter, `c` one of both. Source:
/// SWIFT's registry of IBANs.
fn structure_of(country: &str) -> Option<&'static str> {
    match country {
        // The newer entry, with letters in the codes of banks; it holds the older one.
        "BR" => Some("ccccccccnnnnnnnnnnnnnnncc"),
        _ => iban_bban_format(country),
    }
}

impl Bic {
    /// Returns the compact text, such as `COBADEFFXXX`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the two letters of the country.
    pub fn country(&self) -> &str {
        self.0.get(4..6).unwrap_or_default()
    }
}

impl FromStr for Bic {
    type Err = Mistake;
    /// Reads a BIC with or without spaces, in any case.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let wrong = |error: BicError| match error {
            BicError::InvalidLength { len } => {
                format!("has {len} characters, but a BIC has 8 or 11")
            }
            BicError::InvalidCharacter { ch, pos } => format!("has {ch:?} at place {}", pos + 1),
            BicError::UnknownCountryCode { code } => {
                format!("has {code} at place 5, which is no country")
            }
            _ => "is no BIC".to_owned(),
        };
        let way_out = "copy it again from a bank statement, or leave it out";
        match sepa::validate_bic(text) {
            Ok(bic) => Ok(Self(bic.as_str().to_owned())),
            Err(error) => Err(Mistake::new("bic", text, wrong(error), way_out)),
        }
    }
}

impl Email {
    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = Mistake;
    /// Reads an address whose user begins with a letter or digit and whose host has two labels.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let text = text.trim();
        let is_address = text.len() <= 254
            && text.split_once('@').is_some_and(|(user, host)| is_user(user) && is_host(host));
        if is_address {
            return Ok(Self(text.to_owned()));
        }
        let way_out = "enter it as the payment service knows it, such as anna@example.com";
        Err(Mistake::new("email", &mask(text), "is no e-mail address", way_out))
    }
}

fn is_user(user: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    (1..=64).contains(&user.len())
        && user.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !user.ends_with('.')
        && !user.contains("..")
        && user.bytes().all(is_plain)
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.contains('.') && host.split('.').all(is_label)
}

impl RecipientId {
    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecipientId {
    type Err = Mistake;
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let text = text.trim();
        let is_id = (1..=36).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_id {
            return Ok(Self(text.to_owned()));
        }
        let way_out = "copy `recipientId` from Wise's template of saved recipients";
        Err(Mistake::new("recipient", &mask(text), "is no recipient id of Wise", way_out))
    }
}

/// Serializes as text, and prints for debugging without showing the account.
macro_rules! account_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&mask(&self.0))
            }
        }
    )+};
}
account_text!(Iban, Email, RecipientId);

impl Serialize for Bic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Bic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry's own examples are checked in `accounts/payments`, against another
    /// implementation.
    #[test]
    fn an_iban_has_its_countrys_length_and_structure_and_check_digits_that_fit() {
        for (text, compact) in [
            ("DE89370400440532013000", "DE89370400440532013000"),
            (" de89 3704 0044 0532 0130 00 ", "DE89370400440532013000"),
            ("NO93 8601 1117 947", "NO9386011117947"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
            ("BR75VGFJMM7J266404171192377N0", "BR75VGFJMM7J266404171192377N0"),
            ("BR1800360305000010009795493C1", "BR1800360305000010009795493C1"),
        ] {
            assert_eq!(text.parse::<Iban>().unwrap().as_str(), compact);
        }
        for (text, wrong) in [
            ("", "begins with \"\""),
            ("D", "begins with \"D\""),
            ("DE", "has 2 characters, but an IBAN of DE has 22"),
            ("DE89", "has 4 characters"),
            ("DE8937040044053201300", "has 21 characters, but an IBAN of DE has 22"),
            ("DE893704004405320130000", "has 23 characters"),
            ("DE89370400440532013001", "check digits"),
            ("DE98370400440532013000", "check digits"),
            ("DEX9370400440532013000", "check digits"),
            ("ED89370400440532013000", "begins with \"ED\""),
            ("D189370400440532013000", "begins with \"D1\""),
            ("DE8937O400440532013000", "'O' at place 7, where DE has a digit"),
            ("GB29NW3K60161331926819", "'3' at place 7, where GB has a letter"),
            ("DE89-3704-0044-0532-01", "contains '-'"),
            ("DE8937040044053201300٣", "contains '٣'"),
        ] {
            let mistake = text.parse::<Iban>().unwrap_err();
            assert!(mistake.wrong.contains(wrong), "{text}: {mistake}");
            assert!(mistake.value.starts_with('…'), "{mistake}");
        }
    }

    #[test]
    fn check_digits_that_nobody_issues_are_refused_although_the_remainder_fits() {
        // 99 leaves the remainder of 02, and so on; found by trying all accounts from 0.
        for (issued, alias) in [("02", "99"), ("97", "00"), ("98", "01")] {
            let numbers = (0u64..).map(|number| format!("{number:018}"));
            let spelled = |digits: &str, number: &str| format!("DE{digits}{number}");
            let number = numbers
                .into_iter()
                .find(|number| sepa::validate_iban(&spelled(issued, number)).is_ok())
                .unwrap();
            assert!(sepa::validate_iban(&spelled(alias, &number)).is_ok(), "{alias} {number}");
            assert!(spelled(issued, &number).parse::<Iban>().is_ok());
            assert!(spelled(alias, &number).parse::<Iban>().is_err(), "{alias} {number}");
        }
    }

    #[test]
    fn a_country_without_ibans_has_none() {
        let number = "12345678901234";
        let iban = format!("US{}{number}", iban_check_digits("US", number));
        assert!(sepa::validate_iban(&iban).is_ok());
        assert!(iban.parse::<Iban>().unwrap_err().wrong.contains("begins with \"US\""), "{iban}");
    }

    #[test]
    fn a_bic_has_eight_or_eleven_characters_and_a_country() {
        for (text, compact) in
            [("COBADEFF", "COBADEFF"), (" coba de ff xxx", "COBADEFFXXX"), ("E097AEXX", "E097AEXX")]
        {
            assert_eq!(text.parse::<Bic>().unwrap().as_str(), compact);
        }
        for (text, wrong) in [
            ("COBADEF", "has 7 characters"),
            ("COBADEFFXX", "has 10 characters"),
            ("COBAZZFF", "ZZ at place 5"),
            ("COBA1EFF", "'1' at place 5"),
            ("COBADEF!", "'!' at place 8"),
            ("NOTPROVIDED", "is no BIC"),
        ] {
            let mistake = text.parse::<Bic>().unwrap_err();
            assert!(mistake.wrong.contains(wrong), "{text}: {mistake}");
        }
    }

    #[test]
    fn an_address_names_a_user_and_a_host() {
        for text in ["anna@example.com", "a.b+tag@mail.example.co.uk", "_x@ex-ample.de", "1@2.de"] {
            assert_eq!(text.parse::<Email>().unwrap().as_str(), text);
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "anna",
            "anna@",
            "@example.com",
            "anna@example",
            "anna@@example.com",
            "anna@exa mple.com",
            "=1@example.com",
            "+1@example.com",
            "-1@example.com",
            "a..b@example.com",
            "a.@example.com",
            "anna@-example.com",
            "anna@example-.com",
            "anna@.com",
            "ännа@example.com",
            "anna@exämple.com",
            "a\nb@example.com",
            "a,b@example.com",
            "a\"b@example.com",
            &long,
        ] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_recipient_of_wise_has_an_id_without_signs() {
        for text in ["12345678", "0d3f6f2c-5f8e-4c67-9a35-0a2a4e3f7d11"] {
            assert_eq!(text.parse::<RecipientId>().unwrap().as_str(), text);
        }
        for text in ["", "=1", "-1", "1 2", "1,2", &"1".repeat(37)] {
            assert!(text.parse::<RecipientId>().is_err(), "{text}");
        }
    }
}
