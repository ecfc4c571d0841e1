//! The public listener over TLS, tested with clients of other makers: curl, OpenSSL, nghttp2.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::support::{BROWSER, PATIENCE, Stage, launch, run, until};

/// A product whose public listener speaks TLS, and the folder of its certificate.
struct Secured {
    stage: Stage,
    address: SocketAddr,
    files: Files,
}

/// A certificate for `go.shop.test` and its key.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        let files = Self { folder: folder.to_owned() };
        files.write("go.shop.test");
        files
    }

    fn chain(&self) -> String {
        self.folder.join("chain.pem").display().to_string()
    }

    fn key(&self) -> String {
        self.folder.join("key.pem").display().to_string()
    }

    /// Replaces the certificate by another one.
    fn write(&self, name: &str) {
        self.write_for(&[name]);
    }

    /// Replaces the certificate by one with these names.
    fn write_for(&self, names: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let made = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        std::fs::write(self.chain(), made.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
    }
}

impl Secured {
    async fn set() -> Self {
        Self::set_up(&[]).await
    }

    /// Starts the server with more arguments.
    async fn set_up(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::in_folder(folder.path());
        let launch = launch(&folder).arguments(&[
            "--listen-tls",
            "127.0.0.1:0",
            "--tls-cert",
            &files.chain(),
            "--tls-key",
            &files.key(),
        ]);
        let launch = launch.arguments(arguments);
        let stage = Stage::set_on(folder, launch, json!({})).await;
        Self { address: stage.product.tls.unwrap(), stage, files }
    }

