//! Reads rules and splits as the API is sent them. Every mistake is named by its place, as in
//! `rules[2].destination`, and all are told at once. What may be a destination the caller decides.

use std::collections::BTreeMap;

use basics::payee::Country;
use basics::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    BUCKETS, Conditions, Kind, RULES_MAX, Rule, SHARES_MAX, Share, WEIGHT_MAX, buckets_of,
};

/// The most characters of a rule's or a share's name.
const NAME_CHARS_MAX: usize = 100;
/// The most entries of one condition.
const ENTRIES_MAX: usize = 50;
/// The most characters of a parameter's name or value.
const PARAMETER_CHARS_MAX: usize = 200;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place, such as `rules[2].if.country`.
    pub place: String,
    /// What was expected instead.
    pub reason: String,
}

/// Checks a destination, and returns the spelling to keep or all that is wrong with it.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<String, Vec<String>>;

/// Reads the rules of a link.
///
/// # Errors
/// With every mistake.
pub fn read_rules(value: &Value, check: Check<'_>) -> Result<Vec<Rule>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let rules = list(value, ("rules", RULES_MAX), &mut mistakes, |sent| rule(sent, check));
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
}

/// Reads the split of a link.
///
/// # Errors
/// With every mistake.
pub fn read_split(value: &Value, check: Check<'_>) -> Result<Vec<Share>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let split = list(value, ("split", SHARES_MAX), &mut mistakes, |sent| share(sent, check));
    if mistakes.is_empty() {
        mistakes.extend(shares_of_nobody(&split));
    }
    if mistakes.is_empty() { Ok(split) } else { Err(mistakes) }
}

/// Returns a mistake for each share to which no visitor would ever fall.
fn shares_of_nobody(split: &[Share]) -> impl Iterator<Item = Mistake> {
    let of_nobody = split.iter().zip(buckets_of(split)).enumerate();
    of_nobody.filter(|(_, (_, buckets))| *buckets == 0).map(|(place, (share, _))| Mistake {
        place: format!("split[{place}].weight"),
        reason: format!(
            "`{}` is so little of the sum that nobody would go there; give it one part of \
             {BUCKETS} at least",
            share.weight
        ),
    })
}

fn rule(sent: &mut Sent<'_>, check: Check<'_>) -> Option<Rule> {
    let conditions = sent.object("if", conditions);
    if conditions.as_ref().is_some_and(Conditions::is_empty) {
        let reason =
            "has no condition; a rule that holds for everybody is the link's `destination`";
        sent.mistake("if", reason);
    }
    let destination = sent.destination(check);
    let name = sent.optional("name", name);
    Some(Rule { conditions: conditions?, destination: destination?, name })
}

fn share(sent: &mut Sent<'_>, check: Check<'_>) -> Option<Share> {
    let weight = sent.required("weight", weight);
    let destination = sent.destination(check);
    let name = sent.optional("name", name);
    Some(Share { weight: weight?, destination: destination?, name })
}

fn conditions(sent: &mut Sent<'_>) -> Option<Conditions> {
    let device = sent.optional("device", some(kind)).unwrap_or_default();
    let country = sent.optional("country", some(country)).unwrap_or_default();
    let language = sent.optional("language", some(language)).unwrap_or_default();
    let (from, to) = (sent.optional("from", time), sent.optional("to", time));
    let query = sent.optional("query", parameters).unwrap_or_default();
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        sent.mistake("to", "must be after from");
    }
    Some(Conditions { device, country, language, from, to, query })
}

/// An object as it was sent, and what is wrong in it so far.
struct Sent<'a> {
    place: String,
    fields: &'a Map<String, Value>,
    known: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl Sent<'_> {
    /// Reads an object; `None` where there is a mistake in it.
    fn read<T>(
        value: &Value,
        place: String,
        mistakes: &mut Vec<Mistake>,
        read: impl FnOnce(&mut Sent<'_>) -> Option<T>,
    ) -> Option<T> {
        let Some(fields) = value.as_object() else {
            mistakes.push(Mistake { place, reason: "expected an object".into() });
            return None;
        };
        let mut sent = Sent { place, fields, known: Vec::new(), mistakes: Vec::new() };
        let read = read(&mut sent);
        for name in fields.keys().filter(|name| !sent.known.contains(&name.as_str())) {
            let reason = format!("no such field; there are {}", sent.known.join(", "));
            let place = format!("{}.{name}", sent.place);
            sent.mistakes.push(Mistake { place, reason });
        }
        let read = read.filter(|_| sent.mistakes.is_empty());
        mistakes.append(&mut sent.mistakes);
        read
    }

    fn mistake(&mut self, name: &str, reason: impl Into<String>) {
        let place = format!("{}.{name}", self.place);
        self.mistakes.push(Mistake { place, reason: reason.into() });
    }

    /// Returns the value of a field; `None` where it is missing or `null`.
    fn value(&mut self, name: &'static str) -> Option<&Value> {
        self.known.push(name);
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match read(self.value(name)?) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.mistake(name, reason);
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        if self.fields.get(name).is_none_or(Value::is_null) {
            self.known.push(name);
            self.mistake(name, "is required");
            return None;
        }
        self.optional(name, read)
    }

    fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Sent<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.required(name, |value| Ok(value.clone()))?;
        Sent::read(&value, format!("{}.{name}", self.place), &mut self.mistakes, read)
    }

    fn destination(&mut self, check: Check<'_>) -> Option<String> {
        let text = self.required("destination", |value| {
            value.as_str().map(str::to_owned).ok_or_else(|| "expected an address".into())
        })?;
        match check(&text) {
            Ok(kept) => Some(kept),
            Err(reasons) => {
                reasons.into_iter().for_each(|reason| self.mistake("destination", reason));
                None
            }
        }
    }
}

