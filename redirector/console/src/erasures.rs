//! Requests to erase a customer. It keeps what to do, and never who the person is; the journal is
//! changed by `afterclick erase` alone, while no server writes to it.

use std::sync::Arc;

use answers::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use entities::Fault;
use live::clock;
use serde::Deserialize;
use serde_json::json;
use shared::id::{CustomerId, MerchantId};
use shared::platform::Platform;
use shared::record::{Record, Unparsed};

use crate::context::Console;
use crate::orders::record;

/// Who asks to be erased.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    merchant: String,
    email: String,
}

/// `POST /api/v1/erasures`: lists a request with those of shops, at `GET /api/v1/unparsed`, and
/// answers with the command that does it.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let invalid = |field, reason: String| Problem::invalid(vec![Fault::new(field, reason)]);
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|error| invalid("body", format!("expected merchant and email: {error}")))?;
    let merchant: Option<MerchantId> = asked.merchant.parse().ok();
    let merchant = merchant.filter(|id| console.live.read().merchants.contains_key(id));
    let merchant = merchant
        .ok_or_else(|| invalid("merchant", format!("`{}` does not exist", asked.merchant)))?;
    let customer = CustomerId::of_email(merchant, &asked.email)
        .ok_or_else(|| invalid("email", "is no e-mail address".to_owned()))?;
    let command = format!("afterclick erase --merchant {merchant} --customer {customer}");
    let request = Unparsed {
        merchant,
        platform: Platform::Other,
        received_at: clock::now(),
        topic: Some("erasure".to_owned()),
        reason: format!("a customer asks to be erased: stop the server and run `{command}`"),
        body: String::new(),
    };
    record(&console, [Record::Unparsed(request)]).await?;
    let answer = Json(json!({ "customer": customer, "command": command }));
    Ok((StatusCode::ACCEPTED, answer).into_response())
}
