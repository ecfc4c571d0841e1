//! Texts without the formatting machinery, whose code the pixel cannot afford.

/// Puts texts together.
pub fn join(parts: &[&str]) -> String {
    let mut whole = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        whole.push_str(part);
    }
    whole
}

/// The text up to its first `max` characters.
pub fn first_chars(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        for (text, max, expected) in
            [("", 2, ""), ("ab", 2, "ab"), ("abc", 2, "ab"), ("éèê", 2, "éè"), ("é", 0, "")]
        {
            assert_eq!(first_chars(text, max), expected);
        }
        assert_eq!(join(&["a", "", "bc"]), "abc");
    }
}
