//! The inputs of the pixel's build. A change in any of them causes a new build.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const INPUTS: [&str; 12] = [
    "Cargo.toml",
    "pixel-wasm/Cargo.toml",
    "pixel-wasm/build.rs",
    "pixel-wasm/package.json",
    "pixel-wasm/src",
    "pixel-wasm/web",
    "shared/Cargo.toml",
    "shared/src/lib.rs",
    "shared/basics/src/lib.rs",
    "shared/basics/src/wire.rs",
    "dev/xtask/Cargo.toml",
    "dev/xtask/src",
];

/// Returns a hash of all inputs.
pub(super) fn hash(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for input in INPUTS {
        collect(&root.join(input), &mut files)?;
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    hasher.update(locked_versions(root)?.as_bytes());
    for file in files {
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // The lengths tell two neighbouring files from one file with the same bytes.
        hasher.update(format!("\n{name} {}\n", bytes.len()).as_bytes()).update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Returns the lock file's entries of the packages that shape the pixel. Other members'
/// dependencies can change without a rebuild.
fn locked_versions(root: &Path) -> Result<String> {
    const NAMES: [&str; 4] = ["js-sys", "wasm-bindgen", "wasm-bindgen-cli-support", "web-sys"];
    let lock = read(&root.join("Cargo.lock"))?;
    let wanted =
        |package: &&str| NAMES.iter().any(|name| package.contains(&format!("name = \"{name}\"\n")));
    Ok(lock.split("[[package]]").filter(wanted).collect())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// Reads a text file of the repository.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
