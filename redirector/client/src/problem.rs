//! Refusals of the API, in lines for people. It shows what the server said, and adds a way out only
//! where the server is not ours.

use std::fmt;

use serde_json::Value;

/// What the server refused, a line each.
#[derive(Debug)]
pub struct Refused(pub(crate) Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// Makes a refusal of one field.
    pub(crate) fn of(field: &str, reason: impl fmt::Display) -> Self {
        Self(vec![format!("{field}: {reason}")])
    }
}

/// Reads a problem document: a line for each mistake, or what it says in one.
pub(crate) fn read(status: u16, body: &[u8], address: &str) -> Refused {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = document["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().map(printable).unwrap_or_default();
    if !errors.is_empty() {
        let line = |error: &Value| format!("{}: {}", text(&error["field"]), text(&error["reason"]));
        return Refused(errors.iter().map(line).collect());
    }
    match (document["title"].as_str(), text(&document["detail"])) {
        (None, _) => Refused(vec![format!(
            "url: {address} answered {status} without saying why; expected the address of an \
             admin listener, e.g. http://127.0.0.1:8081"
        )]),
        // A conflict's detail names the fields.
        (Some(_), detail) if status == 409 => Refused(vec![detail]),
        (Some(title), detail) => Refused(vec![format!("{}: {detail}", printable(title))]),
    }
}

/// SECURITY: what comes from others must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_a_line_and_other_refusals_are_one() {
        for (status, body, expected) in [
            (
                422,
                r#"{"title":"t","errors":[{"field":"line 7: destination","reason":"no"},{"field":"slug","reason":"x"}]}"#,
                "line 7: destination: no\nslug: x",
            ),
            (401, r#"{"title":"Unknown","detail":"ask"}"#, "Unknown: ask"),
            (409, r#"{"title":"Conflict","detail":"slug: taken"}"#, "slug: taken"),
            (
                422,
                r#"{"title":"t","errors":[{"field":"a","reason":"\u001b[2J"}]}"#,
                "a: \u{fffd}[2J",
            ),
        ] {
            assert_eq!(read(status, body.as_bytes(), "http://x").to_string(), expected);
        }
        let foreign = read(502, b"<html>", "http://x").to_string();
        assert!(foreign.starts_with("url: http://x answered 502"), "{foreign}");
    }
}
