//! Checks the sizes against `pixel-wasm/sizes.json`, and shows them beside those of other products'
//! scripts.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::inputs::read;

/// The files that a page loads. Their sum has a limit of its own.
const LOADED: [&str; 2] = ["loader", "core"];

/// Returns the size of the file with this role, in bytes with Brotli.
fn size(built: &Value, role: &str) -> u64 {
    let files = built["files"].as_object().into_iter().flatten();
    files
        .filter(|(_, about)| about["role"] == role)
        .filter_map(|(_, about)| about["brotli"].as_u64())
        .sum()
}

fn together(built: &Value) -> u64 {
    LOADED.iter().map(|role| size(built, role)).sum()
}

/// Fails if the pixel is larger than its limit or than the recorded size.
pub(super) fn check(built: &Value, root: &Path) -> Result<()> {
    check_against(built, &serde_json::from_str(&read(&root.join("pixel-wasm/sizes.json"))?)?)
}

fn check_against(built: &Value, file: &Value) -> Result<()> {
    let (found, limit) = (together(built), file["limits"]["together"].as_u64().unwrap_or(0));
    ensure!(
        found <= limit,
        "together: {found} bytes with Brotli; pixel-wasm/sizes.json allows {limit}"
    );
    for (role, recorded) in file["recorded"].as_object().into_iter().flatten() {
        let (found, recorded) = (size(built, role), recorded.as_u64().unwrap_or(0));
        ensure!(
            found <= recorded,
            "{role} grew from {recorded} to {found} bytes with Brotli; if the growth is worth it, record the new size in pixel-wasm/sizes.json"
        );
    }
    Ok(())
}

/// Returns a table of the sizes in bytes under a title, with the sizes of other products' scripts.
pub(super) fn table(title: &str, built: &Value, root: &Path) -> Result<String> {
    let file: Value = serde_json::from_str(&read(&root.join("pixel-wasm/sizes.json"))?)?;
    let mut text = format!("{title}\n{:<36} {:>8} {:>8} {:>8}", "bytes", "raw", "gzip", "brotli");
    for (name, about) in built["files"].as_object().into_iter().flatten() {
        let name = format!("{name} ({})", about["role"].as_str().unwrap_or_default());
        text.push_str(&format!(
            "\n{name:<36} {:>8} {:>8} {:>8}",
            about["raw"], about["gzip"], about["brotli"]
        ));
    }
    let limit = &file["limits"]["together"];
    text.push_str(&format!("\n{:<36} {:>26}  of {limit}", LOADED.join(" + "), together(built)));
    for peer in file["peers"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n  {:<34} {:>26}", peer[0].as_str().unwrap_or_default(), peer[1]));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pixel_that_is_too_large_or_grew_is_refused() {
        let built = |core: u64| {
            let file = |role: &str, size: u64| json!({ "role": role, "brotli": size });
            json!({ "files": { "a": file("loader", 2400), "b": file("core", core), "c": file("plain", 9000) } })
        };
        let file = json!({ "limits": { "together": 4096 }, "recorded": { "core": 900 } });
        assert!(check_against(&built(900), &file).is_ok());
        let grown = check_against(&built(901), &file).expect_err("it grew").to_string();
        assert!(grown.contains("core grew from 900 to 901"), "{grown}");
        let large = check_against(&built(1697), &file).expect_err("too large").to_string();
        assert!(large.contains("together: 4097"), "{large}");
    }
}
