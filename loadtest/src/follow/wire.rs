//! The connection of a follower, plain or with TLS, and the answers that are read from it. It never
//! repeats a request and never follows a redirect.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::scene::HOST;

/// The largest size of an answer with its body; a larger one is an error.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 32;
/// How many TLS sessions are kept to be resumed.
const SESSIONS: usize = 4096;

/// A connection of a follower.
pub(crate) enum Wire {
    /// A connection without TLS.
    Plain(TcpStream),
    /// A connection with TLS, after its handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Where to connect, and how.
#[derive(Clone)]
pub(crate) struct Peer {
    /// The address of the listener.
    pub(crate) address: SocketAddr,
    /// How to speak TLS; `None` for a connection without TLS.
    pub(crate) tls: Option<TlsClient>,
}

/// How followers speak TLS: as a new visitor, or as one who comes back and resumes a TLS session.
#[derive(Clone)]
pub(crate) struct TlsClient {
    new: TlsConnector,
    again: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Makes a client that trusts this certificate.
    ///
    /// # Errors
    /// When the certificate is invalid.
    pub(crate) fn trusting(certificate: &CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).context("the certificate")?;
        let config = |resumption: Resumption| -> Result<TlsConnector> {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_safe_default_protocol_versions().context("TLS versions")?;
            let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
            config.resumption = resumption;
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self {
            new: config(Resumption::disabled())?,
            again: config(Resumption::in_memory_sessions(SESSIONS))?,
            name: ServerName::try_from(HOST).context("the host's name")?,
        })
    }
}

impl Wire {
    /// Connects. With `resumes` it resumes an earlier TLS session if there is one; otherwise it
    /// makes a full handshake.
    ///
    /// # Errors
    /// When nothing listens there, or the handshake fails.
    pub(crate) async fn open(peer: &Peer, resumes: bool) -> io::Result<Self> {
        let stream = TcpStream::connect(peer.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &peer.tls else { return Ok(Self::Plain(stream)) };
        let connector = if resumes { &tls.again } else { &tls.new };
        Ok(Self::Tls(Box::new(connector.connect(tls.name.clone(), stream).await?)))
    }

    /// Sends a request and reads the whole answer into `buffer`.
    ///
    /// # Errors
    /// When the connection ends before the answer does, or the answer is not HTTP.
    pub(crate) async fn exchange<'b>(
        &mut self,
        request: &[u8],
        is_head: bool,
        buffer: &'b mut Vec<u8>,
    ) -> io::Result<Answer<'b>> {
        match self {
            Self::Plain(stream) => stream.write_all(request).await?,
            Self::Tls(stream) => stream.write_all(request).await?,
        }
        buffer.clear();
        while !is_whole(buffer, is_head)? {
            let read = match self {
                Self::Plain(stream) => stream.read_buf(buffer).await?,
                Self::Tls(stream) => stream.read_buf(buffer).await?,
            };
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        read(buffer)?.map(|(answer, _)| answer).ok_or(ErrorKind::InvalidData.into())
    }
}

/// The parts of an answer that followers use.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The value of `Location`; empty if it is missing.
    pub(crate) location: &'a str,
    /// The cookie that was set, as `name=value`; empty if it is missing.
    pub(crate) cookie: &'a str,
    /// Whether it has `Retry-After`: the request was refused for now.
    pub(crate) says_later: bool,
    /// Whether the server closes the connection.
    pub(crate) closes: bool,
    /// The length of the body in bytes.
    pub(crate) length: usize,
}

fn is_whole(bytes: &[u8], is_head: bool) -> io::Result<bool> {
    if bytes.len() > ANSWER_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let Some((answer, head_bytes)) = read(bytes)? else { return Ok(false) };
    Ok(is_head || bytes.len() >= head_bytes + answer.length)
}

/// Reads the head of an answer, and returns it with its length in bytes; `None` if it is not
/// complete yet.
fn read(bytes: &[u8]) -> io::Result<Option<(Answer<'_>, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed =
        response.parse(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
    let mut answer = Answer { status: response.code.unwrap_or_default(), ..Answer::default() };
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("location") {
            answer.location = value;
        } else if is("set-cookie") {
            answer.cookie = value.split(';').next().unwrap_or_default();
        } else if is("content-length") {
            answer.length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        } else if is("retry-after") {
            answer.says_later = true;
        } else if is("connection") {
            answer.closes = value.eq_ignore_ascii_case("close");
        }
    }
    Ok(Some((answer, head_bytes)))
}

#[cfg(test)]
mod tests {
    use rcgen::CertifiedKey;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    const REDIRECT: &[u8] =
        b"HTTP/1.1 302 Found\r\nlocation: https://shop.test/?ac=T\r\nset-cookie: ac=T; Path=/\r\n\
        content-length: 0\r\n\r\n";

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let text = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n";
        for cut in 0..text.len() {
            assert!(!is_whole(&text[..cut], false).unwrap(), "{cut}");
        }
        assert!(is_whole(text, false).unwrap() && is_whole(&text[..text.len() - 3], true).unwrap());
        let (answer, _) = read(text).unwrap().unwrap();
        assert!(answer.status == 503 && answer.says_later && answer.closes);
        let (answer, _) = read(REDIRECT).unwrap().unwrap();
        assert_eq!((answer.location, answer.cookie), ("https://shop.test/?ac=T", "ac=T"));
        assert!(read(b"SSH-2.0-OpenSSH").is_err());
    }

    /// Answers every request with a redirect. The state of the client shows whether its handshake
    /// was resumed.
    async fn answer_over_tls(listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    if stream.write_all(REDIRECT).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn a_follower_speaks_tls_and_may_resume_a_session() {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = Some(TlsClient::trusting(cert.der()).unwrap());
        let peer = Peer { address: listener.local_addr().unwrap(), tls };
        tokio::spawn(answer_over_tls(listener, TlsAcceptor::from(Arc::new(config))));
        let mut buffer = Vec::new();
        for (resumes, expected) in [(true, "Full"), (true, "Resumed"), (false, "Full")] {
            let mut wire = Wire::open(&peer, resumes).await.unwrap();
            for _ in 0..2 {
                let answer =
                    wire.exchange(b"GET / HTTP/1.1\r\n\r\n", false, &mut buffer).await.unwrap();
                assert_eq!((answer.status, answer.cookie), (302, "ac=T"));
            }
            let Wire::Tls(stream) = &wire else { panic!("plain") };
            let kind = format!("{:?}", stream.get_ref().1.handshake_kind());
            assert!(kind.contains(expected), "{kind} instead of {expected}");
        }
        let stranger = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let tls = Some(TlsClient::trusting(stranger.cert.der()).unwrap());
        assert!(
            Wire::open(&Peer { tls, ..peer }, false).await.is_err(),
            "a certificate nobody vouches for"
        );
    }
}
