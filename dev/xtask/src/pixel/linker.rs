//! The linker of the core: the toolchain's own, asked for less.
//!
//! wasm-bindgen, js-sys and web-sys export functions for all that a program might use: an allocator,
//! closures, tasks, and a description of every import. The linker would keep all that these reach,
//! and their texts stay in the data even when the functions are removed later. So it links twice: to
//! learn which imports are used, and then with their descriptions alone.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Set where this program runs as the linker.
pub(super) const IS_LINKER: &str = "AFTERCLICK_XTASK_LINKS";

/// wasm-bindgen asks for it, and removes it later.
const STORES_EXCEPTIONS: &str = "__wbindgen_exn_store";
/// How the exports begin that nothing of ours uses.
const NOT_USED: [&str; 3] = ["__wbg_jspi", "__wbindgen_", "__externref_"];
/// How the name of an import's description begins; the import's name follows.
const DESCRIBES: &str = "__wbindgen_describe_";
const IMPORT: &str = "__wbg_";

/// Links, if this program was started for that. Has nothing to print then.
pub(crate) fn link() -> Option<Result<String>> {
    env::var_os(IS_LINKER).map(|_| run(env::args().skip(1).collect()))
}

fn run(arguments: Vec<String>) -> Result<String> {
    let linker = linker()?;
    let output = arguments.iter().skip_while(|argument| *argument != "-o").nth(1).cloned();
    let output = output.context("the linker was not told where to write")?;
    let mut used = Vec::new();
    for _ in 0..2 {
        let status = Command::new(&linker)
            .args(["-flavor", "wasm"])
            .args(without_unused(&arguments, &used))
            .status()
            .context("cannot run the toolchain's linker")?;
        ensure!(status.success(), "the linker failed: {status}");
        let linked = walrus::Module::from_file(&output)?;
        used = linked.imports.iter().map(|import| import.name.clone()).collect();
    }
    Ok(String::new())
}

/// Leaves out the exports that nothing uses when these imports are used.
fn without_unused(arguments: &[String], used: &[String]) -> Vec<String> {
    let is_used = |export: &str| match export.strip_prefix(DESCRIBES) {
        Some(import) if import.starts_with(IMPORT) => used.iter().any(|name| name == import),
        Some(_) => true,
        None => {
            export == STORES_EXCEPTIONS || !NOT_USED.iter().any(|start| export.starts_with(start))
        }
    };
    let mut kept: Vec<String> = Vec::new();
    for argument in arguments {
        if !is_used(argument) && kept.last().is_some_and(|last| last == "--export") {
            kept.pop();
        } else {
            kept.push(argument.clone());
        }
    }
    let has_flavor = kept.first().is_some_and(|first| first == "-flavor");
    kept.split_off(if has_flavor { 2 } else { 0 })
}

/// The linker lies beside the libraries of the machine that compiles.
fn linker() -> Result<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = Command::new(rustc).args(["--print", "target-libdir"]).output()?;
    let folder = String::from_utf8(printed.stdout).context("the toolchain's path is not UTF-8")?;
    Ok(PathBuf::from(folder.trim()).with_file_name("bin").join("rust-lld"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_exported() {
        let given = "-flavor wasm --export wake --export __wbindgen_malloc --export __wbindgen_describe_wake \
                     --export __wbindgen_describe___wbg_then_1 --export __wbindgen_describe___wbg_fetch_2 -o x";
        let given: Vec<_> = given.split_whitespace().map(str::to_owned).collect();
        let kept = without_unused(&given, &["__wbg_fetch_2".to_owned()]).join(" ");
        let expected = "--export wake --export __wbindgen_describe_wake --export __wbindgen_describe___wbg_fetch_2 -o x";
        assert_eq!(kept, expected);
    }
}
