//! A mistake in a question. It names the parameter, and says what was expected.

/// A parameter that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub parameter: String,
    pub reason: String,
}

impl Wrong {
    pub(crate) fn new(parameter: &str, reason: impl Into<String>) -> Self {
        Self { parameter: parameter.to_owned(), reason: reason.into() }
    }
}
