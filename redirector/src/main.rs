//! `afterclick`: the redirector, its API and its tools. This file only reads the command line and
//! starts the command.

mod access;
mod ask;
mod cli;
mod commands;
mod config;
mod demo;
mod doctor;
mod erase;
mod init;
mod jobs;
mod journals;
mod manual;
mod memory;
mod outbound;
#[cfg(test)]
mod reference;
mod secret_file;
mod serve;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, KeysCommand, TokenCommand};
use crate::config::{Config, ConfigError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit statuses: 0 done, 1 failed, 2 wrong usage (set by clap), 64 invalid configuration.
fn main() -> ExitCode {
    // SECURITY: what this process writes is for its owner alone, whatever the folder's mode is.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    start_log();
    edge::tls::use_ring_elsewhere();
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            match error.downcast_ref::<client::Refused>() {
                Some(refused) => eprintln!("{refused}"),
                None => eprintln!("afterclick: {error:#}"),
            }
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
        Command::Token(command) => run_token(command)?,
        Command::Keys(command) => run_keys(command)?,
        Command::Verify(settings) => return commands::verify(&Config::resolve(&settings)?),
        Command::Repair { give_up, new_keys, settings } => {
            return commands::repair(&Config::resolve(&settings)?, give_up, new_keys);
        }
        Command::Replay(settings) => commands::replay(&Config::resolve(&settings)?)?,
        Command::Erase(erasure) => {
            let config = Config::resolve(&erasure.settings)?;
            erase::erase(&config, &erasure.merchant, &erasure.who)?;
        }
        Command::Doctor { url, settings } => {
            let config = Config::resolve(&settings)?;
            let address = url.unwrap_or_else(|| format!("http://{}", config.listen));
            let (findings, is_well) = doctor::examine(&address)?;
            commands::print(&findings)?;
            commands::print(&doctor::rules(&access::catalog_here(&config)?))?;
            return Ok(is_well);
        }
        Command::Init { config, data } => init::init(&config, data.as_deref())?,
        Command::Demo { listen, admin } => demo::demo(listen, admin)?,
        Command::Completions { shell } => manual::print_completions(shell)?,
        Command::Man { out } => manual::man(out.as_deref())?,
        Command::Asked(asked) => ask::ask(&asked)?,
    }
    Ok(true)
}

fn run_token(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { role, holder, name, expires, there, settings } => {
            let (holder, expires) = (holder.as_deref(), expires.as_deref());
            if let Some(settings) = there.settings(&settings) {
                let server = ask::server(&Config::resolve(&settings)?)?;
                let role = role.as_str();
                return client::tokens::create(&server, role, holder, name.as_deref(), expires);
            }
            access::create_token(&Config::resolve(&settings)?, role, holder, name, expires)
        }
        TokenCommand::List { there, settings } => match there.settings(&settings) {
            Some(settings) => client::tokens::list(&ask::server(&Config::resolve(&settings)?)?),
            None => access::list_tokens(&Config::resolve(&settings)?),
        },
        TokenCommand::Revoke { id, there, settings } => match there.settings(&settings) {
            Some(settings) => {
                client::tokens::revoke(&ask::server(&Config::resolve(&settings)?)?, &id)
            }
            None => access::revoke_token(&Config::resolve(&settings)?, &id),
        },
    }
}

fn run_keys(command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::List { settings } => access::list_keys(&Config::resolve(&settings)?),
        KeysCommand::Rotate { prepare, settings } => {
            access::rotate_keys(&Config::resolve(&settings)?, prepare)
        }
        KeysCommand::Revoke { id, since, reason, settings } => {
            access::revoke_key(&Config::resolve(&settings)?, id, since.as_deref(), reason)
        }
    }
}

/// Writes logs to standard error: text for people, JSON for machines. They never contain tokens,
/// cookies, addresses or bodies.
fn start_log() {
    let filter =
        EnvFilter::try_from_env("AFTERCLICK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { log.init() } else { log.json().init() }
}
