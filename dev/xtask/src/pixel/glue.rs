//! Makes wasm-bindgen's glue small: drops what the core never uses, and gives its imports short
//! names.
//!
//! It knows the text that one version of wasm-bindgen writes, and fails where it finds another one.

use anyhow::{Context, Result, ensure};

/// What the glue does that the core does not need. Exceptions of imports are caught in one place
/// (`web/adapter.js`), the core's memory never grows, and no page decodes two gigabytes.
const NOT_NEEDED: [(&str, &str); 5] = [
    ("() { return handleError(function (", "("),
    ("}, arguments); }", "}"),
    (
        "decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len))",
        "decoder.decode(getArrayU8FromWasm0(ptr, len))",
    ),
    (
        "getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len)",
        "new Uint8Array(wasm.memory.buffer, ptr, len)",
    ),
    (
        "export function __wbg_set_wasm(val)",
        "const decoder = new TextDecoder();\nexport function setCore(val)",
    ),
];

/// An import of the core: its name by wasm-bindgen, the one that it gets, and what it stands for.
pub(super) struct Import {
    pub(super) name: String,
    pub(super) letter: char,
    pub(super) what: String,
}

/// The imports that the glue brings.
pub(super) fn imports(glue: &str) -> Vec<Import> {
    let functions = glue.split("export function ").skip(1);
    let names = functions.filter_map(|rest| rest.split('(').next());
    let imports = names.filter(|name| name.starts_with("__wb") && *name != "__wbg_set_wasm");
    let named = imports.zip('a'..='z');
    named
        .map(|(name, letter)| Import { name: name.to_owned(), letter, what: what(name).to_owned() })
        .collect()
}

/// `fetch` for `__wbg_fetch_21015a0a4570ab44`.
fn what(name: &str) -> &str {
    let name = name.trim_start_matches("__wbg_").trim_start_matches("__wbindgen_");
    match name.rsplit_once('_') {
        Some((what, hash)) if hash.len() == 16 => what,
        _ => name,
    }
}

/// Returns a module of the core's `imports`, of its functions, and of `setCore`.
pub(super) fn shrink(glue: &str, imports: &[Import]) -> Result<String> {
    let mut text = glue.to_owned();
    for (found, instead) in NOT_NEEDED {
        ensure!(text.contains(found), "wasm-bindgen's glue has no {found:?}");
        text = text.replace(found, instead);
    }
    let mut object = String::new();
    for Import { name, letter, .. } in imports {
        let from = format!("export function {name}(");
        ensure!(text.contains(&from), "wasm-bindgen's glue has no {name}");
        text = text.replace(&from, &format!("function import_{letter}("));
        object.push_str(&format!("{letter}: import_{letter}, "));
    }
    let decoder =
        text.find("let cachedTextDecoder").context("no decoder in wasm-bindgen's glue")?;
    let end = text.find("let wasm;").context("no instance in wasm-bindgen's glue")?;
    text.replace_range(decoder..end, "");
    Ok(format!("{text}\nexport const imports = {{ {object} }};\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_hashes() {
        assert_eq!(what("__wbg_fetch_21015a0a4570ab44"), "fetch");
        assert_eq!(what("__wbg_set_body_opt_str_2a75760abaf17dc9"), "set_body_opt_str");
        assert_eq!(what("__wbindgen_object_drop_ref"), "object_drop_ref");
        let glue = "export function wake(a) {}\nexport function __wbg_act_89aebaeeaeff8381(b) {}";
        let imports: Vec<_> = imports(glue).into_iter().map(|it| (it.letter, it.what)).collect();
        assert_eq!(imports, [('a', "act".to_owned())]);
    }

    #[test]
    fn another_glue_is_refused() {
        let refused = shrink("export function start() {}", &[]).expect_err("no such glue");
        assert!(refused.to_string().contains("handleError"), "{refused}");
    }
}