    /// Returns the head that curl gets for a link, and the version of HTTP that it spoke.
    async fn curl(&self, arguments: &[&str]) -> Result<String, String> {
        let port = self.address.port();
        let (to, url) =
            (format!("go.shop.test:{port}:127.0.0.1"), format!("https://go.shop.test:{port}/anna"));
        let chain = self.files.chain();
        let common = [
            "-sS",
            "-D",
            "-",
            "-o",
            "/dev/null",
            "--resolve",
            &to,
            "--cacert",
            &chain,
            "-A",
            BROWSER,
        ];
        let output = run("curl", &[&common[..], arguments, &[&url]].concat()).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().to_ascii_lowercase();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    async fn openssl(&self, arguments: &[&str]) -> String {
        let address = self.address.to_string();
        let common = ["s_client", "-connect", &address, "-servername", "go.shop.test"];
        let output = run("openssl", &[&common[..], arguments].concat()).await;
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

#[tokio::test]
async fn links_are_followed_by_every_version_of_tls_and_http() {
    let secured = Secured::set().await;
    let mut expected = 0;
    for tls in ["1.2", "1.3"] {
        for (http, spoken) in [("--http1.1", "http/1.1 302"), ("--http2", "http/2 302")] {
            let head =
                secured.curl(&[&format!("--tlsv{tls}"), "--tls-max", tls, http]).await.unwrap();
            assert!(head.starts_with(spoken), "{tls} {http}: {head}");
            assert!(head.contains("\nlocation: https://shop.test/product?ac="), "{head}");
            assert!(head.contains("\nset-cookie: __secure-ac="), "{head}");
            assert!(head.contains("; domain=shop.test; secure; httponly; samesite=lax"), "{head}");
            expected += 1;
        }
    }
    let old =
        secured.curl(&["--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0"]).await;
    assert!(old.is_err(), "TLS 1.1 is refused: {old:?}");
    assert_eq!(secured.stage.figures().await["clicks"]["billable"], expected);
    assert_eq!(secured.stage.metric("afterclick_tls_handshakes_total").await, expected);
    secured.stage.product.stop().await.unwrap();
}

#[tokio::test]
async fn a_returning_visitor_resumes_with_a_ticket() {
    let secured = Secured::set().await;
    let ticket = secured.stage.folder.path().join("ticket").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        _ = std::fs::remove_file(&ticket);
        // OpenSSL would leave before a ticket of 1.3 comes, so it stays until it has written one.
        let arguments = [version, "-sess_out", &ticket, "-ign_eof", "-verify_quiet"];
        let is_whole = async || {
            let written = std::fs::read_to_string(&ticket).unwrap_or_default();
            written.contains("-----END SSL SESSION PARAMETERS-----")
        };
        tokio::select! {
            said = secured.openssl(&arguments) => panic!("{version}: it left: {said}"),
            () = until("a ticket is written", is_whole) => (),
        }
        let second = secured.openssl(&[version, "-sess_in", &ticket]).await;
        assert!(second.contains("Reused, TLSv1"), "{version}: {second}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_at_once_and_a_bad_one_never() {
    let secured = Secured::set().await;
    assert!(secured.curl(&[]).await.is_ok());
    std::fs::write(secured.files.key(), "no key").unwrap();
    let log = secured.stage.product.data().join("afterclick.log");
    until("the bad one is refused", async || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.contains("the certificates in use stay") && log.contains("key.pem")
    })
    .await;
    assert!(secured.curl(&[]).await.is_ok(), "the old one stays");
    secured.files.write("go.shop.test");
    // curl believes only the new certificate.
    until("the new one is used", async || secured.curl(&[]).await.is_ok()).await;
    let expires = secured
        .stage
        .metric("afterclick_tls_certificate_expires_timestamp_seconds{name=\"go.shop.test\"}");
    assert!(expires.await > 1_800_000_000);
}

#[tokio::test]
async fn many_requests_on_one_connection_are_each_recorded() {
    let secured = Secured::set().await;
    let to = format!("--connect-to={}", secured.address);
    let agent = format!("user-agent: {BROWSER}");
    let output = run(
        "h2load",
        &["-n", "1000", "-c", "4", "-m", "20", "-H", &agent, &to, "https://go.shop.test/anna"],
    )
    .await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("1000 done, 1000 succeeded, 0 failed") && said.contains("h2"), "{said}");
    assert_eq!(secured.stage.figures().await["clicks"]["raw"], 1000);
}

#[tokio::test]
async fn a_body_arrives_whole_over_http_2() {
    let secured = Secured::set().await;
    let body = secured.stage.folder.path().join("order.json");
    let order =
        crate::support::woo_order(727, json!({ "customer_note": "x".repeat(200_000) }), &[]);
    std::fs::write(&body, &order).unwrap();
    let port = secured.address.port();
    let signature = crate::support::sign(crate::support::SECRET, &order);
    let output = run(
        "curl",
        &[
            "-sS",
            "--http2",
            "--resolve",
            &format!("go.shop.test:{port}:127.0.0.1"),
            "--cacert",
            &secured.files.chain(),
            "-w",
            "%{http_code} %{http_version}",
            "-H",
            "x-wc-webhook-topic: order.updated",
            "-H",
            &format!("x-wc-webhook-signature: {signature}"),
            "--data-binary",
            &format!("@{}", body.display()),
            &format!("https://go.shop.test:{port}/_ac/hooks/woocommerce/{}", secured.stage.key),
        ],
    )
    .await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.ends_with("200 2"), "{said}");
    assert_eq!(secured.stage.order("727").await["facts"].as_array().unwrap().len(), 1);
}

/// How long the server waits for a client's first words.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn silent_and_invalid_connections_are_closed_and_delay_nobody() {
    let secured = Secured::set().await;
    let asked = async || {
        let begun = Instant::now();
        assert!(secured.curl(&[]).await.is_ok());
        begun.elapsed()
    };
    let alone = asked().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(secured.address).await.unwrap());
    }
    let beside = asked().await;
    // Who waited for one of them would wait three seconds; a busy machine is slow with both.
    assert!(beside < HELLO_TIMEOUT || beside < 5 * alone, "{beside:?} beside, {alone:?} alone");
    let mut nonsense = TcpStream::connect(secured.address).await.unwrap();
    nonsense.write_all(b"GET /anna HTTP/1.1\r\nHost: go.shop.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    _ = nonsense.read_to_end(&mut answer).await;
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    for mut stream in silent {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
    assert_eq!(secured.stage.metric("afterclick_tls_handshakes_failed_total").await, 201);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let secured = Secured::set().await;
    let address = secured.address.to_string();
    // HTTP/2's preface and an empty frame of settings. After them the client sends nothing, not
    // even an answer to a ping.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let begun = Instant::now();
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &address,
            "-servername",
            "go.shop.test",
            "-alpn",
            "h2",
            "-quiet",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut says = client.stdin.take().unwrap();
    says.write_all(PREFACE).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, client.wait()).await;
    let took = begun.elapsed();
    assert!(ended.is_ok() && took > Duration::from_secs(14), "{took:?}");
}

/// Returns the first bytes that a browser sends, the TLS hello.
fn hello() -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    let mut client =
        rustls::ClientConnection::new(config.into(), "go.shop.test".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn a_flood_of_handshakes_is_bounded_and_delays_no_redirect_for_long() {
    const FLOOD: u64 = 900;
    let secured = Secured::set_up(&["--workers", "1"]).await;
    let hello = hello();
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.push(TcpStream::connect(secured.address).await.unwrap());
    }
    let mut open = TcpStream::connect(secured.stage.product.public).await.unwrap();
    for stream in &mut flood {
        stream.write_all(&hello).await.unwrap();
    }
    // Each connection gets an answer to its hello, or is closed.
    let answered = async {
        let mut answered = 0;
        for mut stream in flood {
            answered += u64::from(stream.read(&mut [0; 1]).await.is_ok_and(|count| count == 1));
        }
        answered
    };
    let redirects = std::cell::Cell::new(0);
    let follow = async {
        let request =
            format!("GET /anna HTTP/1.1\r\nHost: go.shop.test\r\nUser-Agent: {BROWSER}\r\n\r\n");
        loop {
            open.write_all(request.as_bytes()).await.unwrap();
            assert!(open.read(&mut [0; 4096]).await.unwrap() > 0);
            redirects.set(redirects.get() + 1);
        }
    };
    let answered = tokio::select! { answered = answered => answered, () = follow => 0 };
    let refused = secured.stage.metric("afterclick_connections_refused_total").await;
    assert!(refused > 0, "512 may wait, {answered} were answered");
    assert_eq!(answered + refused, FLOOD);
    // The server computes four handshakes a turn. So there are many turns, each with room for
    // redirects.
    assert!(redirects.get() > 40, "{} redirects beside {answered} handshakes", redirects.get());
}

