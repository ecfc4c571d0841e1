//! What people read: statements, attribution models, discount codes, and the audit of an export.

pub(crate) mod audit;
pub(crate) mod codes;
pub(crate) mod models;
pub(crate) mod statement;
