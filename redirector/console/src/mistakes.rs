//! Mistakes of questions about figures, as answers tell them.

use answers::Problem;
use entities::Fault;
use figures::Wrong;

/// Says everything that is wrong with a question.
pub(crate) fn all_wrong(mistakes: Vec<Wrong>) -> Problem {
    let fault = |wrong: Wrong| Fault::new(wrong.parameter, wrong.reason);
    Problem::invalid(mistakes.into_iter().map(fault).collect())
}
