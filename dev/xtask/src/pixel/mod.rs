//! Builds the pixel: the core as WebAssembly and as JavaScript, the scripts around it, and the
//! compressed forms of all files.
//!
//! The same inputs give the same bytes. `dist` is replaced as a whole and never holds files of two
//! builds.

mod core;
mod dist;
mod glue;
mod inputs;
mod linker;
mod scripts;
mod sizes;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::core::Core;
use self::dist::{Dist, Role};
use self::tools::Tools;

pub(crate) use self::linker::link;

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
    let Core { wasm, glue, imports } = core::shrink(&core::compile(root)?, tools)?;
    let modules = [("core", core::as_script(&wasm, tools)?), ("glue", glue)];
    let script = |entry: &str| scripts::bundle(&web.join(entry), &modules, tools);
    let mut dist = Dist::importing(imports);
    let core = dist.add(Role::Core, wasm);
    let plain = dist.add(Role::Plain, script("plain.js")?);
    let loader = scripts::naming(script("loader.js")?, &[("CORE", &core), ("PLAIN", &plain)])?;
    dist.add(Role::Loader, loader);
    dist.add(Role::Shopify, script("shopify.js")?);
    Ok(dist)
}

/// Finds the workspace that cargo names now, not the one of the compilation: two clones may share a
/// build folder, and with it this program.
fn workspace_root() -> Result<PathBuf> {
    let member = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    Ok(Path::new(&member).ancestors().nth(2).context("xtask is not in a workspace")?.to_path_buf())
}