/// Reads a list of objects.
fn list<T>(
    value: &Value,
    (name, most): (&str, usize),
    mistakes: &mut Vec<Mistake>,
    mut read: impl FnMut(&mut Sent<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(entries) = value.as_array().filter(|entries| entries.len() <= most) else {
        let reason = format!("expected a list of at most {most} objects");
        mistakes.push(Mistake { place: name.into(), reason });
        return Vec::new();
    };
    let places = entries.iter().enumerate();
    places
        .filter_map(|(place, entry)| {
            Sent::read(entry, format!("{name}[{place}]"), mistakes, &mut read)
        })
        .collect()
}

/// Reads one value, or a list of several of which one is enough.
fn some<T>(
    read: impl Fn(&Value) -> Result<T, String>,
) -> impl FnOnce(&Value) -> Result<Vec<T>, String> {
    move |value| {
        let entries = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        if !(1..=ENTRIES_MAX).contains(&entries.len()) {
            return Err(format!("expected a text, or a list of 1 to {ENTRIES_MAX} texts"));
        }
        entries.iter().map(&read).collect()
    }
}

fn kind(value: &Value) -> Result<Kind, String> {
    Kind::deserialize(value).map_err(|error| error.to_string())
}

fn country(value: &Value) -> Result<String, String> {
    let code: Result<Country, _> = value.as_str().unwrap_or_default().parse();
    code.map(|country| country.code().to_owned())
        .map_err(|_| format!("{value} is no country by ISO 3166; enter two letters, such as DE"))
}

/// Reads a language as browsers name it, such as `es` or `es-MX`.
fn language(value: &Value) -> Result<String, String> {
    let tag = value.as_str().unwrap_or_default().trim();
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let first = tag.split('-').next().unwrap_or_default();
    let is_language = first.len() >= 2 && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_language && tag.len() <= 35 && tag.split('-').all(is_part) {
        Ok(tag.to_owned())
    } else {
        Err(format!("{value} is no language; enter one as browsers name it, such as es or es-MX"))
    }
}

fn time(value: &Value) -> Result<Timestamp, String> {
    let text = value.as_str().ok_or("expected a time such as 2026-11-25T18:00:00Z")?;
    text.parse().map_err(|error| format!("{error}"))
}

fn weight(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (1..=WEIGHT_MAX).contains(number))
        .ok_or_else(|| format!("`{value}`: expected a whole number from 1 to {WEIGHT_MAX}"))
}

fn name(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    text.filter(|text| is_plain(text, NAME_CHARS_MAX))
        .map(str::to_owned)
        .ok_or_else(|| format!("expected a text of 1 to {NAME_CHARS_MAX} characters"))
}

/// Reads parameters of an address: names with their values, or with `null` for any value.
fn parameters(value: &Value) -> Result<BTreeMap<String, Option<String>>, String> {
    let expected = || {
        format!(
            "expected an object of 1 to {ENTRIES_MAX} parameters such as {{\"ref\": \"bio\"}}, \
             with null for any value"
        )
    };
    let sent = value.as_object().filter(|sent| (1..=ENTRIES_MAX).contains(&sent.len()));
    let fits = |text: &str| is_plain(text, PARAMETER_CHARS_MAX);
    let read = |(name, value): (&String, &Value)| {
        let is_value = value.is_null() || value.as_str().is_some_and(fits);
        if name.is_empty() || !fits(name) || !is_value {
            return Err(format!(
                "`{name}`: expected a name and a text of at most {PARAMETER_CHARS_MAX} characters, \
                 or null"
            ));
        }
        Ok((name.clone(), value.as_str().map(str::to_owned)))
    };
    sent.ok_or_else(expected)?.iter().map(read).collect()
}

fn is_plain(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(address: &str) -> Result<String, Vec<String>> {
        let wrong = || vec!["is relative".into(), "is ours".into()];
        if address.starts_with('/') { Err(wrong()) } else { Ok(format!("{address}/")) }
    }

    #[test]
    fn rules_are_read_in_one_form() {
        let sent = json!([{
            "if": { "device": "ios", "country": "se", "language": ["es-MX"], "query": { "a": null } },
            "destination": "x", "name": " A ",
        }]);
        let read = read_rules(&sent, &check).unwrap();
        let kept = json!([{
            "if": { "device": ["ios"], "country": ["SE"], "language": ["es-MX"], "query": { "a": null } },
            "destination": "x/", "name": "A",
        }]);
        assert_eq!(serde_json::to_value(&read).unwrap(), kept);
        assert_eq!(serde_json::from_value::<Vec<Rule>>(kept).unwrap(), read);
        assert_eq!(read_rules(&json!([]), &check), Ok(vec![]));
    }

    #[test]
    fn a_share_that_nobody_would_get_is_refused() {
        let share = |weight: u32| json!({ "weight": weight, "destination": "x" });
        assert!(read_split(&json!([share(7), share(1), share(1000)]), &check).is_ok());
        let mistakes = read_split(&json!([share(1), share(1), share(1000)]), &check).unwrap_err();
        assert_eq!((mistakes.len(), &*mistakes[0].place), (1, "split[1].weight"));
    }

    #[test]
    fn everything_that_is_wrong_with_a_destination_is_told() {
        let sent = json!([{ "weight": 1, "destination": "/" }, { "weight": true }]);
        let mistakes = read_split(&sent, &check).unwrap_err();
        let places: Vec<_> = mistakes.iter().map(|mistake| mistake.place.as_str()).collect();
        let expected = [
            "split[0].destination",
            "split[0].destination",
            "split[1].weight",
            "split[1].destination",
        ];
        assert_eq!(places, expected);
    }
}
