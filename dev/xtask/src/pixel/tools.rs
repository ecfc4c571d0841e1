//! The npm tools that make the pixel small: binaryen, esbuild and terser. `pixel-wasm/package.json`
//! pins their versions. They are installed into the user's cache, never into the project.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use anyhow::{Context, Result, ensure};

use super::inputs::read;

/// Installed tools.
pub(super) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Finds the tools, and installs them if they are missing or of other versions.
    pub(super) fn installed(root: &Path) -> Result<Self> {
        let wanted = root.join("pixel-wasm/package.json");
        let folder = cache()?
            .join("afterclick/pixel-tools")
            .join(&blake3::hash(&fs::read(&wanted)?).to_hex()[..16]);
        if !folder.join("node_modules/.installed").exists() {
            install(&folder, &read(&wanted)?)?;
        }
        Ok(Self { folder })
    }

    /// Runs a tool on an input and returns what it writes to standard output.
    pub(super) fn run(&self, tool: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let path = self.folder.join("node_modules/.bin").join(tool);
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {tool}"))?;
        let mut stdin = child.stdin.take().context("standard input is not piped")?;
        // A thread writes the input: a tool that writes before it has read everything would wait
        // for us, and we for it.
        let input = input.to_vec();
        let writing = thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{tool} failed: {}", output.status);
        writing.join().ok().context("the writing thread ended early")??;
        Ok(output.stdout)
    }
}

fn cache() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")
}

fn install(folder: &Path, package: &str) -> Result<()> {
    eprintln!(
        "installing binaryen, esbuild and terser into {}: they make the pixel small",
        folder.display()
    );
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("package.json"), package)?;
    let status = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"])
        .arg(folder)
        .status()
        .context("cannot run npm; Debian's packages nodejs and npm have it")?;
    ensure!(status.success(), "npm could not install the pixel's tools; is there a network?");
    // This is the last step, so that an interrupted install is repeated.
    Ok(fs::write(folder.join("node_modules/.installed"), "")?)
}
