//! Builds the pixel's core: compiles it, removes what only wasm-bindgen's own glue would use,
//! optimises it, and translates it to JavaScript.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::{Builder, NamedTempFile};
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

use super::glue::{self, Import};
use super::linker::IS_LINKER;
use super::tools::Tools;

/// The exports that the shell uses. All others are for wasm-bindgen's glue, which we do not use.
const EXPORTS: [&str; 2] = ["memory", "wake"];

/// The module that the core imports from, as it names it.
const MODULE: &str = "p";

/// What makes the core small.
const OPTIMISED: [&str; 3] = ["-Oz", "-Oz", "--strip-target-features"];

/// What the translation to JavaScript cannot have.
const LOWERED: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--llvm-memory-copy-fill-lowering",
    "--signext-lowering",
    "--llvm-nontrapping-fptoint-lowering",
];

/// Compiles the core and returns its path, as cargo reports it.
pub(super) fn compile(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = "wasm32-unknown-unknown";
    let output = Command::new(cargo)
        .args([
            "rustc",
            "--package",
            "pixel-wasm",
            "--lib",
            "--profile",
            "wasm",
            "--target",
            target,
            // As an rlib, too, it would not be optimised as a whole.
            "--crate-type",
            "cdylib",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", std::env::current_exe()?)
        .env(IS_LINKER, "1")
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

/// The core as WebAssembly, and what it needs of JavaScript.
pub(super) struct Core {
    pub(super) wasm: Vec<u8>,
    /// A module of `imports`, of the exported functions, and of `setCore`.
    pub(super) glue: String,
    /// What the letters stand for under which it imports.
    pub(super) imports: Vec<Import>,
}

/// Runs wasm-bindgen on the compiled core, then binaryen on the result. wasm-bindgen is used as a
/// library, in the version that the core was compiled with.
pub(super) fn shrink(compiled: &Path, tools: &Tools) -> Result<Core> {
    let mut output = Bindgen::new()
        .input_bytes("core", without_features(fs::read(compiled)?))
        .bundler(true)?
        .typescript(false)
        .encode_into(EncodeInto::Never)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .context("wasm-bindgen could not read the core")?;
    let glue = output.start().cloned().context("wasm-bindgen wrote no glue")?;
    let imports = glue::imports(&glue);
    let module = output.wasm_mut();
    for import in module.imports.iter_mut() {
        if let Some(known) = imports.iter().find(|known| known.name == import.name) {
            import.module = MODULE.into();
            import.name = known.letter.into();
        }
    }
    let unused: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !EXPORTS.contains(&export.name.as_str()))
        .map(|export| export.id())
        .collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
    // Only with the features that the module itself names: with more, browsers reject the result.
    let wasm = run_binaryen("wasm-opt", &OPTIMISED, &module.emit_wasm(), tools)?;
    ensure!(!contains(&wasm, b"__wbindgen"), "the core imports what the glue does not bring");
    Ok(Core { wasm, glue: glue::shrink(&glue, &imports)?, imports })
}

/// Says of the features that the translation to JavaScript cannot have, and that cost more than
/// they bring, that they are not used: the standard library, compiled before, claims them.
fn without_features(mut module: Vec<u8>) -> Vec<u8> {
    for feature in ["+\u{f}reference-types", "+\u{a}multivalue"] {
        let feature = feature.as_bytes();
        let places = module.windows(feature.len()).rposition(|part| part == feature);
        if let Some(prefix) = places.and_then(|place| module.get_mut(place)) {
            *prefix = b'-';
        }
    }
    module
}

/// Translates the core to a JavaScript module, for pages and workers that may not run WebAssembly.
/// Its `core` takes the imports and gives the exports.
pub(super) fn as_script(core: &[u8], tools: &Tools) -> Result<String> {
    let core = run_binaryen("wasm-opt", &LOWERED, core, tools)?;
    let script = String::from_utf8(run_binaryen("wasm2js", &["-Oz"], &core, tools)?)?;
    // It comes as a module that imports and starts by itself.
    let (functions, start) =
        script.split_once("var retasmFunc").context("wasm2js wrote something else")?;
    ensure!(start.contains("asmFunc("), "wasm2js wrote something else");
    let functions = functions.lines().filter(|line| !line.starts_with("import "));
    let functions: Vec<_> = functions.collect();
    Ok(format!("{}\nexport const core = asmFunc;\n", functions.join("\n")))
}

fn run_binaryen(tool: &str, arguments: &[&str], input: &[u8], tools: &Tools) -> Result<Vec<u8>> {
    // binaryen's tools read and write only files, and tell the format by the file's name.
    let (from, to) = (Builder::new().suffix(".wasm").tempfile()?, NamedTempFile::new()?);
    fs::write(from.path(), input)?;
    let path = |file: &NamedTempFile| {
        file.path().to_str().map(str::to_owned).context("the temporary folder is not UTF-8")
    };
    let (from, to_path) = (path(&from)?, path(&to)?);
    tools.run(tool, &[&[from.as_str()], arguments, &["-o", &to_path]].concat(), &[])?;
    Ok(fs::read(to.path())?)
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
