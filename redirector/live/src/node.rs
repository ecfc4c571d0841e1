//! The node's name. It is part of every stream's name, so that the streams of several nodes can be
//! read together.
//!
//! A record's identity is its stream and its sequence number. So two nodes must never write streams
//! with the same name.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::RngExt;

const CHARACTERS: usize = 8;
const ALPHABET: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Returns the name in `<data>/node`. If there is no file yet, chooses a name at random and writes
/// it.
///
/// # Errors
/// When the file cannot be read or written, or does not hold a node's name.
pub fn name(data: &Path) -> Result<String> {
    let path = data.join("node");
    let named = || -> Result<String> {
        if !path.exists() {
            let mut random = rand::rng();
            let pick = |_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
            let name: String = (0..CHARACTERS).map(pick).collect();
            std::fs::write(&path, name)?;
        }
        let name = std::fs::read_to_string(&path)?.trim().to_owned();
        let fits = name.len() == CHARACTERS && name.bytes().all(|b| ALPHABET.contains(&b));
        ensure!(fits, "expected {CHARACTERS} base32 characters");
        Ok(name)
    };
    named().with_context(|| format!("the node's name in {}", path.display()))
}
