//! `cargo xtask`: the build steps that cargo alone cannot do.
//!
//! It writes into the build folder, into `pixel-wasm/dist`, and into a cache of the npm tools that
//! build the pixel.

mod pixel;

use std::process::ExitCode;

use clap::Parser;

/// Builds what cargo alone cannot.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
enum Task {
    /// Builds the pixel into pixel-wasm/dist; does nothing when its inputs have not changed.
    Pixel {
        /// Builds even when nothing has changed.
        #[arg(long)]
        force: bool,
        /// Fails when a file is larger than pixel-wasm/sizes.json allows.
        #[arg(long)]
        sizes: bool,
    },
}

fn main() -> ExitCode {
    let done = pixel::link().unwrap_or_else(|| {
        let Task::Pixel { force, sizes } = Task::parse();
        pixel::build(force, sizes)
    });
    match done {
        Ok(sizes) => {
            if !sizes.is_empty() {
                println!("{sizes}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cargo xtask pixel: {error:#}");
            ExitCode::FAILURE
        }
    }
}
