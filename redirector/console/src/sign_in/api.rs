//! The operations with which people sign in and out and see to themselves.

use std::sync::Arc;
use std::time::Instant;

use answers::{Problem, asked};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use entities::{Fields, language, text};
use live::clock;
use people::{LinkError, PASSWORD_CHARS, Signer};
use serde_json::{Value, json};
use shared::catalog::{By, Catalog, Change, Entity, Person};
use shared::id::PersonId;
use shared::time::{Span, Timestamp};

use super::cookie::{self, check_origin};
use super::link::{address, invitation_ends_at};
use crate::caller::{Caller, CameFrom, slow_down};
use crate::context::Console;
use crate::guesses::Client;
use crate::resources::{object, problem};
use crate::shown::{role_and_holder, show};
use crate::tries::Account;

/// `POST /api/v1/people/{id}/sign-in-link`.
pub(crate) async fn make_link(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let person = named(&console.live.read(), &id)?;
    if person.archived {
        return Err(Problem::conflict(format!(
            "`{id}` is archived; set `archived` to false first"
        )));
    }
    let link = address(&console, &person, &headers);
    let answer = json!({ "sign_in": link, "ends_at": invitation_ends_at() });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `POST /api/v1/people/{id}/end-sign-ins`.
pub(crate) async fn end(
    State(console): State<Arc<Console>>,
    Extension(by): Extension<By>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let person = named(&console.live.read(), &id)?;
    let change = |person: &Person, now| Person { sign_ins_from: now, ..person.clone() };
    let person = change_person(&console, by, person.id, change).await?;
    Ok(Json(show(&Entity::Person(person), &console.live.read(), &[])))
}

/// `POST /api/v1/sign-ins`.
pub(crate) async fn sign_in(
    State(console): State<Arc<Console>>,
    Extension(CameFrom(from)): Extension<CameFrom>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    // A program that is no browser sends neither header, and may sign in.
    if headers.contains_key("sec-fetch-site") || headers.contains_key("origin") {
        check_origin(&Method::POST, &headers)?;
    }
    slow_down(&console, from).await?;
    let mut fields = Fields::new(object(&body)?);
    let link = fields.optional("link", text(200));
    let email = fields.optional("email", text(254));
    let password = fields.optional("password", text(*PASSWORD_CHARS.end()));
    let faults = fields.finish();
    if !faults.is_empty() {
        return Err(Problem::of_faults(faults));
    }
    let person = match (link, email, password) {
        (Some(link), None, None) => by_link(&console, &link).await,
        (None, Some(email), Some(password)) => by_password(&console, &email, password).await,
        _ => {
            let reason = "send `link` alone, or `email` with `password`";
            return Err(asked::wrong("link", reason));
        }
    };
    let person = person.inspect_err(|_| {
        console.guesses.wrong(Client::of(from), Instant::now());
    })?;
    signed_in(&console, &person, &headers)
}

/// Signs a person in by the secret part of an address, which is used up by it.
///
/// # Errors
/// Says why it does not sign in, and how to get another.
pub(crate) async fn by_link(console: &Console, link: &str) -> Result<Person, Problem> {
    let id = Signer::person_of(link).ok_or_else(|| refused(LinkError::Malformed))?;
    let prepare = |catalog: &Catalog| {
        let person = catalog.people.get(&id).ok_or_else(|| refused(LinkError::Used))?;
        let now = clock::now();
        console.signer.check_link(link, person, now).map_err(refused)?;
        // A link is used up although the clock stands still, or goes back.
        let least = person.signed_in_at.map_or(now, |before| now.max(before.plus(Span::ms(1))));
        let signed_in = Person { signed_in_at: Some(least), ..person.as_ref().clone() };
        Ok(made(signed_in, person, now))
    };
    console.change(By::Person(id), prepare).await.map_err(problem)
}

/// Signs a person in by a password. For an address that nobody has, and for a person without a
/// password, it takes as long and says the same.
async fn by_password(console: &Console, email: &str, password: String) -> Result<Person, Problem> {
    let person = {
        let catalog = console.live.read();
        let has_it = |person: &&Arc<Person>| {
            let theirs = person.email.as_deref();
            !person.archived && theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(email))
        };
        catalog.people.values().find(has_it).cloned()
    };
    let account = person.as_ref().map_or(Account::Unknown(email), |of| Account::Of(of.id));
    if !console.tries.admit(account, Instant::now()) {
        return Err(Problem::too_many_tries());
    }
    let hash = person.as_ref().and_then(|person| person.password.clone());
    let is_right = move || people::is_right(&password, hash.as_deref());
    let is_right = console.tries.one_at_a_time(is_right).await?;
    let person = person.filter(|_| is_right).ok_or_else(Problem::wrong_password)?;
    console.tries.forget(person.id);
    let change = |person: &Person, now| Person { signed_in_at: Some(now), ..person.clone() };
    change_person(console, By::Person(person.id), person.id, change).await
}

