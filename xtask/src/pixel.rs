//! Builds the pixel: core for wasm32, glue by wasm-bindgen, glue and loader joined into `px.js`, all pre-compressed.
//!
//! The same inputs give the same bytes. `dist` is replaced as a whole and never holds files of two builds.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

/// What the pixel is made of, relative to the workspace: a change in any of it means another build.
const INPUTS: [&str; 8] = [
    "Cargo.toml",
    "pixel-wasm/Cargo.toml",
    "pixel-wasm/loader",
    "pixel-wasm/src",
    "shared/Cargo.toml",
    "shared/src",
    "xtask/Cargo.toml",
    "xtask/src",
];

/// Where the loader names the core.
const CORE_PLACEHOLDER: &str = "__CORE__";

/// Builds the pixel unless it is up to date, and returns a table of sizes to print.
pub(crate) fn build(force: bool) -> Result<String> {
    let root = workspace_root()?;
    let dist = root.join("pixel-wasm/dist");
    let inputs = hash_of_inputs(&root)?;
    if !force && let Some(sizes) = sizes_if_current(&dist, &inputs) {
        return Ok(table("pixel is up to date", &sizes));
    }
    let glued = glue(&compile(&root)?)?;
    let files = Files::join(glued, &read(&root.join("pixel-wasm/loader/loader.js"))?)?;
    let sizes = files.write(&dist, &inputs)?;
    Ok(table("pixel built", &sizes))
}

fn workspace_root() -> Result<PathBuf> {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(member.parent().context("xtask lies in no workspace")?.to_path_buf())
}

/// The sizes of the last build, if it was made from these inputs and its files are still there.
fn sizes_if_current(dist: &Path, inputs: &str) -> Option<Value> {
    let sizes: Value = serde_json::from_slice(&fs::read(dist.join("sizes.json")).ok()?).ok()?;
    let files = sizes["files"].as_object()?;
    let is_whole = files.iter().all(|(name, size)| {
        let is_there = |suffix: &str, field: &str| {
            let length = fs::metadata(dist.join(format!("{name}{suffix}"))).map(|data| data.len());
            length.ok() == size[field].as_u64()
        };
        is_there("", "raw") && is_there(".gz", "gzip") && is_there(".br", "brotli")
    });
    (sizes["inputs"] == inputs && is_whole).then_some(sizes)
}

fn hash_of_inputs(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for input in INPUTS {
        collect_files(&root.join(input), &mut files)?;
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    hasher.update(locked_versions(root)?.as_bytes());
    for file in files {
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Lengths keep two neighbouring files from passing for one.
        hasher.update(format!("\n{name} {}\n", bytes.len()).as_bytes()).update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The lock file's lines on what ends up in the pixel. Other members' dependencies come and go without a rebuild.
fn locked_versions(root: &Path) -> Result<String> {
    const NAMES: [&str; 5] =
        ["wasm-bindgen", "web-sys", "js-sys", "iso_currency", "wasm-bindgen-cli-support"];
    let lock = read(&root.join("Cargo.lock"))?;
    let wanted = |package: &&str| NAMES.iter().any(|name| package.contains(&format!("name = \"{name}\"\n")));
    Ok(lock.split("[[package]]").filter(wanted).collect())
}

fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        collect_files(&entry?.path(), files)?;
    }
    Ok(())
}

/// Compiles the core and returns its path, as cargo reports it.
fn compile(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = "wasm32-unknown-unknown";
    let output = Command::new(cargo)
        .args(["build", "--package", "pixel-wasm", "--lib", "--profile", "wasm", "--target", target])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "the core did not compile; if the target is missing, `rustup target add {target}` installs it"
    );
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    artifact(&messages).context("cargo reported no pixel_wasm.wasm")
}

fn artifact(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let files = messages.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let mut paths = files.filter_map(|file| file.as_str().map(PathBuf::from));
    paths.find(|path| path.ends_with("pixel_wasm.wasm"))
}

/// The core and the script that connects it to the browser.
struct Glued {
    core: Vec<u8>,
    script: String,
}

/// Runs wasm-bindgen, as the library of the version that the core was compiled with.
fn glue(core: &Path) -> Result<Glued> {
    let mut output = Bindgen::new()
        .input_path(core)
        .no_modules(true)?
        .typescript(false)
        .encode_into(EncodeInto::Never)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("wasm-bindgen could not read the core")?;
    let brings_scripts =
        output.snippets().values().any(|list| !list.is_empty()) || !output.local_modules().is_empty();
    ensure!(
        !brings_scripts,
        "the core brings JavaScript files of its own, which a classic script cannot load"
    );
    let script = output.js().to_owned();
    Ok(Glued { core: output.wasm_mut().emit_wasm(), script })
}

