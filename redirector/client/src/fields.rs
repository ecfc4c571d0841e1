//! The words of the tables: what a field of the API is, where it goes in a request, and when it may
//! be given. It knows neither HTTP nor the command line.

/// A field of a request, or a parameter of its address.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The API's own name: `window_days`. The flag is `--window-days`.
    pub name: &'static str,
    /// What its text is.
    pub kind: Kind,
    /// Where it goes.
    pub place: Place,
    /// Whether it must be given.
    pub required: bool,
    /// What it means, for people.
    pub help: &'static str,
}

/// What a value is, which decides how its text becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, taken as it is. Amounts and days are texts, too: the server judges them.
    Text,
    /// A text that must not be seen by others; `@FILE` reads it from a file.
    Secret,
    /// Texts, separated by commas.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`; the bare flag means `true`.
    Flag,
    /// Any JSON; `@FILE` reads it from a file.
    Json,
    /// A commission in its short form: `15%`, `5.00/sale`.
    Commission,
    /// One of these words.
    One(&'static [&'static str]),
    /// What another resource's id names; or its exact name, where it has one.
    Of(Named),
    /// Several of them, separated by commas.
    AllOf(Named),
}

/// Resources that other fields name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Merchants: by id or by name.
    Merchant,
    /// Influencers: by id or by name.
    Influencer,
    /// Campaigns: by id or by name.
    Campaign,
}

impl Named {
    /// The resources that have names.
    pub const ALL: [Self; 3] = [Self::Merchant, Self::Influencer, Self::Campaign];

    /// The field and command of one of them.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Influencer => "influencer",
            Self::Campaign => "campaign",
        }
    }

    /// Their place in the API.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Merchant => "merchants",
            Self::Influencer => "influencers",
            Self::Campaign => "campaigns",
        }
    }

    /// How their ids begin.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Merchant => "mer_",
            Self::Influencer => "inf_",
            Self::Campaign => "cmp_",
        }
    }
}

/// Where a field goes in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In braces in the path; a positional argument.
    Path,
    /// Behind the question mark.
    Query,
    /// In the JSON body.
    Body,
}

/// When a field of a resource may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Required on creation, and may be changed.
    Must,
    /// Required on creation, and never changes.
    MustOnce,
    /// Optional on creation, and may be changed.
    May,
    /// Optional on creation, and may be changed or cleared.
    MayClear,
    /// Optional on creation, and never changes.
    MayOnce,
    /// Only of what exists; may be cleared.
    Later,
}

impl When {
    /// Returns whether it may be given on creation.
    pub const fn on_creation(self) -> bool {
        !matches!(self, Self::Later)
    }

    /// Returns whether it may be given in a change.
    pub const fn on_change(self) -> bool {
        matches!(self, Self::Must | Self::May | Self::MayClear | Self::Later)
    }

    /// Returns whether a change may clear it.
    pub const fn may_be_cleared(self) -> bool {
        matches!(self, Self::MayClear | Self::Later)
    }

    /// Returns whether a creation needs it.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Must | Self::MustOnce)
    }
}
