//! Mistakes in requests. Each names the field, and says what was expected instead.

/// A mistake in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, or `line 7: destination` in an import.
    pub field: String,
    /// What was expected instead.
    pub reason: String,
    pub kind: FaultKind,
}

/// The kind of a mistake, which decides the status of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The value is invalid.
    Invalid,
    /// There is no value.
    Required,
    /// There is no such field.
    Unknown,
    /// The value already belongs to another entity.
    Taken,
}

impl FaultKind {
    /// Returns the name for programs, which never changes.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Required => "required",
            Self::Unknown => "unknown",
            Self::Taken => "taken",
        }
    }
}

impl Fault {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into(), kind: FaultKind::Invalid }
    }
}
