//! What is made from the command line's own description: completions for shells, and manual pages.
//! It reads no settings.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::{Cli, ShellName};
use crate::commands::print;

/// Prints the completions for a shell.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print_completions(shell: ShellName) -> Result<()> {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "afterclick", &mut text);
    print(&String::from_utf8(text)?)
}

/// Prints the manual page, or writes the pages of all commands into a folder.
///
/// # Errors
/// When there is no such folder, or a page cannot be written.
pub(crate) fn man(folder: Option<&Path>) -> Result<()> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return print(&String::from_utf8(page)?);
    };
    ensure!(folder.is_dir(), "--out: `{}` is no folder; make it first", folder.display());
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("--out: `{}`", folder.display()))
}
