//! What people read: statements, balances, forecasts, attribution models, discount codes, and the audit of an export.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod codes;
pub(crate) mod forecast;
pub(crate) mod models;
pub(crate) mod statement;
