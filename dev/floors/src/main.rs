//! `floors [--arrows] [MEMBER]…`: prints the mistakes of the members that are named, or of the
//! whole house; with `--arrows` also every arrow between the files of the members.

use std::path::Path;
use std::process::ExitCode;

use floors::House;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("floors: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the house stands.
fn run() -> anyhow::Result<bool> {
    let (flags, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    anyhow::ensure!(flags.iter().all(|it| it == "--arrows"), "usage: floors [--arrows] [MEMBER]…");
    let house = House::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let chosen: Vec<_> =
        if names.is_empty() { house.members().map(str::to_owned).collect() } else { names.clone() };
    if !flags.is_empty() {
        for name in &chosen {
            println!("{name}");
            house.arrows_of(name)?.iter().for_each(|arrow| println!("{arrow}"));
        }
    }
    let mistakes = if names.is_empty() {
        house.mistakes()?
    } else {
        chosen.iter().map(|it| house.mistakes_of(it)).collect::<Result<Vec<_>, _>>()?.concat()
    };
    mistakes.iter().for_each(|mistake| println!("{mistake}"));
    Ok(mistakes.is_empty())
}
