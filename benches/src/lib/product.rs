//! Runs the product on the first core, with one worker and nothing switched off.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::api::metric;
use crate::process::pinned;

/// The access token of its API.
pub const TOKEN: &str = "measured";

/// A running product; killed when dropped.
pub struct Product {
    child: Child,
    /// The port of the public listener.
    pub public: u16,
    /// The port of the public listener for TLS; 0 if there is none.
    pub tls: u16,
    /// The port of the admin listener.
    pub admin: u16,
}

impl Product {
    /// Starts it with its data in `data`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start(program: &Path, data: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = pinned(0, program);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--workers",
            "1",
            "--data",
        ]);
        command.arg(data).args(arguments);
        command.env("AFTERCLICK_ADMIN_TOKEN", TOKEN).env("AFTERCLICK_LOG", "error");
        let child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut product = Self { child, public: 0, tls: 0, admin: 0 };
        let stdout = product.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the ready line")?;
        let port = |listener: &str| -> Result<u16> {
            let Some(address) = ready[listener].as_str() else { return Ok(0) };
            Ok(address.rsplit(':').next().unwrap_or_default().parse()?)
        };
        (product.public, product.tls, product.admin) =
            (port("public")?, port("tls")?, port("admin")?);
        Ok(product)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the hot state contains everything that was recorded.
    ///
    /// # Errors
    /// When that takes longer than two minutes.
    pub fn caught_up(&self) -> Result<()> {
        let begun = Instant::now();
        while metric(self.admin, TOKEN, "afterclick_hot_state_behind_records")? > 0 {
            ensure!(begun.elapsed() < Duration::from_secs(120), "the hot state is still behind");
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Stops it as an operator does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(mut self) -> Result<()> {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?)
            .context("a process id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about that here.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
