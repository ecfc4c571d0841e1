//! The routes of the API, made from the list of operations: each with its handler, who may ask, and
//! which parameters its address takes. An operation without a handler does not compile.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use answers::Problem;
use answers::asked::wrong;
use api::{Call, Form, Operation, Place, Scope, Verb};
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use shared::catalog::{By, Role};

use crate::context::Console;
use crate::{
    balances, erasures, figures, history, holds, lists, order_list, orders, payouts, resources,
    sheet, sign_in, stats, tokens, trial,
};

type Routes = Router<Arc<Console>>;

/// Returns the routes for whoever has a token, and those for anybody.
pub(crate) fn routes() -> (Routes, Routes) {
    let (mut known, mut open) = (Router::new(), Router::new());
    for operation in api::operations() {
        let (path, scope) = (operation.path.clone(), operation.scope);
        let route = handler(&operation);
        let operation = Arc::new(operation);
        let route = route.route_layer(from_fn_with_state(Arc::clone(&operation), check_parameters));
        if scope == Scope::Open {
            open = open.route(&path, route);
        } else {
            known = known.route(&path, route.route_layer(from_fn_with_state(operation, admit)));
        }
    }
    (known, open)
}

fn handler(operation: &Operation) -> MethodRouter<Arc<Console>> {
    fn to<H, T>(verb: Verb, handler: H) -> MethodRouter<Arc<Console>>
    where
        H: Handler<T, Arc<Console>>,
        T: 'static,
    {
        let filter = match verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Patch => MethodFilter::PATCH,
            Verb::Delete => MethodFilter::DELETE,
        };
        on(filter, handler)
    }
    let verb = operation.verb;
    match operation.call {
        Call::List(kind) => to(verb, lists::list).layer(Extension(kind)),
        Call::Read(kind) => to(verb, resources::read).layer(Extension(kind)),
        Call::Create(api::Kind::Token) => to(verb, tokens::create),
        Call::Create(kind) => to(verb, resources::create).layer(Extension(kind)),
        Call::Change(kind) => to(verb, resources::change).layer(Extension(kind)),
        Call::Import(kind) => to(verb, resources::import).layer(Extension(kind)),
        Call::ImportSheet => to(verb, sheet::import),
        Call::TryLink => to(verb, trial::answer),
        Call::RevokeToken => to(verb, tokens::revoke),
        Call::ReleaseHold => to(verb, holds::release),
        Call::Stats => to(verb, stats::stats),
        Call::Orders => to(verb, order_list::orders),
        Call::Order => to(verb, figures::order),
        Call::ImportOrders => to(verb, orders::import),
        Call::ImportLeads => to(verb, orders::import_leads),
        Call::Balances => to(verb, balances::balances),
        Call::Payouts => to(verb, payouts::list),
        Call::ClosePayout => to(verb, payouts::close),
        Call::ReadPayout => to(verb, payouts::read),
        Call::PayoutFile => to(verb, payouts::file),
        Call::MarkPaid => to(verb, payouts::paid),
        Call::UndoPayment => to(verb, payouts::undo),
        Call::CancelPayout => to(verb, payouts::cancel),
        Call::Unparsed => to(verb, figures::unparsed),
        Call::ReplayUnparsed => to(verb, orders::replay),
        Call::AskErasure => to(verb, erasures::ask),
        Call::Reconciliations => to(verb, orders::reconciliations),
        Call::Reconcile => to(verb, orders::reconcile_now),
        Call::MakeSignInLink => to(verb, sign_in::make_link),
        Call::EndSignIns => to(verb, sign_in::end),
        Call::SignIn => to(verb, sign_in::sign_in),
        Call::SignOut => to(verb, sign_in::sign_out),
        Call::ShowMe => to(verb, sign_in::me),
        Call::ChangeMe => to(verb, sign_in::change_me),
        Call::SetPassword => to(verb, sign_in::set_password),
        Call::History => to(verb, history::list),
        Call::Undo => to(verb, history::undo),
        Call::Describe => to(verb, describe),
    }
}

/// Lets a request through when its role may ask.
///
/// SECURITY: a merchant's or influencer's token only reads, since it is given to programs that show
/// figures. Where money goes, the person alone may say, who signed in.
async fn admit(
    State(operation): State<Arc<Operation>>,
    Extension(role): Extension<Role>,
    Extension(by): Extension<By>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (name, who) = (&operation.name, operation.scope.says());
    if !operation.scope.admits(role) {
        return Err(Problem::forbidden(format!("`{name}` is for: {who}")));
    }
    let only_reads = role != Role::Admin && !matches!(by, By::Person(_));
    if only_reads && operation.verb != Verb::Get {
        let way_out = "sign in as the person whose it is";
        return Err(Problem::forbidden(format!("this access token only reads; {way_out}")));
    }
    Ok(next.run(request).await)
}

/// Lets a request through when its address has only parameters that it takes, each once, and texts of
/// the length that the description names. A parameter that nobody reads is a mistake: its sender
/// believes that it counts.
async fn check_parameters(
    State(operation): State<Arc<Operation>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let mut seen = HashSet::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let of_query = operation.parameters.iter().filter(|known| known.place == Place::Query);
        let Some(known) = of_query.clone().find(|known| known.name == name) else {
            let known: Vec<_> = of_query.map(|known| known.name).collect();
            return Err(wrong(
                &name,
                match &known[..] {
                    [] => "no such parameter; this request takes none".to_owned(),
                    known => format!("no such parameter; there are {}", known.join(", ")),
                },
            ));
        };
        if !seen.insert(name.clone()) {
            return Err(wrong(&name, "stands twice"));
        }
        if let Form::Text(most) = known.form
            && !is_text(&value, most)
        {
            return Err(wrong(&name, format!("expected a text of 1 to {most} characters")));
        }
    }
    Ok(next.run(request).await)
}

/// Returns whether a text has something to be seen, and no more characters than it may have.
fn is_text(text: &str, most: usize) -> bool {
    text.chars().count() <= most && text.chars().any(|c| !c.is_whitespace())
}

/// `GET /api/v1/openapi.json`. It is made once.
async fn describe() -> impl IntoResponse {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(api::openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.as_str())
}
