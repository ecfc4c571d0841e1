//! Requests to the API: address, token, idempotency key, one more try where that is safe. It reads
//! no journal and knows no operation.
//!
//! SECURITY: redirects are never followed, since they could take the token elsewhere; the agent
//! that is handed in must keep that.

use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http::{Method, Request as HttpRequest, Response};
use ureq::{Agent, Body, SendBody};
use url::Url;

use crate::problem;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// How often a request is sent at most, where it may be sent again.
const TRIES: u32 = 4;
/// The longest pause between two tries, in seconds.
const PAUSE_SECONDS_MAX: u64 = 5;

/// A server, and who asks it.
pub struct Server {
    /// Asks without following redirects, and takes a failure status for an answer.
    pub agent: Agent,
    /// The address of the admin listener.
    pub url: Url,
    /// The access token.
    pub token: String,
    /// A name that no other request has: what is made by one command is made once.
    pub key: String,
}

/// A request below `/api/v1/`.
pub(crate) struct Request<'r> {
    pub(crate) method: Method,
    /// The segments of the path, not encoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// The content type, and the bytes.
    pub(crate) body: Option<(&'static str, &'r [u8])>,
    /// Under which it is done only once.
    pub(crate) key: Option<&'r str>,
    /// Whether it may be sent again when no answer came.
    pub(crate) may_repeat: bool,
    /// Told how many bytes were sent.
    pub(crate) sent: &'r dyn Fn(u64),
}

impl Request<'_> {
    /// Makes a request that only reads.
    pub(crate) fn get(path: &[&str], query: Vec<(String, String)>) -> Self {
        Self {
            method: Method::GET,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            query,
            body: None,
            key: None,
            may_repeat: true,
            sent: &|_| (),
        }
    }
}

/// An answer that is no refusal.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// It is the answer to an earlier request with the same key.
    pub(crate) is_repeated: bool,
}

impl Answer {
    /// Returns the body as JSON; null where there is none.
    pub(crate) fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .context("url: the answer is no JSON; is this afterclick?")
    }
}

impl Server {
    /// Sends a request, and again where that is safe and may help.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Result<Answer> {
        let address = self.address(request)?;
        for left in (0..TRIES).rev() {
            let may_repeat = request.may_repeat && left > 0;
            match self.once(request, &address) {
                Ok(answer) if is_passing(&answer) && may_repeat => pause(&answer),
                Ok(mut answer) => return self.judge(&mut answer),
                Err(error) if may_repeat && was_cut(&error) => sleep(Duration::from_secs(1)),
                Err(error) => {
                    let way_out = format!(
                        "{} does not answer; --url, AFTERCLICK_URL or `url` in the configuration \
                         say where the admin listener is",
                        self.url
                    );
                    return Err(error).context(way_out);
                }
            }
        }
        bail!("{} gave no answer", self.url)
    }

    fn address(&self, request: &Request<'_>) -> Result<Url> {
        let mut address = self.url.clone();
        let Ok(mut segments) = address.path_segments_mut() else {
            bail!("url: `{}` is no http address", self.url);
        };
        segments.pop_if_empty().extend(["api", "v1"]).extend(&request.path);
        drop(segments);
        if !request.query.is_empty() {
            address.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(address)
    }

    fn once(&self, request: &Request<'_>, address: &Url) -> Result<Response<Body>, ureq::Error> {
        let mut http = HttpRequest::builder()
            .method(request.method.clone())
            .uri(address.as_str())
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        if let Some(key) = request.key {
            http = http.header("idempotency-key", key);
        }
        let Some((kind, bytes)) = request.body else {
            return self.agent.run(http.body(())?);
        };
        let mut counted = Counted { bytes, sent: 0, told: request.sent };
        let http = http.header("content-type", kind).header("content-length", bytes.len());
        self.agent.run(http.body(SendBody::from_reader(&mut counted))?)
    }

    fn judge(&self, answer: &mut Response<Body>) -> Result<Answer> {
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.context("the answer was cut off")?;
        if !(200..300).contains(&status) {
            return Err(problem::read(status, &body, self.url.as_str()).into());
        }
        Ok(Answer { body, is_repeated: answer.headers().contains_key("idempotency-replayed") })
    }
}

/// Counts the bytes that are sent.
struct Counted<'r> {
    bytes: &'r [u8],
    sent: u64,
    told: &'r dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.sent += read as u64;
        (self.told)(self.sent);
        Ok(read)
    }
}

/// Returns whether the server asks to try again.
fn is_passing(answer: &Response<Body>) -> bool {
    matches!(answer.status().as_u16(), 429 | 503)
}

fn pause(answer: &Response<Body>) {
    let after =
        answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    sleep(Duration::from_secs(after.unwrap_or(1).min(PAUSE_SECONDS_MAX)));
}

/// Returns whether a connection ended under way. Where nobody listens, another try helps nobody.
fn was_cut(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ureq::Error::Io(error) = error else { return false };
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers requests with these, one a connection, and returns the heads of the requests.
    fn serve(answers: &'static [&'static str]) -> (Server, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/below", listener.local_addr().unwrap())).unwrap();
        let served = thread::spawn(move || {
            let answer = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head = lines.map(Result::unwrap).take_while(|line| !line.is_empty());
                let head: Vec<String> = head.collect();
                write!(stream, "HTTP/1.1 {answer}").unwrap();
                head.join("\n").to_lowercase()
            };
            answers.iter().map(answer).collect()
        });
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        let (token, key) = ("a-token".to_owned(), "a-key".to_owned());
        (Server { agent: agent.new_agent(), url, token, key }, served)
    }

    fn creation(key: Option<&str>) -> Request<'_> {
        Request {
            method: Method::POST,
            key,
            may_repeat: key.is_some(),
            ..Request::get(&["links"], vec![])
        }
    }

    const BUSY: &str =
        "503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const MADE: &str = "201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

    #[test]
    fn a_busy_server_is_asked_again_under_the_same_key() {
        let (server, served) = serve(&[BUSY, MADE]);
        assert_eq!(server.ask(&creation(Some("once"))).unwrap().body, b"{}");
        for head in served.join().unwrap() {
            assert!(head.starts_with("post /below/api/v1/links http/1.1"), "{head}");
            assert!(head.contains("idempotency-key: once"), "{head}");
            assert!(head.contains("authorization: bearer a-token"), "{head}");
        }
    }

    #[test]
    fn what_might_be_done_twice_is_sent_once() {
        let (server, served) = serve(&[BUSY]);
        let refused = server.ask(&creation(None)).err().unwrap().to_string();
        assert!(refused.contains("answered 503"), "{refused}");
        assert_eq!(served.join().unwrap().len(), 1);
    }
}
