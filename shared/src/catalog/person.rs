//! People who work with the console, and who made a change. Never holds a password: only its hash is
//! kept.

use serde::{Deserialize, Serialize};

use super::access::Role;
use crate::id::{AccessTokenId, PersonId};
use crate::time::Timestamp;

/// Somebody who works with the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id that the API uses.
    pub id: PersonId,
    /// The name for people.
    pub name: String,
    /// The address by which they sign in with a password; of all people who are not archived, one
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The language in which pages speak to them; `None` for that of their browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The hash of their password, as argon2 spells it; `None` for who signs in by links alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// When they last signed in. A link for signing in is used up by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_at: Option<Timestamp>,
    /// Sign-ins and links from before this time are not valid any more.
    pub sign_ins_from: Timestamp,
    /// True for who may not sign in any more.
    #[serde(default)]
    pub archived: bool,
    /// When they were invited.
    pub created_at: Timestamp,
    /// When they last changed: of two versions the later one wins.
    pub updated_at: Timestamp,
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person who was signed in.
    Person(PersonId),
    /// A program with an access token.
    Token(AccessTokenId),
    /// Whoever holds the first token of the configuration.
    FirstToken,
    /// Whoever may read the data folder.
    CommandLine,
}
