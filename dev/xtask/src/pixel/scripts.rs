//! Makes the scripts: joins modules of `pixel-wasm/web` into one classic script each, minifies it,
//! and fills in the names of other files.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::dist::Named;
use super::tools::Tools;

/// The edition of JavaScript that is written: browsers since 2020 read it, and it has optional
/// chaining.
const LANGUAGE: &str = "2020";

/// Joins a script with the modules that it imports, and minifies it. `modules` are those that the
/// build makes, each with its source.
pub(super) fn bundle(entry: &Path, modules: &[(&str, String)], tools: &Tools) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let entry = entry.to_str().context("the project's path is not UTF-8")?;
    let adapter = Path::new(entry).with_file_name("adapter.js");
    let mut arguments = vec![
        entry.to_owned(),
        format!("--target=es{LANGUAGE}"),
        format!("--alias:adapter={}", adapter.display()),
    ];
    for (name, source) in modules {
        let path = folder.path().join(format!("{name}.js"));
        std::fs::write(&path, source)?;
        arguments.push(format!("--alias:{name}={}", path.display()));
    }
    arguments.extend(["--bundle", "--format=iife", "--log-level=warning"].map(str::to_owned));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let joined = tools.run("esbuild", &arguments, &[])?;
    let compress = "passes=4,unsafe=true,unsafe_arrows=true,pure_getters=true,booleans_as_integers=true,keep_fargs=false";
    let small =
        tools.run("terser", &["--compress", compress, "--mangle", "--ecma", LANGUAGE], &joined)?;
    Ok(String::from_utf8(small)?.trim_end().to_owned())
}

/// Fills in the paths and hashes of other files: `__SHELL__` and `__SHELL_INTEGRITY__` for a file
/// called `SHELL`.
pub(super) fn naming(script: String, files: &[(&str, &Named)]) -> Result<String> {
    let mut script = script;
    for (word, file) in files {
        let (path, integrity) = (format!("__{word}__"), format!("__{word}_INTEGRITY__"));
        ensure!(
            script.contains(&path) && script.contains(&integrity),
            "the script does not contain both {path} and {integrity}"
        );
        script = script
            .replace(&path, &format!("/_ac/{}", file.name))
            .replace(&integrity, &file.integrity);
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_others_by_hash() {
        let core = Named { name: "px-1.wasm".into(), integrity: "sha256-x".into() };
        let named = naming("load('__CORE__','__CORE_INTEGRITY__')".into(), &[("CORE", &core)])
            .expect("named");
        assert_eq!(named, "load('/_ac/px-1.wasm','sha256-x')");
        assert!(
            naming("load()".into(), &[("CORE", &core)]).is_err(),
            "a loader that names no core would load nothing"
        );
    }
}
