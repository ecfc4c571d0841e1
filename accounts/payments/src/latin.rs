//! Texts in SEPA's character set: EPC217-08, "SEPA Requirements for an Extended Character Set".
//! Latin letters are written as banks write them. It never guesses how other scripts are spelled.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use sepa::charset::{Transliteration, is_sepa_char, transliterate};

/// Returns a text in SEPA's character set, trimmed.
///
/// # Errors
/// The first character that has no spelling there.
pub(crate) fn spell(text: &str, style: Transliteration) -> Result<String, char> {
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
    let mut spelled = String::with_capacity(composed.len());
    for c in composed.chars() {
        spelled.push_str(&spell_one(c, style).ok_or(c)?);
    }
    Ok(spelled)
}

/// Returns how banks of a country spell umlauts: as two letters where German is written.
pub(crate) fn style_of(country: &str) -> Transliteration {
    match country {
        "AT" | "CH" | "DE" | "LI" => Transliteration::German,
        _ => Transliteration::Epc,
    }
}

fn spell_one(c: char, style: Transliteration) -> Option<String> {
    let by_table = || transliterate(c.encode_utf8(&mut [0; 4]), style).into_owned();
    if is_sepa_char(c) {
        return Some(c.into());
    }
    match c {
        // No table has them: letters of the Sámi languages and of Azerbaijani.
        'Ŋ' => Some("N".into()),
        'ŋ' => Some("n".into()),
        'Ə' => Some("E".into()),
        'ə' => Some("e".into()),
        '\u{a0}' | '\u{202f}' => Some(" ".into()),
        '‐' | '‑' | '–' | '—' => Some("-".into()),
        '‘' | '’' | '“' | '”' | '„' => Some("'".into()),
        '!'..='~' | '€' => Some(by_table()),
        '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => {
            Some(by_table()).filter(|spelled| is_word(spelled)).or_else(|| base_letter(c))
        }
        _ => None,
    }
}

/// Returns a letter without its marks, where only an ASCII letter is left.
fn base_letter(c: char) -> Option<String> {
    let marks = |c: &char| !matches!(c, '\u{300}'..='\u{36f}');
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize_iter(std::iter::once(c));
    let base: String = decomposed.filter(marks).collect();
    Some(base).filter(|base| is_word(base))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_letters_are_written_as_banks_write_them() {
        for (text, german, table) in [
            ("Åse Šimůnková", "Ase Simunkova", "Ase Simunkova"),
            ("Kārlis Ļubļinskis", "Karlis Lublinskis", "Karlis Lublinskis"),
            ("Jörg Müßig", "Joerg Muessig", "Jorg Musig"),
            ("GROẞE ÜBEL", "GROSSE UeBEL", "GROSE UBEL"),
            ("Łukasz Żółć", "Lukasz Zolc", "Lukasz Zolc"),
            ("Þóra Æ. Øster", "Tora A. Oster", "Tora A. Oster"),
            ("Nguyễn Thị Ngọc", "Nguyen Thi Ngoc", "Nguyen Thi Ngoc"),
            ("Ștefan Țepeș", "Stefan Tepes", "Stefan Tepes"),
            ("Áŋŋel Əli", "Annel Eli", "Annel Eli"),
            ("Jose\u{301}", "Jose", "Jose"),
            ("  Anna\u{a0}K.  ", "Anna K.", "Anna K."),
            ("O’Neil – “A & B_C”", "O'Neil - 'A + B-C'", "O'Neil - 'A + B-C'"),
            ("50% @ 3 €", "50. . 3 E", "50. . 3 E"),
            ("1/2 (a): b? +c", "1/2 (a): b? +c", "1/2 (a): b? +c"),
        ] {
            assert_eq!(spell(text, style_of("DE")).unwrap(), german);
            assert_eq!(spell(text, style_of("SE")).unwrap(), table);
        }
    }

    #[test]
    fn what_has_no_latin_spelling_is_named() {
        for (text, first) in [
            ("Anna שרה", 'ש'),
            ("Олена", 'О'),
            ("Ελένη", 'Ε'),
            ("李", '李'),
            ("Anna 🎉", '🎉'),
            ("An\u{200b}na", '\u{200b}'),
            ("An\u{202e}na", '\u{202e}'),
            ("An\nna", '\n'),
            ("ǃXóõ", 'ǃ'),
        ] {
            assert_eq!(spell(text, Transliteration::Epc), Err(first), "{text}");
        }
    }
}
