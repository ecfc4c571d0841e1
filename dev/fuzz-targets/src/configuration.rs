//! The configuration file. Beyond no panic: it is read the same way twice, each key is used or named
//! as a mistake, and no mistake shows a secret, not even one in a file that is no TOML.
//!
//! A `#SECRET#` in the bytes stands for the secret.

use std::io::Write;

#[path = "../../../redirector/src/config/sources.rs"]
#[allow(dead_code, unreachable_pub, reason = "the binary uses the rest of it")]
mod sources;

use sources::{Setting, Sources};

const SECRET: &str = "sesame-8f2b7c";

pub(crate) fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace("#SECRET#", SECRET);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
    let path = file.path().to_str().expect("a plain name").to_owned();
    let read = || {
        let mut sources = Sources::load(Some(&path));
        let listen = sources.read("listen", &None, |text| {
            text.parse::<std::net::SocketAddr>().map_err(|_| "expected an address".to_owned())
        });
        let token = sources.read_shown("admin_token", &None, token, |_| "…".to_owned());
        (listen, token, sources.finish())
    };
    let (listen, token, mistakes) = read();
    assert_eq!((&listen, &token, &mistakes), (&read().0, &read().1, &read().2));
    let is_wrong = listen == Setting::Invalid || token == Setting::Invalid;
    assert!(!is_wrong || !mistakes.is_empty(), "a mistake that is not told");
    if let Ok(table) = text.parse::<toml::Table>() {
        let unknown = table.keys().filter(|key| !["listen", "admin_token"].contains(&key.as_str()));
        assert!(mistakes.len() >= unknown.count(), "a key that is neither used nor named");
        // A secret that stands where a name belongs cannot be told from a name.
        if table.keys().any(|key| key.contains(SECRET)) || shows_by_right(&table) {
            return;
        }
    }
    for mistake in &mistakes {
        assert!(!mistake.contains(SECRET), "a mistake shows a secret: {mistake}");
    }
}

/// Returns whether the secret stands in a setting that is none.
fn shows_by_right(table: &toml::Table) -> bool {
    table.iter().any(|(key, value)| key != "admin_token" && value.to_string().contains(SECRET))
}

fn token(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok(text.to_owned()) } else { Err("expected printable characters".to_owned()) }
}
