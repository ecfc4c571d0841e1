//! Inspects pages in a browser: what axe finds, whether they fit a phone, whether an id stands
//! twice, and whether their HTML is valid as it was served.
//!
//! It knows no page. It must not leave out a rule for the sake of one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use demo::browser::Browser;
use harness::http;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A phone's width in CSS pixels, on which everything must fit.
const PHONE: u32 = 360;
/// The width of a window on a desk.
const DESK: u32 = 1200;

/// Where a page is looked at: the width, and whether the visitor prefers dark.
const VIEWS: [(u32, &str); 3] = [(DESK, "light"), (PHONE, "dark"), (PHONE, "light")];

/// Returns what axe has against the page: the rule and the element.
const AXE: &str = "return axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.flatMap(
    fault => fault.nodes.map(node => `axe ${fault.id}: ${node.html.slice(0, 160)}`)))";
const TWICE: &str = "const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
    return ids.filter((id, at) => ids.indexOf(id) !== at).map(id => `the id ${id} stands twice`)";
const SIZES: &str =
    "const page = document.documentElement; return [page.clientWidth, page.scrollWidth]";

/// A browser that looks at pages, and what it has found so far.
pub(crate) struct Inspector {
    pub(crate) browser: Browser,
    modules: PathBuf,
    axe: String,
    pictures: Option<PathBuf>,
    sources: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Inspector {
    /// Starts a browser; `None` where the checkers are not installed.
    pub(crate) async fn start() -> Option<Self> {
        let modules = PathBuf::from(std::env::var_os("AFTERCLICK_TEST_NODE_MODULES")?);
        let axe = std::fs::read_to_string(modules.join("axe-core/axe.min.js")).ok()?;
        modules.join("html-validate").is_dir().then_some(())?;
        let browser = Browser::start().await.expect("a browser");
        let pictures = std::env::var_os("AFTERCLICK_TEST_PICTURES").map(PathBuf::from);
        Some(Self { browser, modules, axe, pictures, sources: BTreeMap::new(), faults: Vec::new() })
    }

    /// Opens a page and looks at it.
    pub(crate) async fn open(&mut self, name: &str, url: &str) {
        self.browser.open(url).await.expect("the page opens");
        self.look(name).await;
    }

    /// Looks at the page that the browser shows, in every view.
    pub(crate) async fn look(&mut self, name: &str) {
        let source = self.source().await;
        self.sources.insert(name.to_owned(), source);
        self.browser.run(&self.axe).await.expect("axe starts");
        self.note(name, &self.lines(TWICE).await);
        for (width, scheme) in VIEWS {
            self.view(width, scheme).await;
            let view = format!("{name}, {width} px, {scheme}");
            let found = self.lines(AXE).await;
            self.note(&view, &found);
            self.check_width(&view, width).await;
            self.take_picture(&format!("{name}-{width}-{scheme}")).await;
        }
    }

    /// Validates all sources, and returns every fault that was found.
    pub(crate) async fn finish(mut self) -> Vec<String> {
        let mut invalid = invalid(&self.modules, &json!(self.sources)).await;
        self.browser.close().await.expect("the browser closes");
        self.faults.append(&mut invalid);
        self.faults
    }

    fn note(&mut self, view: &str, found: &[String]) {
        self.faults.extend(found.iter().map(|fault| format!("{view}: {fault}")));
    }

    async fn lines(&self, script: &str) -> Vec<String> {
        let lines = self.browser.run(script).await.expect("the script runs");
        serde_json::from_value(lines).expect("a list of texts")
    }

    /// Makes the window a phone or a desk. A phone obeys the page's `viewport`, and is 980 px wide
    /// without one.
    async fn view(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tell("Emulation.setEmulatedMedia", scheme).await;
    }

    async fn check_width(&mut self, view: &str, width: u32) {
        let sizes = self.browser.run(SIZES).await.expect("the page's sizes");
        let [Some(client), Some(scroll)] = [0, 1].map(|at| sizes[at].as_u64()) else {
            panic!("no sizes: {sizes}");
        };
        if client > u64::from(width) {
            self.note(view, &[format!("the page is {client} px wide in a window of {width} px")]);
        }
        if scroll > client {
            self.note(view, &[format!("the page scrolls sideways: {scroll} px of {client}")]);
        }
    }

    /// Asks for the page's HTML as it was served, before scripts changed it and the parser mended
    /// it. The request has the browser's cookies, so the answer is the same page.
    async fn source(&self) -> String {
        let address = self.browser.address().await.expect("an address");
        let rest = address.strip_prefix("http://").expect("a page on this machine");
        let (host, path) = rest.split_once('/').expect("a path");
        let port = host.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let cookies = self.tell("Network.getCookies", json!({})).await;
        let pair = |cookie: &Value| {
            Some(format!("{}={}", cookie["name"].as_str()?, cookie["value"].as_str()?))
        };
        let cookies = cookies["cookies"].as_array().expect("a list of cookies").iter();
        let cookies = cookies.filter_map(pair).collect::<Vec<_>>().join("; ");
        let headers = [("host", host), ("cookie", &cookies), ("accept", "text/html")];
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let answer = http::send(to, Method::GET, &format!("/{path}"), &headers, "").await;
        answer.expect("the page once more").body
    }

    /// Writes a picture of the whole page, for people, where `AFTERCLICK_TEST_PICTURES` names a
    /// folder.
    async fn take_picture(&self, name: &str) {
        let Some(folder) = &self.pictures else { return };
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.tell("Page.captureScreenshot", whole).await;
        let bytes = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
        std::fs::create_dir_all(folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("a written picture");
    }

    async fn tell(&self, command: &str, parameters: Value) -> Value {
        self.browser.developer_tools(command, parameters).await.expect("Chromium obeys")
    }
}

/// Returns what is invalid in the sources, a line a fault.
async fn invalid(modules: &Path, sources: &Value) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/inspector/validate.cjs");
    let mut node = Command::new("node")
        .arg(script)
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut input = node.stdin.take().expect("a pipe");
    input.write_all(sources.to_string().as_bytes()).await.expect("node reads");
    drop(input);
    let output = node.wait_with_output().await.expect("node ends");
    assert!(output.status.success(), "the check of HTML failed: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("a list of faults")
}
