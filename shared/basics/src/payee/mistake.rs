//! What is wrong with a value that somebody entered. It never shows a whole account number.

use std::fmt;

/// One mistake: which field, which value, what is wrong with it, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The field as it stands in JSON, such as `address.town`.
    pub field: String,
    /// The value as it was entered, at most 40 characters, masked where it names an account; empty
    /// where nothing was entered.
    pub value: String,
    /// What is wrong, as the rest of a sentence that begins with the value.
    pub wrong: String,
    /// What to do about it.
    pub way_out: String,
}

impl Mistake {
    /// Makes the mistake of a field. A value that looks like an IBAN is masked in any field.
    pub fn new(field: &str, value: &str, wrong: impl Into<String>, way_out: &str) -> Self {
        let value =
            if looks_like_iban(value) { mask(value) } else { value.chars().take(40).collect() };
        Self { field: field.to_owned(), value, wrong: wrong.into(), way_out: way_out.to_owned() }
    }

    /// Returns the same mistake, told of another field.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self }
    }
}

impl fmt::Display for Mistake {
    /// One line: ``iban: `…3001` has check digits that do not fit: copy it again``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, wrong, way_out } = self;
        if value.is_empty() {
            return write!(f, "{field}: {wrong}: {way_out}");
        }
        write!(f, "{field}: `{value}` {wrong}: {way_out}")
    }
}

impl std::error::Error for Mistake {}

// SECURITY: people enter accounts into wrong fields, and mistakes stand in answers and logs.
fn looks_like_iban(value: &str) -> bool {
    let mut characters = value.chars().filter(|c| !c.is_whitespace());
    let begins_so = characters.by_ref().take(2).all(|c| c.is_ascii_alphabetic())
        && characters.by_ref().take(2).all(|c| c.is_ascii_digit());
    begins_so && characters.filter(char::is_ascii_alphanumeric).count() >= 8
}

/// Returns an account as it may be shown: the last four characters of a number, or of an e-mail
/// address the first character and the host. Of six characters or fewer it shows none.
pub fn mask(account: &str) -> String {
    if let Some((user, host)) = account.rsplit_once('@') {
        return format!("{}…@{host}", user.chars().next().map(String::from).unwrap_or_default());
    }
    let characters: Vec<char> = account.chars().filter(|c| !c.is_whitespace()).collect();
    let shown = if characters.len() > 6 { 4 } else { 0 };
    let last: String = characters.iter().skip(characters.len() - shown).collect();
    format!("…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_shows_its_last_four_characters_alone() {
        for (account, shown) in [
            ("DE89370400440532013000", "…3000"),
            ("DE89 3704 0044 0532 0130 00", "…3000"),
            ("1234567", "…4567"),
            ("123456", "…"),
            ("", "…"),
            ("anna@example.com", "a…@example.com"),
            ("@example.com", "…@example.com"),
            ("żółw1234", "…1234"),
        ] {
            assert_eq!(mask(account), shown, "{account}");
        }
    }

    #[test]
    fn an_account_in_a_wrong_field_is_masked() {
        for (value, shown) in [
            ("DE89 3704 0044 0532 0130 00", "…3000"),
            ("de89370400440532013000 Anna", "…Anna"),
            ("NO9386011117947", "…7947"),
            ("DE123456789", "DE123456789"),
            ("Anna", "Anna"),
        ] {
            assert_eq!(Mistake::new("name", value, "is wrong", "enter it").value, shown);
        }
    }

    #[test]
    fn a_mistake_is_one_line_with_field_value_and_way_out() {
        let mistake = Mistake::new("iban", "…3001", "does not fit", "copy it again");
        assert_eq!(mistake.to_string(), "iban: `…3001` does not fit: copy it again");
        let missing = Mistake::new("town", "", "is missing", "enter it").at("address.town");
        assert_eq!(missing.to_string(), "address.town: is missing: enter it");
    }
}
