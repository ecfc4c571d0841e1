//! Sends requests to an ACME directory, over HTTPS, with the program's one HTTP client.
//!
//! A request blocks its thread. So the thread must have nothing else to do.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::CONTENT_TYPE;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use ureq::Agent;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::outbound::{self, Policy};

/// The largest answer, in bytes. A certificate chain has a few thousand.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Clone)]
pub(super) struct Client(Agent);

impl Client {
    /// Makes a client that trusts the root certificates in this file, or else those that browsers
    /// trust.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self> {
        let roots = roots.map(read_roots).transpose()?.unwrap_or(RootCerts::WebPki);
        // SECURITY: a directory names the addresses of all further requests, and could name any. So
        // only HTTPS is allowed.
        Ok(Self(outbound::client(Policy { https_only: true, roots, ..Policy::default() })))
    }

    fn ask(&self, request: Request<Bytes>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let answer = if body.is_empty() {
            self.0.run(Request::from_parts(parts, ()))
        } else {
            self.0.run(Request::from_parts(parts, body.to_vec()))
        };
        let mut answer = answer.map_err(other)?;
        let body = outbound::body(&mut answer, ANSWER_BYTES_MAX).map_err(other)?;
        let (parts, _) = answer.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| kind.contains("json"));
        // An error that is not JSON does not come from the directory, but from a proxy in front of
        // it.
        if !parts.status.is_success() && !is_json {
            return Err(Error::Other(format!("the directory answered {}", parts.status).into()));
        }
        Ok(Response::from_parts(parts, Full::new(Bytes::from(body))).into())
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(other)?.to_bytes();
            client.ask(Request::from_parts(parts, body))
        })
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

fn read_roots(path: &Path) -> Result<RootCerts> {
    let read = || {
        let pem = std::fs::read(path)?;
        let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>()?;
        let certificates: Vec<Certificate<'static>> = items
            .into_iter()
            .filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            })
            .collect();
        ensure!(!certificates.is_empty(), "no certificate in it; expected PEM");
        Ok(RootCerts::Specific(Arc::new(certificates)))
    };
    read().with_context(|| format!("acme_roots = {}", path.display()))
}
