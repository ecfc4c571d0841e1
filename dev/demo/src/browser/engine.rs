//! The browser engines: how each is found, started and configured.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fantoccini::wd::Capabilities;
use serde_json::json;

/// The user agent of a follower's browser. A headless Chromium names itself in its own user agent,
/// and the product rightly counts that as a robot.
const CHROMIUM_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// How long a driver may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many times a driver is started before the start counts as failed.
const STARTS_MAX: usize = 5;

/// The browser engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, behind chromedriver.
    Chromium,
    /// Firefox, behind geckodriver.
    Firefox,
    /// WebKitGTK's MiniBrowser, behind WebKitWebDriver, on a display of its own.
    WebKit,
}

/// A started driver: its processes, and the port it listens on.
pub(super) struct Driver {
    pub(super) processes: Vec<Child>,
    pub(super) port: u16,
}

impl Engine {
    /// Returns whether the engine and its driver are installed.
    pub fn is_installed(self) -> bool {
        match self {
            Self::Chromium => in_path("chromedriver").is_some(),
            Self::Firefox => in_path("firefox-esr").is_some() && geckodriver().is_some(),
            Self::WebKit => {
                in_path("WebKitWebDriver").is_some()
                    && in_path("Xvfb").is_some()
                    && mini_browser().is_some()
            }
        }
    }

    /// Starts the driver. The browser stores its data in `profile`.
    pub(super) fn start_driver(self, profile: &Path) -> Result<Driver> {
        match self {
            Self::Chromium => {
                let command = Command::new("chromedriver");
                announced(command, &["--port=0"], profile, "started successfully on port ")
            }
            Self::Firefox => {
                let command = Command::new(
                    geckodriver().context("geckodriver is missing: `scripts/test` installs it")?,
                );
                announced(command, &["--port", "0"], profile, "Listening on 127.0.0.1:")
            }
            Self::WebKit => webkit_driver(profile),
        }
    }

    /// What is asked of the browser. `more` is added to Chromium's command line.
    pub(super) fn capabilities(self, profile: &Path, more: &[&str]) -> Result<Capabilities> {
        let capabilities = match self {
            Self::Chromium => {
                let arguments = [
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--disable-dev-shm-usage",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    "--window-size=1280,940",
                    "--host-resolver-rules=MAP *.test 127.0.0.1",
                    &format!("--user-data-dir={}", profile.display()),
                    &format!("--user-agent={CHROMIUM_AGENT}"),
                ];
                let arguments = [&arguments[..], more].concat();
                // Without third-party cookies, as ever more people browse: only then does it clean
                // up after trackers.
                let preferences = json!({ "profile.block_third_party_cookies": true, "profile.cookie_controls_mode": 1 });
                json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments, "prefs": preferences } })
            }
            Self::Firefox => {
                let preferences = json!({ "network.dns.localDomains": "shop.test,go.shop.test,other.test,go.other.test",
                    "app.update.enabled": false, "network.captive-portal-service.enabled": false,
                    "network.connectivity-service.enabled": false });
                json!({ "browserName": "firefox", "moz:firefoxOptions": { "args": ["-headless"], "prefs": preferences } })
            }
            Self::WebKit => {
                let binary = mini_browser()
                    .context("MiniBrowser is missing; Debian's package webkit2gtk-driver has it")?;
                json!({ "webkitgtk:browserOptions": { "binary": binary, "args": ["--automation"] } })
            }
        };
        Ok(serde_json::from_value(capabilities)?)
    }
}

/// Starts a driver that picks its port itself and prints it after `mark`. If two drivers start at
/// once and pick the same port, one of them ends; it is started again.
fn announced(
    mut command: Command,
    arguments: &[&str],
    profile: &Path,
    mark: &str,
) -> Result<Driver> {
    command
        .args(arguments)
        .env("TMPDIR", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    for _ in 0..STARTS_MAX {
        let mut driver = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let output = driver.stdout.take().context("standard output is not piped")?;
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once(mark).map(|(_, rest)| rest.to_owned()));
        if let Some(port) = port {
            // The pipe is read to its end. Otherwise it could fill up and block the driver.
            thread::spawn(move || lines.for_each(drop));
            let port = port.trim_end_matches('.').parse().context("the driver's port")?;
            return Ok(Driver { processes: vec![driver], port });
        }
        // Its output has ended, so the driver has ended too.
        driver.wait()?;
    }
    bail!("{} ended without printing its port", command.get_program().to_string_lossy())
}

/// Starts WebKitWebDriver. It does not print its port, and its browser needs a display, so both are
/// chosen here.
fn webkit_driver(profile: &Path) -> Result<Driver> {
    let mut display = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x940x24", "-nolisten", "tcp"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start Xvfb; Debian's package xvfb has it")?;
    let mut number = String::new();
    let output = display.stdout.take().context("standard output is not piped")?;
    let read = BufReader::new(output).take(16).read_line(&mut number);
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let driver = Command::new("WebKitWebDriver")
        .arg(format!("--port={port}"))
        .env("DISPLAY", format!(":{}", number.trim()))
        .env("HOME", profile)
        .env("XDG_RUNTIME_DIR", profile)
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut processes = vec![display];
    let started =
        driver.context("cannot start WebKitWebDriver").map(|driver| processes.push(driver));
    let driver = Driver { processes, port };
    started?;
    read.context("Xvfb did not print its display")?;
    wait_for(port)?;
    Ok(driver)
}

fn wait_for(port: u16) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            bail!("the driver does not listen on port {port}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Finds geckodriver. Debian has no package of it, so `scripts/test` installs it into the cache.
fn geckodriver() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let cached = cache
        .map(|cache| cache.join("afterclick/tools/bin/geckodriver"))
        .filter(|path| path.is_file());
    cached.or_else(|| in_path("geckodriver"))
}

fn mini_browser() -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let folders = libraries
        .flat_map(|library| ["webkit2gtk-4.1", "webkit2gtk-4.0"].map(|name| library.join(name)));
    folders.map(|folder| folder.join("MiniBrowser")).find(|path| path.is_file())
}
