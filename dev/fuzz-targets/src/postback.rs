//! Postbacks in every dialect. Beyond no panic: none is authentic without the right code or token;
//! of one signed message there is one fact, however its signature is spelled; the fact may be kept.
//!
//! The bytes are a line with the dialect, and the parameters.

use http::HeaderMap;
use shared::order::Source;
use shared::platform::Platform;
use shops::postback::{self, Dialect, Sender};

use crate::fact;
use crate::webhook::arrival;
use crate::world::{SECRET, UNKNOWN_SECRET, first_line, hex, mac};

pub(crate) fn postback(bytes: &[u8]) {
    let (dialect, parameters) = first_line(bytes);
    let dialect = Dialect::of_path(dialect).unwrap_or(Dialect::Own);
    let Ok(parameters) = str::from_utf8(parameters) else {
        assert!(!is_authentic(parameters, UNKNOWN_SECRET));
        return;
    };
    assert!(
        !is_authentic(parameters.as_bytes(), UNKNOWN_SECRET),
        "no code fits a secret by chance"
    );
    check_reading(dialect, parameters);
    // A second `sig` has no meaning of its own.
    if parameters.split('&').all(|pair| !pair.starts_with("sig=")) {
        check_signature(dialect, parameters);
    }
}

fn check_signature(dialect: Dialect, parameters: &str) {
    let mut pairs: Vec<&str> = parameters.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by_key(|pair| pair.split('=').next());
    let code = hex(&mac(SECRET, pairs.join("&").as_bytes()));
    let signed = |code: &str| format!("{parameters}&sig={code}");
    for code in [&code, &code.to_uppercase()] {
        assert!(is_authentic(signed(code).as_bytes(), SECRET), "the right code fits");
    }
    let one_more = format!("{}&zz=1", signed(&code));
    assert!(!is_authentic(one_more.as_bytes(), SECRET), "the code is not over these parameters");
    assert!(!is_authentic(signed(&code).as_bytes(), UNKNOWN_SECRET));
    let (lower, upper) = (signed(&code), signed(&code.to_uppercase()));
    if let (Ok(Some(lower)), Ok(Some(upper))) = (read(dialect, &lower), read(dialect, &upper)) {
        assert_eq!(lower.id, upper.id, "of one signed message there is one fact");
    }
}

fn check_reading(dialect: Dialect, parameters: &str) {
    let (one, other) = (read(dialect, parameters), read(dialect, parameters));
    assert_eq!(one, other, "the same bytes are the same fact");
    if let Ok(Some(fact)) = one {
        fact::check(&fact, Source::Postback);
        assert!(shared::event::is_order_id(&fact.order_id), "`{}`", fact.order_id);
    }
    for answer in [dialect.accepted(parameters), dialect.refused("reason")] {
        // A sender shows it, or an operator's browser does.
        assert!(!answer.contains(['<', '>', '\r', '\0']), "{answer}");
    }
}

fn is_authentic(parameters: &[u8], secret: &str) -> bool {
    postback::is_authentic(&arrival(&HeaderMap::new(), parameters, &[secret]))
}

fn read(dialect: Dialect, parameters: &str) -> Result<Option<shared::order::OrderFact>, String> {
    let currency = "EUR".parse().expect("a currency");
    let sender = Sender { platform: Platform::Other, dialect, currency };
    postback::read(&arrival(&HeaderMap::new(), parameters.as_bytes(), &[]), sender)
}
