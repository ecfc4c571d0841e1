//! The files that the server serves: their names, hashes and compressed forms, and the list of them
//! in `sizes.json`.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::glue::Import;

/// What a file is for.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// The script that pages embed: loader, adapter and glue.
    Loader,
    /// The core as WebAssembly.
    Core,
    /// The core as JavaScript; loaded only where WebAssembly is forbidden.
    Plain,
    /// The pixel for Shopify's sandbox.
    Shopify,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Core => "core",
            Self::Plain => "plain",
            Self::Shopify => "shopify",
        }
    }

    /// Files that people name in their pages keep one name. The others are named by their hash, so
    /// a name always means the same bytes.
    fn name(self, bytes: &[u8]) -> String {
        let hash = &blake3::hash(bytes).to_hex()[..16];
        match self {
            Self::Loader => "px.js".into(),
            Self::Shopify => "px-shopify.js".into(),
            Self::Plain => format!("px-{hash}.js"),
            Self::Core => format!("px-{hash}.wasm"),
        }
    }
}

/// What other files need to load a file: its name and its hash.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) integrity: String,
}

/// The files of one build.
#[derive(Default)]
pub(super) struct Dist {
    /// What the core's imports stand for.
    imports: Map<String, Value>,
    files: Vec<(Role, String, Vec<u8>)>,
}

impl Dist {
    /// A build whose core imports these.
    pub(super) fn importing(imports: Vec<Import>) -> Self {
        let named = imports.into_iter().map(|it| (it.letter.to_string(), it.what.into()));
        Self { imports: named.collect(), ..Self::default() }
    }

    /// Adds a file and returns how other files name it.
    pub(super) fn add(&mut self, role: Role, bytes: impl Into<Vec<u8>>) -> Named {
        let bytes = bytes.into();
        let named = Named { name: role.name(&bytes), integrity: integrity(&bytes) };
        self.files.push((role, named.name.clone(), bytes));
        named
    }

    /// Replaces the folder with the files of this build and returns the content of its
    /// `sizes.json`.
    pub(super) fn replace(&self, folder: &Path, inputs: &str) -> Result<Value> {
        let fresh = folder.with_extension(format!("new-{}", std::process::id()));
        remove(&fresh)?;
        fs::create_dir_all(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
        let mut files = Map::new();
        for (role, name, bytes) in &self.files {
            let mut about = write_with_compressed(&fresh, name, bytes)?;
            about["role"] = role.as_str().into();
            about["integrity"] = integrity(bytes).into();
            files.insert(name.clone(), about);
        }
        let built = json!({ "inputs": inputs, "imports": self.imports, "files": files });
        fs::write(fresh.join("sizes.json"), serde_json::to_vec_pretty(&built)?)?;
        remove(folder)?;
        fs::rename(&fresh, folder)
            .with_context(|| format!("cannot put {} in place", folder.display()))?;
        Ok(built)
    }
}

/// Returns the `sizes.json` of the last build, if that build was made from these inputs and all its
/// files are still there.
pub(super) fn built_from(folder: &Path, inputs: &str) -> Option<Value> {
    let built: Value = serde_json::from_slice(&fs::read(folder.join("sizes.json")).ok()?).ok()?;
    let is_whole = built["files"].as_object()?.iter().all(|(name, about)| {
        let is_there = |suffix: &str, field: &str| {
            let length =
                fs::metadata(folder.join(format!("{name}{suffix}"))).map(|data| data.len());
            length.ok() == about[field].as_u64()
        };
        is_there("", "raw") && is_there(".gz", "gzip") && is_there(".br", "brotli")
    });
    (built["inputs"] == inputs && is_whole).then_some(built)
}

/// Returns the hash in the form of subresource integrity.
fn integrity(bytes: &[u8]) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(bytes)))
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn write_with_compressed(folder: &Path, name: &str, bytes: &[u8]) -> Result<Value> {
    let (gzip, brotli) = (gzip(bytes)?, brotli(bytes)?);
    for (suffix, content) in [("", bytes), (".gz", &gzip), (".br", &brotli)] {
        let path = folder.join(format!("{name}{suffix}"));
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(json!({ "raw": bytes.len(), "gzip": gzip.len(), "brotli": brotli.len() }))
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut compressed, &params)?;
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_current_only_while_inputs_and_files_are() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("dist");
        let mut dist = Dist::default();
        let core = dist.add(Role::Core, b"core");
        assert!(core.name.starts_with("px-") && core.name.ends_with(".wasm"), "{}", core.name);
        dist.add(Role::Loader, "load()");
        dist.replace(&folder, "a").expect("written");
        assert!(built_from(&folder, "a").is_some());
        assert!(built_from(&folder, "b").is_none(), "other inputs");
        fs::remove_file(folder.join("px.js.br")).expect("removed");
        assert!(built_from(&folder, "a").is_none(), "a file is gone");
    }

    #[test]
    fn integrity_is_spelled_as_browsers_read_it() {
        // `printf core | openssl dgst -sha256 -binary | base64`
        assert_eq!(integrity(b"core"), "sha256-DUX1/UYrjHC/+xACGsG8/z9Y8psfr3VoWVCVQn1CgSw=");
    }
}