#[tokio::test]
async fn a_stop_ends_open_connections_properly() {
    let secured = Secured::set().await;
    let waiting = secured.openssl(&["-ign_eof", "-alpn", "h2"]);
    let id = i32::try_from(secured.stage.product.id().unwrap()).unwrap();
    let (said, ()) = tokio::join!(waiting, async {
        let shaken = async || secured.stage.metric("afterclick_tls_handshakes_total").await == 1;
        until("the connection is there", shaken).await;
        // Its client may have to hear of it yet.
        sleep(Duration::from_millis(500)).await;
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    });
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    assert!(said.contains("\nclosed\n"), "{said}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::in_folder(folder.path());
    let (chain, key) = (files.chain(), files.key());
    for (arguments, expected) in [
        (vec!["--listen-tls", "127.0.0.1:0"], "needs certificates"),
        (vec!["--tls-cert", &chain, "--tls-key", &key], "no listener"),
        (vec!["--listen-tls", "127.0.0.1:0", "--tls-cert", &chain], "1 and 0 files"),
        (
            vec!["--listen-tls", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &chain],
            "private key",
        ),
        (
            vec!["--listen-tls", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key", &key],
            "/nowhere",
        ),
    ] {
        let refused = launch(&folder).arguments(&arguments).start().await.err().unwrap();
        assert!(format!("{refused:#}").contains(expected), "{arguments:?}: {refused:#}");
    }
}

#[tokio::test]
async fn browsers_keep_to_https_on_the_host_of_a_link_alone() {
    let secured = Secured::set().await;
    let pinned = "\nstrict-transport-security: max-age=15552000\r";
    for http in ["--http1.1", "--http2"] {
        // Answered from the bytes, and by hyper.
        for arguments in [&[http][..], &[http, "-I"], &[http, "-H", "sec-purpose: prefetch"]] {
            let head = secured.curl(arguments).await.unwrap();
            assert!(head.contains(pinned), "{arguments:?}: {head}");
            assert!(!head.contains("includesubdomains"), "{head}");
        }
        // A shop's own host is not ours to decide about.
        let to = format!("shop.test:443:127.0.0.1:{}", secured.address.port());
        let common = ["-sS", "-k", "-D", "-", "-A", BROWSER, "--connect-to", &to];
        let own = "https://shop.test/anna";
        let output = run("curl", &[&common[..], &[http, own]].concat()).await;
        let head = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
        assert!(head.contains("location: https://shop.test/"), "{head}");
        assert!(!head.contains("strict-transport-security"), "{head}");
    }
    let plain = secured.stage.click(&[]).await;
    assert_eq!(plain.header("strict-transport-security"), "", "not without TLS");
}

#[tokio::test]
async fn a_host_that_the_certificate_is_not_for_is_sent_to_another_connection() {
    let secured = Secured::set().await;
    for http in ["--http1.1", "--http2"] {
        for method in [&[][..], &["-I"]] {
            for (host, status) in [("go.shop.test", " 302"), ("www.shop.test", " 421")] {
                let host = format!("host: {host}");
                let arguments = [&[http, "-H", host.as_str()], method].concat();
                let head = secured.curl(&arguments).await.unwrap();
                let line = head.lines().next().unwrap();
                assert!(line.contains(status), "{arguments:?}: {head}");
                assert_eq!(line.contains("421"), !head.contains("strict-transport"), "{head}");
            }
        }
    }
    let before = secured.stage.figures().await["clicks"]["billable"].clone();
    assert_eq!(before, 2, "what was sent away is no click");
    // A certificate for both lets a browser use one connection for both.
    secured.files.write_for(&["go.shop.test", "*.shop.test"]);
    until("one connection is for both", async || {
        let head = secured.curl(&["--http2", "-H", "host: www.shop.test"]).await;
        head.is_ok_and(|head| head.starts_with("http/2 302"))
    })
    .await;
    // A peer that names no host when it connects, such as a load balancer, is answered.
    let port = secured.address.port();
    let url = format!("https://127.0.0.1:{port}/anna");
    let host = "host: other.go.shop.test";
    let output = run("curl", &["-sS", "-k", "-D", "-", "-A", BROWSER, "-H", host, &url]).await;
    let head = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(head.contains(" 302"), "{head}");
}
