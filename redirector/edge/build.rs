//! Embeds the pixel that `cargo xtask pixel` built. Without it the build still works, and warns
//! that the pixel is missing.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?)
        .join("../../pixel-wasm/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut table = String::from("&[\n");
    let mut names: Vec<_> = match fs::read_dir(&dist) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(_) => Vec::new(),
    };
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("px") {
            let path = fs::canonicalize(entry.path())?;
            _ = writeln!(
                table,
                "    ({name:?}, include_bytes!({:?})),",
                path.display().to_string()
            );
        }
    }
    table.push(']');
    if !table.contains("px.js") {
        println!(
            "cargo::warning=built without the pixel: run `cargo xtask pixel` first to embed it"
        );
    }
    let out = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("pixel_files.rs");
    fs::write(out, table)
}
