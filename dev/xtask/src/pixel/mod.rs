//! Builds the pixel: the core as WebAssembly and as JavaScript, the scripts around it, and the
//! compressed forms of all files.
//!
//! The same inputs give the same bytes. `dist` is replaced as a whole and never holds files of two
//! builds.

mod core;
mod dist;
mod inputs;
mod scripts;
mod sizes;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::dist::{Dist, Role};
use self::tools::Tools;

/// Builds the pixel unless it is up to date, and returns a table of sizes to print.
pub(crate) fn build(force: bool, checks_sizes: bool) -> Result<String> {
    let root = workspace_root()?;
    let folder = root.join("pixel-wasm/dist");
    let inputs = inputs::hash(&root)?;
    let current = if force { None } else { dist::built_from(&folder, &inputs) };
    let (title, built) = match current {
        Some(built) => ("the pixel is up to date", built),
        None => (
            "the pixel is built",
            make(&root, &Tools::installed(&root)?)?.replace(&folder, &inputs)?,
        ),
    };
    if checks_sizes {
        sizes::check(&built, &root)?;
    }
    sizes::table(title, &built, &root)
}

/// Makes every file. Names contain hashes, so a file that names others is made after them.
fn make(root: &Path, tools: &Tools) -> Result<Dist> {
    let web = root.join("pixel-wasm/web");
    let core = core::shrink(core::compile(root)?, tools)?;
    let plain_core = core::as_script(&core, tools)?;
    let mut dist = Dist::default();
    let core = dist.add(Role::Core, core);
    let plain = dist.add(Role::Plain, scripts::bundle(&web.join("plain.js"), &plain_core, tools)?);
    let shell = scripts::bundle(&web.join("shell.js"), &plain_core, tools)?;
    let shell = dist.add(Role::Shell, scripts::naming(shell, &[("PLAIN", &plain)])?);
    let loader = scripts::bundle(&web.join("loader.js"), &plain_core, tools)?;
    dist.add(Role::Loader, scripts::naming(loader, &[("CORE", &core), ("SHELL", &shell)])?);
    dist.add(Role::Shopify, scripts::bundle(&web.join("shopify.js"), &plain_core, tools)?);
    Ok(dist)
}

/// Finds the workspace that cargo names now, not the one of the compilation: two clones may share a
/// build folder, and with it this program.
fn workspace_root() -> Result<PathBuf> {
    let member = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    Ok(Path::new(&member).ancestors().nth(2).context("xtask is not in a workspace")?.to_path_buf())
}
