//! `cargo xtask`: the build steps that cargo alone cannot do.
//!
//! It never installs anything and writes only into the build folder and `pixel-wasm/dist`.

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
    },
}

fn main() -> ExitCode {
    let Task::Pixel { force } = Task::parse();
    match pixel::build(force) {
        Ok(sizes) => {
            println!("{sizes}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cargo xtask pixel: {error:#}");
            ExitCode::FAILURE
        }
    }
}
