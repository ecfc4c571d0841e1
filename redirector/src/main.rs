//! `afterclick`: the redirector, its API and its tools. This file only reads the command line and
//! starts the command.

mod cli;
mod commands;
mod config;
mod doctor;
mod jobs;
mod journals;
mod memory;
mod outbound;
mod serve;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, TokenCommand};
use crate::config::{Config, ConfigError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit statuses: 0 done, 1 failed, 2 wrong usage (set by clap), 64 invalid configuration.
fn main() -> ExitCode {
    start_log();
    edge::tls::use_ring_elsewhere();
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("afterclick: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() || hot_state::is_wrong_setting(&error) {
                64
            } else {
                1
            })
        }
    }
}

/// Runs a command. Returns false when `verify`, `repair` or `doctor` found something wrong.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Serve(settings) => serve::serve(Config::resolve(&settings)?)?,
        Command::Token(TokenCommand::Create { role, holder, settings }) => {
            commands::create_token(&Config::resolve(&settings)?, role, holder.as_deref())?;
        }
        Command::Verify(settings) => return commands::verify(&Config::resolve(&settings)?),
        Command::Repair { give_up, new_keys, settings } => {
            return commands::repair(&Config::resolve(&settings)?, give_up, new_keys);
        }
        Command::Replay(settings) => commands::replay(&Config::resolve(&settings)?)?,
        Command::Doctor { url, settings } => {
            let here =
                || Ok::<_, ConfigError>(format!("http://{}", Config::resolve(&settings)?.listen));
            let (findings, is_well) = doctor::examine(&url.map_or_else(here, Ok)?)?;
            commands::print(&findings)?;
            return Ok(is_well);
        }
    }
    Ok(true)
}

/// Writes logs to standard error: text for people, JSON for machines. They never contain tokens,
/// cookies, addresses or bodies.
fn start_log() {
    let filter =
        EnvFilter::try_from_env("AFTERCLICK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { log.init() } else { log.json().init() }
}
