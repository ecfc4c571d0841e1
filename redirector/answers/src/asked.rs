//! What the parameters of an address may be: values that can be meant.

use entities::Fault;

use crate::problem::Problem;

/// Returns how many entries of a list to show.
///
/// # Errors
/// When it is 0, or more than is ever shown: the answer would look like the end of the list.
pub fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize, Problem> {
    match asked {
        Some(asked) if asked == 0 || asked > most => {
            Err(wrong("limit", format!("`{asked}`: expected a number from 1 to {most}")))
        }
        asked => Ok(asked.unwrap_or(default)),
    }
}

/// Says that a parameter is wrong.
pub fn wrong(parameter: &str, reason: impl Into<String>) -> Problem {
    Problem::invalid(vec![Fault::new(parameter, reason)])
}
