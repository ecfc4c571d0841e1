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
/// Whether it is archived.
pub(crate) const ARCHIVED: Field = Field::defaulted(
    "archived",
    Form::Flag,
    "Whether it is put aside: lists leave it out, and nothing of it is deleted. A link or campaign \
     that is archived is paused, too.",
)
.on_change();