/// Answers with the person and the cookie.
fn signed_in(console: &Console, person: &Person, headers: &HeaderMap) -> Result<Response, Problem> {
    let mut response = Json(shown(person)).into_response();
    let cookie = cookie::set(console, person.id, issued_at(person), headers);
    let cookie = cookie.ok_or_else(|| Problem::malformed("Host: cannot be read"))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Returns from when a sign-in of now counts: not before the last end of all sign-ins, whatever the
/// clock says.
pub(crate) fn issued_at(person: &Person) -> Timestamp {
    clock::now().max(person.sign_ins_from)
}

/// `POST /api/v1/sign-outs`.
pub(crate) async fn sign_out(headers: HeaderMap) -> Result<Response, Problem> {
    check_origin(&Method::POST, &headers).or_else(|refusal| {
        // Without a cookie there is nothing to take back.
        if cookie::cookie(&headers).is_none() { Ok(()) } else { Err(refusal) }
    })?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = cookie::taken_back(&headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /api/v1/me`. Who comes each day stays signed in.
pub(crate) async fn me(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let By::Person(id) = caller.by else { return Json(shown_token(&caller)).into_response() };
    let person = console.live.read().people.get(&id).cloned();
    let Some(person) = person else { return Problem::signed_out().into_response() };
    let mut response = Json(shown(&person)).into_response();
    if let Some(cookie) = renewed(&console, &headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Returns a new cookie in place of an old one.
fn renewed(console: &Console, headers: &HeaderMap) -> Option<HeaderValue> {
    let now = clock::now();
    let sign_in = console.signer.read_sign_in(cookie::cookie(headers)?, now)?;
    if !sign_in.is_old(now) {
        return None;
    }
    cookie::set(console, sign_in.person, now, headers)
}

/// `PATCH /api/v1/me`.
pub(crate) async fn change_me(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let id = person_of(&caller)?;
    let sent = object(&body)?;
    let mut fields = Fields::new(sent.clone());
    let name = fields.optional("name", text(200));
    let new_language = fields.optional("language", language);
    if sent.get("name").is_some_and(Value::is_null) {
        fields.fault("name", "cannot be cleared; leave it out to keep it");
    }
    let faults = fields.finish();
    if !faults.is_empty() {
        return Err(Problem::of_faults(faults));
    }
    let change = |person: &Person, _| {
        let clears = sent.get("language").is_some_and(Value::is_null);
        let language = if clears { None } else { new_language.or(person.language.clone()) };
        let name = name.unwrap_or_else(|| person.name.clone());
        Person { name, language, ..person.clone() }
    };
    let person = change_person(&console, caller.by, id, change).await?;
    Ok(Json(shown(&person)))
}

/// `POST /api/v1/me/password`. Every other sign-in ends: whoever may have known the old password is
/// out.
pub(crate) async fn set_password(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = person_of(&caller)?;
    let mut fields = Fields::new(object(&body)?);
    let new = fields.required("password", new_password);
    let current = fields.optional("current", text(*PASSWORD_CHARS.end()));
    let faults = fields.finish();
    let (Some(new), []) = (new, &faults[..]) else { return Err(Problem::of_faults(faults)) };
    let held = console.live.read().people.get(&id).and_then(|person| person.password.clone());
    if let Some(held) = held {
        if !console.tries.admit(Account::Of(id), Instant::now()) {
            return Err(Problem::too_many_tries());
        }
        let current = current.unwrap_or_default();
        let check = move || people::is_right(&current, Some(&held));
        if !console.tries.one_at_a_time(check).await? {
            return Err(asked::wrong("current", "is not the current password"));
        }
        console.tries.forget(id);
    }
    let hashed = console.tries.one_at_a_time(move || people::hash(&new)).await?;
    let hashed = hashed.ok_or_else(|| Problem::internal(&anyhow::anyhow!("no random bits")))?;
    let change = |person: &Person, now| Person {
        password: Some(hashed),
        sign_ins_from: now,
        ..person.clone()
    };
    let person = change_person(&console, caller.by, id, change).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = cookie::set(&console, id, issued_at(&person), &headers) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn new_password(value: &Value) -> Result<String, String> {
    let password = value.as_str().unwrap_or_default();
    if PASSWORD_CHARS.contains(&password.chars().count()) {
        return Ok(password.to_owned());
    }
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    Err(format!("expected {least} to {most} characters; several words make a good one"))
}

/// Returns the person who asks.
fn person_of(caller: &Caller) -> Result<PersonId, Problem> {
    match caller.by {
        By::Person(id) => Ok(id),
        _ => Err(Problem::forbidden("an access token is no person: sign in to change yourself")),
    }
}

fn named(catalog: &Catalog, id: &str) -> Result<Arc<Person>, Problem> {
    let person = id.parse().ok().and_then(|id| catalog.people.get(&id));
    person.cloned().ok_or_else(|| Problem::not_found(format!("`{id}` does not exist")))
}

/// Changes a person, whose new version is later than every one before.
async fn change_person(
    console: &Console,
    by: By,
    id: PersonId,
    change: impl FnOnce(&Person, Timestamp) -> Person,
) -> Result<Person, Problem> {
    let prepare = |catalog: &Catalog| {
        let person = named(catalog, &id.to_string())?;
        let now = clock::now().max(person.sign_ins_from.plus(Span::ms(1)));
        Ok(made(change(&person, now), &person, now))
    };
    console.change(by, prepare).await.map_err(problem)
}

fn made(person: Person, held: &Person, now: Timestamp) -> (Option<Change>, Person) {
    let updated_at = now.max(held.updated_at.plus(Span::ms(1)));
    let person = Person { updated_at, ..person };
    let entities = vec![Entity::Person(person.clone())];
    (Some(Change { at: now, entities, request: None, by: None }), person)
}

fn refused(error: LinkError) -> Problem {
    Problem::link_refused(match error {
        LinkError::Malformed => "this address is not whole; copy all of it",
        LinkError::Ended => "this address has ended; ask whoever invited you for another one",
        LinkError::Used => {
            "this address was used, or another one was after it; ask whoever invited you for              another one"
        }
    })
}

/// Returns a person as the person sees it.
fn shown(person: &Person) -> Value {
    let (role, of) = role_and_holder(person.role);
    json!({
        "role": role, "for": of, "name": person.name, "person": person.id, "email": person.email,
        "language": person.language, "has_password": person.password.is_some(),
    })
}

fn shown_token(caller: &Caller) -> Value {
    let (role, of) = role_and_holder(caller.role);
    json!({ "role": role, "for": of, "name": caller.name, "person": null })
}
