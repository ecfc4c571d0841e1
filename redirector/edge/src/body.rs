//! Reads a request's body. Never takes more bytes or more time than a limit.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::answer::{self, Answer};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a body of at most `bytes_max`.
///
/// # Errors
/// The answer to send when the body is too large, too slow or incomplete.
pub(crate) async fn read_body(body: Incoming, bytes_max: usize) -> Result<Bytes, Answer> {
    let too_large = || {
        answer::text(StatusCode::PAYLOAD_TOO_LARGE, format!("body: more than {bytes_max} bytes\n"))
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(answer::text(StatusCode::BAD_REQUEST, "body: broken off\n")),
        Err(_) => Err(answer::text(StatusCode::REQUEST_TIMEOUT, "body: took too long\n")),
    }
}
