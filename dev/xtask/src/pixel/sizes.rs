//! Sizes: held to `pixel-wasm/sizes.json`, and shown beside those of others.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::inputs::read;

/// What a page loads: the files that count together.
const LOADED: [&str; 3] = ["loader", "shell", "core"];

/// Brotli bytes of the file with this role.
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

/// Refuses a pixel that is larger than it may be, or than it was.
pub(super) fn check(built: &Value, root: &Path) -> Result<()> {
    check_against(built, &serde_json::from_str(&read(&root.join("pixel-wasm/sizes.json"))?)?)
}

fn check_against(built: &Value, file: &Value) -> Result<()> {
    for (name, found) in [("loader", size(built, "loader")), ("together", together(built))] {
        let limit = file["limits"][name].as_u64().unwrap_or(0);
        ensure!(
            found <= limit,
            "{name}: {found} bytes with Brotli, where pixel-wasm/sizes.json allows {limit}"
        );
    }
    for (role, recorded) in file["recorded"].as_object().into_iter().flatten() {
        let (found, recorded) = (size(built, role), recorded.as_u64().unwrap_or(0));
        ensure!(
            found <= recorded,
            "{role} grew from {recorded} to {found} bytes with Brotli; if that is worth it, say so in pixel-wasm/sizes.json"
        );
    }
    Ok(())
}

/// A table of sizes in bytes, with a title, and what others' scripts weigh.
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
            json!({ "files": { "a": file("loader", 400), "b": file("shell", 2000), "c": file("core", core) } })
        };
        let file =
            json!({ "limits": { "loader": 1024, "together": 4096 }, "recorded": { "core": 900 } });
        assert!(check_against(&built(900), &file).is_ok());
        let grown = check_against(&built(901), &file).expect_err("it grew").to_string();
        assert!(grown.contains("core grew from 900 to 901"), "{grown}");
        let large = check_against(&built(1697), &file).expect_err("too large").to_string();
        assert!(large.contains("together: 4097"), "{large}");
    }
}
