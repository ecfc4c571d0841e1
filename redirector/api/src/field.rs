//! Fields: the name, the form, who sets it and who sees it, and one sentence.

use shared::catalog::Role;

/// A field of a request or of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub form: Form,
    pub want: Want,
    pub seen: Seen,
    /// Who may change it beside the agency.
    pub setter: Setter,
    /// Whether `null` in a change clears it.
    pub clears: bool,
    /// Whether answers may show `null`, or leave the field out.
    pub may_be_null: bool,
    pub says: &'static str,
}

/// How requests set a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// A creation needs it; a change may set it.
    Required,
    /// A creation needs it, and it never changes.
    RequiredOnce,
    /// It may be left out.
    Optional,
    /// It may be left out of a creation, and never changes.
    OptionalOnce,
    /// Only a change sets it.
    OnChange,
    /// The server sets it.
    Derived,
}

/// Who sees a field in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The agency, the merchant and the influencer whom the entity concerns.
    ByAll,
    /// The agency and the merchant.
    ByMerchant,
    /// The agency and the influencer.
    ByInfluencer,
    /// The agency alone.
    ByAgency,
    /// Only the answer that creates the entity shows it.
    Once,
    /// No answer shows it.
    Never,
}

/// Who may change a field beside the agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    Nobody,
    Merchant,
    Influencer,
}

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A text of 1 to so many characters.
    Text(usize),
    /// A text that answers show.
    Word,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// An id: its prefix.
    Id(&'static str),
    /// A whole number in a range.
    Number(u32, u32),
    /// A whole number of zero or more.
    Count,
    /// A whole number, in minor units of a currency.
    Minor,
    Flag,
    /// A time, RFC 3339.
    Time,
    /// A calendar day.
    Day,
    /// A decimal number as text.
    Decimal,
    /// An ISO 4217 code.
    Currency,
    /// Amounts by currency.
    ByCurrency,
    /// Whole numbers by name.
    Counts,
    /// An IANA time zone.
    Zone,
    /// An absolute address.
    Address,
    /// A host name.
    Host,
    Email,
    Slug,
    /// At most so many of a form.
    List(&'static Form, usize),
    Record(&'static [Field]),
    Either(&'static [Form]),
    /// Any object; the sentence says where its form is described.
    Object,
    /// Any value.
    Any,
}

impl Field {
    const fn new(name: &'static str, form: Form, want: Want, says: &'static str) -> Self {
        Self {
            name,
            form,
            want,
            seen: Seen::ByAll,
            setter: Setter::Nobody,
            clears: false,
            may_be_null: false,
            says,
        }
    }

    /// A field that a creation needs.
    pub const fn required(name: &'static str, form: Form, says: &'static str) -> Self {
        Self::new(name, form, Want::Required, says)
    }

    /// A field that may be left out, and that then is `null`.
    pub const fn optional(name: &'static str, form: Form, says: &'static str) -> Self {
        Self::new(name, form, Want::Optional, says).or_null()
    }

    /// A field that may be left out, and that then has a value of its own.
    pub const fn defaulted(name: &'static str, form: Form, says: &'static str) -> Self {
        Self::new(name, form, Want::Optional, says)
    }

    /// A field that the server sets.
    pub const fn derived(name: &'static str, form: Form, says: &'static str) -> Self {
        Self::new(name, form, Want::Derived, says)
    }

    /// Makes the field one that never changes.
    pub const fn once(self) -> Self {
        let want = match self.want {
            Want::Required | Want::RequiredOnce => Want::RequiredOnce,
            _ => Want::OptionalOnce,
        };
        Self { want, ..self }
    }

    /// Makes the field one that only changes set.
    pub const fn on_change(self) -> Self {
        Self { want: Want::OnChange, ..self }
    }

    pub const fn seen(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub const fn set_by(self, setter: Setter) -> Self {
        Self { setter, ..self }
    }

    /// Lets `null` clear the field.
    pub const fn cleared_by_null(self) -> Self {
        Self { clears: true, ..self }
    }

    pub const fn or_null(self) -> Self {
        Self { may_be_null: true, ..self }
    }

    /// Returns whether a creation takes the field.
    pub const fn is_created(&self) -> bool {
        !matches!(self.want, Want::OnChange | Want::Derived)
    }

    /// Returns whether a creation needs the field.
    pub const fn is_required(&self) -> bool {
        matches!(self.want, Want::Required | Want::RequiredOnce)
    }

    /// Returns whether a change takes the field.
    pub const fn is_changed(&self) -> bool {
        matches!(self.want, Want::Required | Want::Optional | Want::OnChange)
    }

    /// Returns whether a role may change the field.
    pub const fn is_changed_by(&self, role: Role) -> bool {
        self.is_changed()
            && match role {
                Role::Admin => true,
                Role::Merchant(_) => matches!(self.setter, Setter::Merchant),
                Role::Influencer(_) => matches!(self.setter, Setter::Influencer),
            }
    }

    /// Returns whether answers to a role show the field.
    pub const fn is_shown_to(&self, role: Role) -> bool {
        match self.seen {
            Seen::ByAll => true,
            Seen::ByMerchant => !matches!(role, Role::Influencer(_)),
            Seen::ByInfluencer => !matches!(role, Role::Merchant(_)),
            Seen::ByAgency => matches!(role, Role::Admin),
            Seen::Once | Seen::Never => false,
        }
    }
}
