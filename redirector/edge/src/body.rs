//! Reads a request's body. Never takes more bytes or more time than a limit, lets redirects go on
//! while a large one arrives, and bounds what all bodies of a worker hold together.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::answer::{self, Answer};
use crate::context::WorkerContext;
use crate::held::Held;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that are worked on before other tasks of the worker have their turn.
pub(crate) const SLICE_BYTES: usize = 16 * 1024;

/// Reads a body of at most `bytes_max`. The body must be dropped before what is held for it.
///
/// # Errors
/// The answer to send when the body is too large, too slow or incomplete, or when the worker holds
/// too many already.
pub(crate) async fn read_body(
    worker: &WorkerContext,
    mut body: Incoming,
    bytes_max: usize,
) -> Result<(Bytes, Held), Answer> {
    let too_large = || {
        answer::text(StatusCode::PAYLOAD_TOO_LARGE, format!("body: more than {bytes_max} bytes\n"))
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let reading = async {
        let (mut bytes, mut held, mut read) = (BytesMut::new(), worker.bodies.nothing(), 0);
        while let Some(frame) = body.frame().await {
            let broken = |_| answer::text(StatusCode::BAD_REQUEST, "body: broken off\n");
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if data.len() > bytes_max - bytes.len() {
                return Err(too_large());
            }
            if !held.take(data.len()) {
                worker.counters.refused_body();
                return Err(answer::unavailable());
            }
            bytes.extend_from_slice(&data);
            read += data.len();
            if read >= SLICE_BYTES {
                read = 0;
                yield_now().await;
            }
        }
        Ok((bytes.freeze(), held))
    };
    let Ok(read) = timeout(BODY_TIMEOUT, reading).await else {
        return Err(answer::text(StatusCode::REQUEST_TIMEOUT, "body: took too long\n"));
    };
    read
}
