//! What an operation is: one thing that the API, a page and the command line can do.

use shared::catalog::Role;

use crate::field::{Field, Form};
use crate::kind::Kind;

/// An operation of the API.
#[derive(Debug, Clone)]
pub struct Operation {
    pub call: Call,
    pub verb: Verb,
    /// The path below `/api/v1`, with parameters in braces.
    pub path: String,
    /// The name by which programs know it.
    pub name: String,
    /// The chapter of the documentation in which it stands.
    pub chapter: &'static str,
    pub scope: Scope,
    pub parameters: Vec<Parameter>,
    pub body: Body,
    pub answers: Vec<Answer>,
    /// Whether it takes an `Idempotency-Key`.
    pub repeats: bool,
    pub says: String,
}

/// What is to be done. Whoever answers requests has an arm for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    List(Kind),
    Read(Kind),
    Create(Kind),
    Change(Kind),
    Import(Kind),
    ImportSheet,
    TryLink,
    RevokeToken,
    ReleaseHold,
    Stats,
    Orders,
    Order,
    ImportOrders,
    ImportLeads,
    Balances,
    Payouts,
    ClosePayout,
    ReadPayout,
    PayoutFile,
    MarkPaid,
    UndoPayment,
    CancelPayout,
    Unparsed,
    ReplayUnparsed,
    AskErasure,
    Reconciliations,
    Reconcile,
    MakeSignInLink,
    EndSignIns,
    SignIn,
    SignOut,
    ShowMe,
    ChangeMe,
    SetPassword,
    History,
    Undo,
    Describe,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may ask. What a merchant or an influencer then gets is their own alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Anybody, without a token.
    Open,
    Agency,
    WithMerchants,
    WithInfluencers,
    Everyone,
}

impl Scope {
    /// Returns whether a role may ask.
    pub const fn admits(self, role: Role) -> bool {
        match role {
            Role::Admin => true,
            Role::Merchant(_) => {
                matches!(self, Self::Open | Self::WithMerchants | Self::Everyone)
            }
            Role::Influencer(_) => {
                matches!(self, Self::Open | Self::WithInfluencers | Self::Everyone)
            }
        }
    }

    /// Returns who may ask, in words.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Open => "anybody, without a token",
            Self::Agency => "agency",
            Self::WithMerchants => "agency, merchant",
            Self::WithInfluencers => "agency, influencer",
            Self::Everyone => "agency, merchant, influencer",
        }
    }
}

/// A parameter of the address.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub form: Form,
    pub is_required: bool,
    pub says: &'static str,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    Nothing,
    /// The fields with which an entity is created.
    New(Kind),
    /// The fields that change an entity.
    Changed(Kind),
    /// An object of this name with these fields.
    Fields(&'static str, &'static [Field]),
    /// The same, or no body at all.
    MaybeFields(&'static str, &'static [Field]),
    /// A CSV with a header line, with these columns at least.
    Csv(&'static str),
}

/// An answer that is no refusal.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// 200 with a page of entities.
    Page(Kind),
    /// 200 with an entity.
    Entity(Kind),
    /// 201 with an entity and where it stands.
    Created(Kind),
    /// This status with an object of this name with these fields.
    Fields(u16, &'static str, &'static [Field]),
    /// 200 with an object of this name with these fields, or with a table of what it lists.
    Listed(&'static str, &'static [Field]),
    /// 200 with a file of one of these types.
    File(&'static [&'static str]),
    /// This status without a body.
    Empty(u16),
    /// 200 with any JSON.
    Json,
}

impl Answer {
    pub const fn status(self) -> u16 {
        match self {
            Self::Created(_) => 201,
            Self::Fields(status, ..) | Self::Empty(status) => status,
            Self::Page(_) | Self::Listed(..) | Self::Entity(_) | Self::File(_) | Self::Json => 200,
        }
    }
}
