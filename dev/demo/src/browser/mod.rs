//! Drives a real browser through WebDriver: Chromium, Firefox or WebKit, with an empty profile of
//! its own.
//!
//! It never uses a profile twice. It ends every process that it started, also when a check fails.

mod engine;

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use fantoccini::{Client, ClientBuilder, Locator};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as LegacyClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::engine::Engine;

/// How long an element or a page may take to appear. It only bounds a hang, so a busy machine has
/// time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser.
pub struct Browser {
    processes: Vec<Child>,
    client: Option<Client>,
    port: u16,
    profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty profile.
    ///
    /// # Errors
    /// When Chromium or chromedriver is missing or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_engine(Engine::Chromium).await
    }

    /// Starts a browser of this engine with an empty profile.
    ///
    /// # Errors
    /// When the browser or its driver is missing or does not start.
    pub async fn start_engine(engine: Engine) -> Result<Self> {
        Self::start_with(engine, &[]).await
    }

    /// Starts Chromium with an empty profile and more arguments on its command line.
    ///
    /// # Errors
    /// When Chromium or chromedriver is missing or does not start.
    pub async fn start_chromium_with(arguments: &[&str]) -> Result<Self> {
        Self::start_with(Engine::Chromium, arguments).await
    }

    async fn start_with(engine: Engine, arguments: &[&str]) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("afterclick-browser-").tempdir()?;
        let driver = engine.start_driver(profile.path())?;
        let mut browser =
            Self { processes: driver.processes, client: None, port: driver.port, profile };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(engine.capabilities(browser.profile.path(), arguments)?);
        let client = builder.connect(&format!("http://127.0.0.1:{}", browser.port)).await;
        browser.client = Some(client.with_context(|| format!("{engine:?} did not start"))?);
        Ok(browser)
    }

    /// Kills the browser at once, as a crash or an empty battery does.
    pub fn kill(&mut self) {
        self.client = None;
        self.end();
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().context("the browser is closed")
    }

    /// Opens an address and waits until the page has loaded.
    ///
    /// # Errors
    /// When the browser cannot load it.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client()?.goto(url).await.with_context(|| format!("cannot open {url}"))
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// When the browser cannot load it.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.client()?.refresh().await?)
    }

    /// Returns the address in the address bar.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn address(&self) -> Result<String> {
        Ok(self.client()?.current_url().await?.to_string())
    }

    /// Clicks the element of a CSS selector, as soon as it appears.
    ///
    /// # Errors
    /// When it does not appear or cannot be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element =
            self.client()?.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        element.with_context(|| format!("no {selector} on the page"))?.click().await?;
        Ok(())
    }

    /// Types into the element of a CSS selector, as soon as it appears.
    ///
    /// # Errors
    /// When it does not appear.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element =
            self.client()?.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        Ok(element.with_context(|| format!("no {selector} on the page"))?.send_keys(text).await?)
    }

    /// Returns the text of the element of a CSS selector, as soon as it appears.
    ///
    /// # Errors
    /// When it does not appear.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let element =
            self.client()?.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        Ok(element.with_context(|| format!("no {selector} on the page"))?.text().await?)
    }

    /// Runs a script in the page and returns its result.
    ///
    /// # Errors
    /// When the script throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.client()?
            .execute(script, Vec::new())
            .await
            .with_context(|| format!("script failed: {script}"))
    }

    /// Runs a script again and again until it returns true.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub async fn wait_until(&self, script: &str) -> Result<()> {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.run(script).await? != true {
            if tokio::time::Instant::now() > end {
                bail!("did not become true within {} seconds: {script}", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// Returns a cookie of the page as the browser stores it, also if scripts cannot read it;
    /// `None` if there is none.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn cookie(&self, name: &str) -> Result<Option<Cookie>> {
        let cookies = self.client()?.get_all_cookies().await?;
        let found = cookies.into_iter().find(|cookie| cookie.name() == name);
        Ok(found.map(|cookie| Cookie {
            value: cookie.value().to_owned(),
            domain: cookie.domain().unwrap_or_default().trim_start_matches('.').to_owned(),
            http_only: cookie.http_only().unwrap_or(false),
        }))
    }

    /// Sends a command to the driver for which there is no method here, such as
    /// `POST goog/cdp/execute`.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub async fn command(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let session = self.client()?.session_id().await?.context("the browser has no session")?;
        let address = format!("http://127.0.0.1:{}/session/{session}/{path}", self.port);
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let client = LegacyClient::builder(TokioExecutor::new()).build(HttpConnector::new());
        let answer = client.request(request).await.context("the driver does not answer")?;
        let is_good = answer.status().is_success();
        let answer: Value =
            serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        ensure!(is_good, "{path}: {}", answer["value"]["message"]);
        Ok(answer["value"].clone())
    }

    /// Sends a command to Chromium's developer tools.
    ///
    /// # Errors
    /// When Chromium refuses it.
    pub async fn developer_tools(&self, command: &str, parameters: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        self.command(Method::POST, "goog/cdp/execute", &body).await
    }

    /// Opens a new window and continues there. It is opened from the oldest window, because the
    /// current one may be closed.
    ///
    /// # Errors
    /// When the browser opens none.
    pub async fn open_window(&self) -> Result<()> {
        let client = self.client()?;
        let oldest =
            client.windows().await?.into_iter().next().context("the browser has no window")?;
        client.switch_to_window(oldest).await?;
        let window = client.new_window(true).await?;
        Ok(client.switch_to_window(window.handle).await?)
    }

    /// Goes on in a new window and closes all others.
    ///
    /// # Errors
    /// When the browser opens none.
    pub async fn open_only_window(&self) -> Result<()> {
        self.open_window().await?;
        let client = self.client()?;
        let own = client.window().await?;
        for window in client.windows().await? {
            if window != own {
                client.switch_to_window(window).await?;
                client.close_window().await?;
            }
        }
        Ok(client.switch_to_window(own).await?)
    }

    /// Writes a picture of the window to a PNG file.
    ///
    /// # Errors
    /// When the browser takes none or the file cannot be written.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let picture = self.client()?.screenshot().await?;
        std::fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Sets the window's size.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        Ok(self.client()?.set_window_size(width, height).await?)
    }

    /// Closes the browser as a user does. A dropped browser is killed.
    ///
    /// # Errors
    /// When it does not close.
    pub async fn close(mut self) -> Result<()> {
        if let Some(client) = self.client.take() {
            client.close().await?;
        }
        Ok(())
    }
}

impl Browser {
    fn end(&mut self) {
        for process in &mut self.processes {
            // Each process leads a group of its own, so this ends only the processes that it
            // started.
            if let Some(group) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
                _ = kill_process_group(group, Signal::KILL);
            }
            _ = process.wait();
        }
        self.processes.clear();
        // Some processes leave their group. Only this browser's processes have the profile's path
        // on their command line.
        end_processes_naming(self.profile.path());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.end();
    }
}

/// A cookie as the browser stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The value, as it was set.
    pub value: String,
    /// The domain that it is sent to, without a leading dot.
    pub domain: String,
    /// Whether it is hidden from scripts (`HttpOnly`).
    pub http_only: bool,
}

fn end_processes_naming(profile: &Path) {
    let needle = profile.as_os_str().as_encoded_bytes();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id =
            entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if let Some(id) = id.filter(|_| command.windows(needle.len()).any(|part| part == needle)) {
            _ = kill_process(id, Signal::KILL);
        }
    }
}
