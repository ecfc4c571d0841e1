//! Parsers for the values of settings. Their errors say what was expected.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and port such as 127.0.0.1:8080".to_owned())
}

/// Reads the address of an admin listener. A path is kept: a proxy may have it below one.
pub(crate) fn admin_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    });
    url.ok_or_else(|| "expected an address such as https://admin.agency.example".to_owned())
}

/// Reads host names, separated by commas, in the spelling in which hosts are compared.
pub(crate) fn hosts(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(live::kept_host).filter(|host| !host.is_empty());
    names.map(|host| live::check_host(&host).map(|()| host)).collect()
}

/// Reads paths, separated by commas.
pub(crate) fn paths(text: &str) -> Result<Vec<PathBuf>, String> {
    let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
    Ok(paths.map(PathBuf::from).collect())
}

pub(crate) fn number<T: FromStr + PartialOrd + fmt::Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let expected = format!("expected a whole number from {least} to {most}");
    text.parse().ok().filter(|value| (&least..=&most).contains(&value)).ok_or(expected)
}

pub(crate) fn durability(text: &str) -> Result<journal::Durability, String> {
    match text {
        "os" => Ok(journal::Durability::Os),
        "disk" => Ok(journal::Durability::Disk),
        _ => Err("expected `os` or `disk`".to_owned()),
    }
}

pub(crate) fn contact(text: &str) -> Result<String, String> {
    let fits = ["mailto:", "https://", "tel:"].iter().any(|scheme| text.starts_with(scheme))
        && text.is_ascii();
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a mailto:, https: or tel: address".to_owned())
    }
}

pub(crate) fn admin_token(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected printable characters without blanks".to_owned())
    }
}
