//! The mistakes that were told so far, each with its place.

use basics::payee;

use crate::file::{Mistake, Place, Transfer};

/// The mistakes so far.
#[derive(Default)]
pub(crate) struct Told(Vec<Mistake>);

/// Tells mistakes at one place.
pub(crate) struct At<'a> {
    place: Place,
    told: &'a mut Vec<Mistake>,
}

impl Told {
    /// Tells mistakes of the job.
    pub(crate) fn of_job(&mut self) -> At<'_> {
        At { place: Place::Job, told: &mut self.0 }
    }

    /// Tells mistakes of the transfer at an index.
    pub(crate) fn of_line(&mut self, index: usize, transfer: &Transfer) -> At<'_> {
        let id = transfer.id.chars().take(40).collect();
        At { place: Place::Line { number: index + 1, id }, told: &mut self.0 }
    }

    /// Returns whether there is no mistake so far.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends: with no mistake, or with all in the order of their places.
    pub(crate) fn end(mut self) -> Result<(), Vec<Mistake>> {
        self.0.sort_by_key(|mistake| match mistake.place {
            Place::Job => 0,
            Place::Line { number, .. } => number,
        });
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

impl At<'_> {
    /// Tells one mistake. It returns nothing, in the place of what could not be made.
    pub(crate) fn tell<T>(
        &mut self,
        field: &str,
        value: &str,
        wrong: impl Into<String>,
        way_out: &str,
    ) -> Option<T> {
        let mistake = payee::Mistake::new(field, value, wrong, way_out);
        self.told.push(Mistake { place: self.place.clone(), mistake });
        None
    }
}
