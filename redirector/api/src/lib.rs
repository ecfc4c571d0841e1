//! The API as a table: its operations, and the fields that they take and show.
//!
//! Everything about the outside of the API that is not behaviour stands here, once: routes and
//! rights are made from [`operations`], JSON, CSV and forms from the fields of [`Kind`], and the
//! description for programs and for people from both. It answers no request and reads no catalog.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod entities;
mod field;
mod kind;
mod openapi;
mod operation;
mod operations;
mod reference;
mod schema;
mod shapes;

pub use field::{Field, Form, Seen, Setter, Want};
pub use kind::Kind;
pub use openapi::{openapi, openapi_json};
pub use operation::{Answer, Body, Call, Operation, Parameter, Place, Scope, Verb};
pub use operations::{filters, operations};
pub use reference::reference;