/// The files that are served.
struct Files {
    core_name: String,
    core: Vec<u8>,
    script: String,
}

impl Files {
    /// Joins glue and loader into one classic script that names the core by its hash.
    fn join(glued: Glued, loader: &str) -> Result<Self> {
        ensure!(loader.contains(CORE_PLACEHOLDER), "loader.js does not contain {CORE_PLACEHOLDER}");
        let hash = blake3::hash(&glued.core).to_hex();
        let core_name = format!("px-{}.wasm", &hash[..16]);
        let loader = loader.replace(CORE_PLACEHOLDER, &core_name);
        let script = format!("(function(){{\n{}\n{loader}\n}})();", glued.script);
        let script = minifier::js::minify(&script)
            .map_err(|reason| anyhow!("px.js could not be made smaller: {reason}"))?
            .to_string();
        Ok(Self { core_name, core: glued.core, script })
    }

    /// Replaces `dist` and returns what is written to `sizes.json`.
    fn write(&self, dist: &Path, inputs: &str) -> Result<Value> {
        let fresh = dist.with_extension("new");
        remove_folder(&fresh)?;
        fs::create_dir_all(&fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
        let script = write_with_compressed(&fresh, "px.js", self.script.as_bytes())?;
        let core = write_with_compressed(&fresh, &self.core_name, &self.core)?;
        let total = |field: &str| script[field].as_u64().unwrap_or(0) + core[field].as_u64().unwrap_or(0);
        let sizes = json!({
            "inputs": inputs,
            "core": self.core_name,
            "total": { "raw": total("raw"), "gzip": total("gzip"), "brotli": total("brotli") },
            "files": { "px.js": script, self.core_name.as_str(): core },
        });
        fs::write(fresh.join("sizes.json"), serde_json::to_vec_pretty(&sizes)?)?;
        remove_folder(dist)?;
        fs::rename(&fresh, dist).with_context(|| format!("cannot put {} in place", dist.display()))?;
        Ok(sizes)
    }
}

fn remove_folder(path: &Path) -> Result<()> {
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

/// A table of sizes in bytes, with a title.
fn table(title: &str, sizes: &Value) -> String {
    let mut text = format!("{title}\n{:<28} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "brotli");
    let row = |name: &str, size: &Value| {
        format!("\n{name:<28} {:>8} {:>8} {:>8}", size["raw"], size["gzip"], size["brotli"])
    };
    for (name, size) in sizes["files"].as_object().into_iter().flatten() {
        text.push_str(&row(name, size));
    }
    text + &row("together", &sizes["total"])
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_is_found_among_cargos_messages() {
        let messages = "noise\n{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/libshared.rlib\"]}\n\
                        {\"filenames\":[\"/t/libpixel_wasm.rlib\",\"/t/pixel_wasm.wasm\"]}\n{\"success\":true}";
        assert_eq!(artifact(messages), Some(PathBuf::from("/t/pixel_wasm.wasm")));
        assert_eq!(artifact("{}"), None);
    }

    #[test]
    fn the_loader_names_the_core_by_its_hash() {
        let glued = || Glued { core: b"core".to_vec(), script: "let glue = 1;".into() };
        let files = Files::join(glued(), "load(\"__CORE__\");").expect("joined");
        let hash = blake3::hash(b"core").to_hex();
        assert_eq!(files.core_name, format!("px-{}.wasm", &hash[..16]));
        assert!(files.script.contains(&files.core_name) && files.script.contains("glue"), "{}", files.script);
        assert!(Files::join(glued(), "load()").is_err(), "a loader that names no core would load nothing");
    }

    #[test]
    fn a_build_is_current_only_while_inputs_and_files_are() {
        let dist = std::env::temp_dir().join(format!("afterclick-xtask-{}", std::process::id())).join("dist");
        let files = Files { core_name: "px-0.wasm".into(), core: b"core".to_vec(), script: "load()".into() };
        fs::create_dir_all(&dist).expect("a folder");
        files.write(&dist, "a").expect("written");
        assert!(sizes_if_current(&dist, "a").is_some());
        assert!(sizes_if_current(&dist, "b").is_none(), "other inputs");
        fs::remove_file(dist.join("px.js.br")).expect("removed");
        assert!(sizes_if_current(&dist, "a").is_none(), "a file is gone");
        fs::remove_dir_all(dist.parent().expect("a parent")).expect("removed");
    }
}
