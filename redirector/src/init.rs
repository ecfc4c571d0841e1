//! `afterclick init`: a configuration file, the data folder with keys, a first access token, and a
//! first person. What is there already is kept and named; nothing is ever overwritten.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, bail};
use live::keys;
use shared::catalog::Role;

use crate::access;
use crate::cli::Settings;
use crate::commands::print;
use crate::config::Config;
use crate::journals::make_data_folder;

/// The name of the first token.
const TOKEN_NAME: &str = "afterclick init";
/// The name of the first person, until they change it.
const FIRST_PERSON: &str = "First person";

/// Sets up an installation, as far as it is not there, and says what is there and what comes next.
///
/// # Errors
/// When the configuration file names another data folder or has mistakes, or something cannot be
/// written.
pub(crate) fn init(file: &Path, data: Option<&Path>) -> Result<()> {
    let file = absolute(file)?;
    let mut said = String::new();
    let is_new = write_file(&file, &absolute(data.unwrap_or(Path::new("data")))?)?;
    say(&mut said, "configuration", &file.display().to_string(), is_new);
    // The folder is the file's: what the environment says today, the server may not hear tomorrow.
    let config = Config::resolve(&Settings {
        config: Some(file.display().to_string()),
        data: None,
        ..Settings::of_environment()
    })?;
    must_be(&config.data, data, &file)?;
    let has_keys = keys::read(&config.data)?.is_some();
    make_data_folder(&config.data)?;
    keys::load_or_create(&config.data, &config.journal_dir())?;
    say(&mut said, "data folder", &config.data.display().to_string(), !has_keys);
    let token = first_token(&config)?;
    // Writing to a String cannot fail, here and below.
    _ = match &token {
        Some(token) => writeln!(said, "access token   {token}  (shown only now)"),
        None => writeln!(said, "access token   there is one; `afterclick token list` shows all"),
    };
    said.push_str(&sign_in(&config)?);
    if token.is_some() {
        said.push_str(&next_steps(&file));
    }
    print(&said)
}

fn say(said: &mut String, what: &str, place: &str, is_new: bool) {
    _ = writeln!(said, "{what:13}  {place}  ({})", if is_new { "new" } else { "was there" });
}

/// Writes the configuration file, unless there is one. Returns whether it is new.
fn write_file(file: &Path, data: &Path) -> Result<bool> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    match opened {
        Ok(mut opened) => {
            opened.write_all(content(data)?.as_bytes())?;
            opened.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("--config: `{}`", file.display())),
    }
}

fn content(data: &Path) -> Result<String> {
    let data = data.to_str().with_context(|| format!("--data: `{}` is no text", data.display()))?;
    let data = toml::Value::from(data);
    Ok(format!(
        "# Settings of afterclick. `afterclick serve --help` lists all of them with their defaults.\n\n\
         # Folder of journal, keys and embedded state. Back it up.\n\
         data = {data}\n\n\
         # Redirects, pixel and webhooks. A proxy in front ends TLS, or set listen_tls.\n\
         listen = \"127.0.0.1:8080\"\n\n\
         # API, figures, health and metrics. Keep it away from the internet.\n\
         admin = \"127.0.0.1:8081\"\n\n\
         # The agency's own link hosts. Links on a merchant's own domain need none.\n\
         # hosts = [\"go.agency.example\"]\n\n\
         # TLS without a proxy, with certificates that are ordered and renewed.\n\
         # listen_tls = \"[::]:443\"\n\
         # acme_hosts = [\"go.agency.example\"]\n\
         # acme_contact = \"mailto:you@agency.example\"\n\n\
         # Where sealed segments of the journal are copied to: a folder, or s3://bucket/prefix.\n\
         # ship = \"/mnt/backup/afterclick\"\n\n\
         # The access token with which commands ask this server, in a file of mode 600.\n\
         # token_file = \"/home/you/.afterclick-token\"\n"
    ))
}

/// Refuses another data folder than the one that the configuration has.
fn must_be(held: &Path, asked: Option<&Path>, file: &Path) -> Result<()> {
    let asked = asked.map(absolute).transpose()?;
    let held: PathBuf = absolute(held)?;
    match asked {
        Some(asked) if asked != held => bail!(
            "--data: `{}`, but {} has `{}`; leave --data out, or name another file with --config",
            asked.display(),
            file.display(),
            held.display()
        ),
        _ => Ok(()),
    }
}

/// Makes an admin's access token where there has never been a token, and returns it.
fn first_token(config: &Config) -> Result<Option<String>> {
    if access::catalog_here(config)?.tokens.is_empty() {
        access::make_token(config, Role::Admin, Some(TOKEN_NAME.to_owned()), None).map(Some)
    } else {
        Ok(None)
    }
}

/// Says where people sign in; where nobody is there yet, with the address of a first person.
fn sign_in(config: &Config) -> Result<String> {
    if !access::catalog_here(config)?.people.is_empty() {
        return Ok("first person   is there\n".to_owned());
    }
    let secret = access::make_first_person(config, FIRST_PERSON.to_owned())?;
    let address = format!("http://{}/sign-in/{secret}", config.admin);
    Ok(format!("sign in        {address}  (once, within 7 days, when the server runs)\n"))
}

fn next_steps(file: &Path) -> String {
    let file = file.display();
    format!(
        "\nNext:\n  \
         1. Keep the token: put it into a file of mode 600, and the file's path into `token_file` of\n     \
         {file}\n  \
         2. Start the server: afterclick serve --config {file}\n  \
         3. Add the first merchant: afterclick merchant add --config {file} \\\n     \
         --name NAME --domains shop.example --currency EUR --timezone Europe/Berlin\n"
    )
}
