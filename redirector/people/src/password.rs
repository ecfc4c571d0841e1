//! Passwords: argon2id with its default parameters. It never keeps one.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// How many characters a password may have (NIST SP 800-63B, 5.1.1.2, asks for at least eight and
/// for at least 64 to be allowed).
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=200;

/// Returns the hash of a password, with a salt of its own; `None` where the system has no random
/// bits. It takes some hundredths of a second and 19 MiB, on purpose.
pub fn hash(password: &str) -> Option<String> {
    Argon2::default().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

/// Returns whether a password is the one with this hash. Without a hash it takes as long, so that
/// nobody learns who has a password.
pub fn is_right(password: &str, hash: Option<&str>) -> bool {
    let Some(parsed) = hash.and_then(|hash| PasswordHash::new(hash).ok()) else {
        _ = self::hash(password);
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_fits_and_no_two_hashes_are_alike() {
        let (one, other) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other);
        assert!(is_right("correct horse", Some(&one)) && is_right("correct horse", Some(&other)));
        assert!(!is_right("correct Horse", Some(&one)) && !is_right("", Some(&one)));
        assert!(!is_right("correct horse", None) && !is_right("", Some("rubbish")));
    }
}
