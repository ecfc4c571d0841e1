//! Certificates by ACME, from Pebble, the server with which Let's Encrypt tests clients. It checks
//! our listener as a directory does, refuses good nonces now and then, and finds hosts through a
//! DNS server of its own.

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::Launch;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::support::{BROWSER, Stage, launch, run, until};

/// The port on which Pebble checks hosts.
const TLS_PORT: u16 = 5001;

/// A directory, and the DNS server through which it finds hosts.
struct Authority {
    /// Each test listens on an address of its own, so that its ports are free.
    address: Ipv4Addr,
    folder: PathBuf,
    _directory: Child,
    _names: Child,
}

impl Authority {
    /// Starts a directory whose certificates live for `life` seconds.
    async fn start(folder: &Path, address: Ipv4Addr, life: u64) -> Self {
        let folder = folder.join("authority");
        std::fs::create_dir_all(&folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let own =
            CertificateParams::new(vec![address.to_string()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.join("own.pem"), own.pem()).unwrap();
        std::fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
        let config = json!({ "pebble": {
            "listenAddress": format!("{address}:14000"), "managementListenAddress": format!("{address}:15000"),
            "certificate": "own.pem", "privateKey": "own.key", "httpPort": 5002, "tlsPort": TLS_PORT,
            "externalAccountBindingRequired": false, "certificateValidityPeriod": life,
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let names = format!("{address}:8053");
        let directory = spawn(&folder, "pebble", &["-config", "pebble.json", "-dnsserver", &names]);
        let names = spawn(
            &folder,
            "pebble-challtestsrv",
            &[
                "-defaultIPv4",
                &address.to_string(),
                "-defaultIPv6",
                "",
                "-dns01",
                &names,
                "-management",
                &format!("{address}:8055"),
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
            ],
        );
        let authority = Self { address, folder, _directory: directory, _names: names };
        authority.fetch_root().await;
        authority
    }

    /// Waits until the directory answers, and stores the root that its certificates lead to.
    async fn fetch_root(&self) {
        let url = format!("https://{}:15000/roots/0", self.address);
        let root = self.path("root.pem");
        until("Pebble starts", async || {
            run("curl", &["-sSfk", "-o", &root, &url]).await.status.success()
        })
        .await;
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Makes a host lead to an address.
    async fn lead(&self, host: &str, to: Ipv4Addr) {
        let management = format!("http://{}:8055", self.address);
        let host = format!("{host}.");
        let (clear, add) = (json!({ "host": host }), json!({ "host": host, "addresses": [to] }));
        for (what, body) in [("clear-a", clear), ("add-a", add)] {
            let url = format!("{management}/{what}");
            assert!(run("curl", &["-sSf", "-d", &body.to_string(), &url]).await.status.success());
        }
    }

    /// Returns how many requests the directory has received.
    fn requests(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.join("pebble.log")).unwrap();
        log.lines().filter(|line| line.contains("calling handler")).count()
    }

    /// Makes a product that orders certificates for these hosts.
    fn launch(&self, folder: &TempDir, hosts: &str) -> Launch {
        launch(folder).arguments(&[
            "--listen-tls",
            &format!("{}:{TLS_PORT}", self.address),
            "--acme-hosts",
            hosts,
            "--acme-contact",
            "mailto:operator@agency.test",
            "--acme-directory",
            &format!("https://{}:14000/dir", self.address),
            "--acme-roots",
            &self.path("own.pem"),
        ])
    }

    /// Returns the head that curl gets for a link, if it trusts the certificate.
    async fn curl(&self, host: &str) -> Result<String, String> {
        let to = format!("{host}:{TLS_PORT}:{}", self.address);
        let (url, root) = (format!("https://{host}:{TLS_PORT}/anna"), self.path("root.pem"));
        let arguments = [
            "-sS",
            "-D",
            "-",
            "-o",
            "/dev/null",
            "--resolve",
            &to,
            "--cacert",
            &root,
            "-A",
            BROWSER,
            &url,
        ];
        let output = run("curl", &arguments).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Waits until curl trusts a host's certificate.
    async fn wait_for(&self, host: &str, at_most: Duration) -> String {
        let began = Instant::now();
        loop {
            match self.curl(host).await {
                Ok(head) => return head,
                Err(error) => assert!(began.elapsed() < at_most, "{host}: {error}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns what a client sees that offers these protocols.
    async fn offer(&self, protocols: &str, host: &str) -> String {
        let to = format!("{}:{TLS_PORT}", self.address);
        let asked =
            ["s_client", "-ign_eof", "-connect", &to, "-servername", host, "-alpn", protocols];
        // Well below the 15 seconds after which a connection that asks nothing is ended anyway.
        let output = tokio::time::timeout(Duration::from_secs(12), run("openssl", &asked)).await;
        let output = output.expect("the connection is closed after the handshake");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

/// Returns an address that no other test has. The programs of a test use those next to it, too.
fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high.max(1), low, 1)
}

/// Returns another address of this test.
fn beside(address: Ipv4Addr, last: u8) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, last)
}

fn spawn(folder: &Path, program: &str, arguments: &[&str]) -> Child {
    let log = File::create(folder.join(format!("{program}.log"))).unwrap();
    let started = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    started.unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs it"))
}

/// Bounds a hang; a busy machine has time.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_host_gets_a_certificate_and_a_restart_sends_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(folder.path(), own_address(), 90 * 86_400).await;
    let launch = authority.launch(&folder, "go.shop.test");
    let mut stage = Stage::set_on(folder, launch.clone(), json!({})).await;
    let head = authority.wait_for("go.shop.test", SOON).await;
    assert!(head.starts_with("HTTP/2 302"), "{head}");
    assert_eq!(stage.metric("afterclick_acme_orders_total").await, 1);
    assert_eq!(stage.metric("afterclick_acme_orders_failed_total").await, 0);
    let kept = stage.product.data().join("tls");
    for name in ["account.json", "go.shop.test.pem"] {
        let permissions = std::fs::metadata(kept.join(name)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, Permissions::from_mode(0o600).mode(), "{name}");
    }
    stage.product.stop().await.unwrap();

    let asked = authority.requests();
    assert!(asked > 0);
    stage.product = launch.start().await.unwrap();
    assert!(authority.curl("go.shop.test").await.is_ok(), "the first visitor is served");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(authority.requests(), asked, "a restart sends no request");
    assert_eq!(stage.metric("afterclick_acme_orders_total").await, 0);
}

#[tokio::test]
async fn a_host_that_fails_delays_no_other_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(folder.path(), own_address(), 90 * 86_400).await;
    // Hosts are taken in this order, so the one that fails comes first. Nobody listens at its
    // address.
    let nobody = beside(authority.address, 3);
    authority.lead("bad.shop.test", nobody).await;
    let launch = authority.launch(&folder, "bad.shop.test,go.shop.test");
    let stage = Stage::set_on(folder, launch, json!({})).await;
    authority.wait_for("go.shop.test", SOON).await;
    assert!(authority.curl("bad.shop.test").await.is_err());
    assert_eq!(stage.metric("afterclick_acme_orders_failed_total").await, 1);
    let log = std::fs::read_to_string(stage.product.data().join("afterclick.log")).unwrap();
    assert!(log.contains("no new certificate for bad.shop.test, tried again in 1 min"), "{log}");
    assert!(
        log.contains("did not find the host here") && log.contains(&nobody.to_string()),
        "{log}"
    );

    authority.lead("bad.shop.test", authority.address).await;
    authority.wait_for("bad.shop.test", Duration::from_secs(60) + SOON).await;
    assert_eq!(stage.metric("afterclick_acme_orders_total").await, 2);
    assert_eq!(stage.metric("afterclick_acme_orders_failed_total").await, 1);
}

#[tokio::test]
async fn visitors_do_not_notice_renewals() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(folder.path(), own_address(), 15).await;
    let launch = authority.launch(&folder, "go.shop.test");
    let stage = Stage::set_on(folder, launch, json!({})).await;
    authority.wait_for("go.shop.test", SOON).await;
    let mut clicks = 1;
    let began = Instant::now();
    while stage.metric("afterclick_acme_orders_total").await < 3 {
        let head = authority.curl("go.shop.test").await.unwrap();
        assert!(head.starts_with("HTTP/2 302"), "{head}");
        clicks += 1;
        assert!(began.elapsed() < Duration::from_secs(120), "no renewal");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(authority.curl("go.shop.test").await.is_ok());
    assert_eq!(stage.figures().await["clicks"]["raw"], clicks + 1);
}

#[tokio::test]
async fn only_validators_are_shown_the_challenge_and_only_during_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(folder.path(), own_address(), 90 * 86_400).await;
    // The directory's validators are kept waiting here, so the order stays under way.
    let elsewhere = beside(authority.address, 2);
    let trap = TcpListener::bind(SocketAddr::from((elsewhere, TLS_PORT))).await.unwrap();
    authority.lead("go.shop.test", elsewhere).await;
    let launch = authority.launch(&folder, "go.shop.test");
    let stage = Stage::set_on(folder, launch, json!({})).await;
    let caught = tokio::time::timeout(SOON, trap.accept()).await.unwrap().unwrap();

    let shown = authority.offer("acme-tls/1", "go.shop.test").await;
    assert!(shown.contains("ALPN protocol: acme-tls/1"), "{shown}");
    assert!(shown.contains("BEGIN CERTIFICATE") && shown.contains("\nclosed\n"), "{shown}");
    for (protocols, host) in [
        ("h2", "go.shop.test"),
        ("acme-tls/1,h2", "go.shop.test"),
        ("h2,acme-tls/1", "go.shop.test"),
        ("acme-tls/1", "other.shop.test"),
    ] {
        let shown = authority.offer(protocols, host).await;
        assert!(
            !shown.contains("BEGIN CERTIFICATE") && shown.contains("alert"),
            "{protocols} {host}: {shown}"
        );
    }

    drop((caught, trap));
    until("the order fails", async || {
        stage.metric("afterclick_acme_orders_failed_total").await > 0
    })
    .await;
    let shown = authority.offer("acme-tls/1", "go.shop.test").await;
    assert!(!shown.contains("BEGIN CERTIFICATE"), "{shown}");
}

#[tokio::test]
async fn an_account_that_the_directory_has_forgotten_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(folder.path(), own_address(), 90 * 86_400).await;
    let launch = authority.launch(&folder, "go.shop.test");
    let mut stage = Stage::set_on(folder, launch, json!({})).await;
    authority.wait_for("go.shop.test", SOON).await;
    stage.product.stop().await.unwrap();
    let kept = stage.folder.path().join("data/tls");
    let account = std::fs::read(kept.join("account.json")).unwrap();
    std::fs::remove_file(kept.join("go.shop.test.pem")).unwrap();

    // Pebble forgets everything when it is started again.
    let address = authority.address;
    drop(authority);
    let authority = Authority::start(stage.folder.path(), address, 90 * 86_400).await;
    stage.product = authority.launch(&stage.folder, "go.shop.test").start().await.unwrap();
    authority.wait_for("go.shop.test", SOON).await;
    assert_ne!(std::fs::read(kept.join("account.json")).unwrap(), account);
    assert_eq!(stage.metric("afterclick_acme_orders_failed_total").await, 0);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("empty.pem");
    std::fs::write(&nothing, "").unwrap();
    let listen = ["--listen-tls", "127.0.0.1:0"];
    let hosts = ["--acme-hosts", "go.shop.test"];
    let contact = ["--acme-contact", "mailto:operator@agency.test"];
    let roots = ["--acme-roots", &nothing.display().to_string()];
    for (arguments, expected) in [
        ([hosts, contact].concat(), vec!["acme_hosts: no listener", "listen_tls"]),
        ([listen, hosts].concat(), vec!["acme_hosts: set acme_contact", "terms"]),
        ([listen, contact].concat(), vec!["set acme_hosts", "needs certificates"]),
        (
            vec![
                "--acme-hosts",
                "*.shop.test",
                "--acme-contact",
                "me",
                "--acme-directory",
                "http://x",
            ],
            vec![
                "acme_hosts = `*.shop.test`",
                "acme_contact = `me`",
                "acme_directory = `http://x`",
            ],
        ),
        (
            [listen, contact, ["--acme-hosts", "127.0.0.1"]].concat(),
            vec!["`127.0.0.1` is an address"],
        ),
        ([listen, hosts, contact, roots].concat(), vec!["empty.pem", "no certificate in it"]),
        (
            [listen, hosts, contact, ["--acme-roots", "/nowhere"]].concat(),
            vec!["acme_roots", "/nowhere"],
        ),
    ] {
        let refused = launch(&folder).arguments(&arguments).start().await.err().unwrap();
        for expected in expected {
            assert!(format!("{refused:#}").contains(expected), "{arguments:?}: {refused:#}");
        }
    }
}
