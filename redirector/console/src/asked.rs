//! What a request's address may ask for: parameters that are known, with values that can be meant. A
//! parameter that nobody reads is a mistake: its sender believes that it counts.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use figures::Wrong;

use crate::problem::{Fault, Problem};

/// Lets a request through when its address has no parameters: for what takes none.
pub(crate) async fn nothing(request: Request, next: Next) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default();
    match url::form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(next.run(request).await),
        Some((name, _)) => Err(wrong(&name, "no such parameter; this request takes none")),
    }
}

/// Returns how many entries of a list to show.
///
/// # Errors
/// When it is 0, or more than is ever shown: the answer would look like the end of the list.
pub(crate) fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize, Problem> {
    match asked {
        Some(asked) if asked == 0 || asked > most => {
            Err(wrong("limit", format!("`{asked}`: expected a number from 1 to {most}")))
        }
        asked => Ok(asked.unwrap_or(default)),
    }
}

/// Says everything that is wrong with a question.
pub(crate) fn all_wrong(mistakes: Vec<Wrong>) -> Problem {
    let fault = |wrong: Wrong| Fault::new(wrong.parameter, wrong.reason);
    Problem::invalid(mistakes.into_iter().map(fault).collect())
}

/// Says that a parameter is wrong.
pub(crate) fn wrong(parameter: &str, reason: impl Into<String>) -> Problem {
    Problem::invalid(vec![Fault::new(parameter, reason)])
}
