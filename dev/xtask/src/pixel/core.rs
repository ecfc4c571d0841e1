//! Builds the pixel's core: compiles it, removes what only wasm-bindgen's own glue would use,
//! optimises it, and translates it to JavaScript.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::{Builder, NamedTempFile};
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

use super::tools::Tools;

/// The exports that the shell uses. All others are for wasm-bindgen's glue, which we do not use.
const EXPORTS: [&str; 2] = ["check", "memory"];

/// Compiles the core and returns its path, as cargo reports it.
pub(super) fn compile(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = "wasm32-unknown-unknown";
    let output = Command::new(cargo)
        .args([
            "build",
            "--package",
            "pixel-wasm",
            "--lib",
            "--profile",
            "wasm",
            "--target",
            target,
        ])
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

/// Runs wasm-bindgen on the compiled core, then binaryen on the result. wasm-bindgen is used as a
/// library, in the version that the core was compiled with.
pub(super) fn shrink(compiled: PathBuf, tools: &Tools) -> Result<Vec<u8>> {
    let mut output = Bindgen::new()
        .input_path(compiled)
        .bundler(true)?
        .typescript(false)
        .encode_into(EncodeInto::Never)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("wasm-bindgen could not read the core")?;
    let module = output.wasm_mut();
    let unused: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !EXPORTS.contains(&export.name.as_str()))
        .map(|export| export.id())
        .collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
    // Only with the features that the module itself names: with more, browsers reject the result.
    let core =
        run_binaryen("wasm-opt", &["-Oz", "--strip-target-features"], &module.emit_wasm(), tools)?;
    ensure!(
        !contains(&core, b"__wbindgen"),
        "the core still imports wasm-bindgen's glue, which the shell does not provide"
    );
    Ok(core)
}

/// Translates the core to a JavaScript module, for pages and workers that may not run WebAssembly.
pub(super) fn as_script(core: &[u8], tools: &Tools) -> Result<String> {
    Ok(String::from_utf8(run_binaryen("wasm2js", &["-Oz"], core, tools)?)?)
}

fn run_binaryen(tool: &str, arguments: &[&str], input: &[u8], tools: &Tools) -> Result<Vec<u8>> {
    // binaryen's tools read and write only files, and tell the format by the file's name.
    let (from, to) = (Builder::new().suffix(".wasm").tempfile()?, NamedTempFile::new()?);
    std::fs::write(from.path(), input)?;
    let path = |file: &NamedTempFile| {
        file.path().to_str().map(str::to_owned).context("the temporary folder is not UTF-8")
    };
    let (from, to_path) = (path(&from)?, path(&to)?);
    tools.run(tool, &[&[from.as_str()], arguments, &["-o", &to_path]].concat(), &[])?;
    Ok(std::fs::read(to.path())?)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
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
}
