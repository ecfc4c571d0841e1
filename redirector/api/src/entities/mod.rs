//! The fields of each kind of entity.

mod access;
mod books;
mod campaign;
mod merchant;
mod payee;
mod promotion;
mod terms;

pub(crate) use access::{PERSON, TOKEN};
pub(crate) use books::{BOOKING, HOLD, RATE};
pub(crate) use campaign::CAMPAIGN;
pub(crate) use merchant::MERCHANT;
pub(crate) use promotion::{COUPON, INFLUENCER, LINK};

use crate::field::{Field, Form};

/// When an entity was made, and when it changed last.
pub(crate) const CREATED_AT: Field =
    Field::derived("created_at", Form::Time, "When it was created.");
pub(crate) const UPDATED_AT: Field =
    Field::derived("updated_at", Form::Time, "When it was last changed.");
