//! Commissions in their short form, and as the JSON that the API takes. It knows the form alone;
//! whether a campaign may pay so, the server says.

use serde_json::{Value, json};

/// What follows the amount, and the rule's kind.
const PER: [(&str, &str); 3] = [("sale", "per_sale"), ("lead", "per_lead"), ("click", "per_click")];

/// Reads `15%`, `5.00/sale`, `2.00/lead`, `0.10/click`, or several of them with commas between.
///
/// # Errors
/// The part that is none of these.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let rules: Result<Vec<Value>, String> = text.split(',').map(|part| rule(part.trim())).collect();
    let mut rules = rules?;
    Ok(if rules.len() == 1 { rules.remove(0) } else { rules.into() })
}

fn rule(part: &str) -> Result<Value, String> {
    if let Some(rate) = part.strip_suffix('%').map(str::trim).filter(|rate| is_number(rate)) {
        return Ok(json!({ "kind": "percent", "rate": rate, "base": "net_goods" }));
    }
    let (amount, per) = part.split_once('/').unwrap_or_default();
    let kind = PER.iter().find(|(word, _)| *word == per.trim()).map(|(_, kind)| kind);
    match kind.filter(|_| is_number(amount.trim())) {
        Some(kind) => Ok(json!({ "kind": kind, "amount": amount.trim() })),
        None => Err(format!(
            "`{part}`: expected e.g. 15%, 5.00/sale, 2.00/lead or 0.10/click; --commission-json \
             takes everything else"
        )),
    }
}

fn is_number(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    [whole, decimals]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_what_the_api_takes() {
        let percent = json!({ "kind": "percent", "rate": "7.5", "base": "net_goods" });
        let sale = json!({ "kind": "per_sale", "amount": "5.00" });
        assert_eq!(read("7.5%"), Ok(percent.clone()));
        assert_eq!(read("5.00/sale"), Ok(sale.clone()));
        assert_eq!(read("2/lead").unwrap()["kind"], "per_lead");
        assert_eq!(read("0.10/click").unwrap()["kind"], "per_click");
        assert_eq!(read("7.5%, 5.00/sale"), Ok(json!([percent, sale])));
    }

    #[test]
    fn what_is_no_commission_is_named() {
        for text in ["15", "%", "-5%", "1e3%", "5.00/order", "/sale", "5,00/sale", "", "5./sale"] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains("expected e.g. 15%"), "{text}: {refused}");
        }
    }
}
