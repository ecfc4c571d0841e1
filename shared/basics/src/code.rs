//! Discount codes: the one form in which they are compared, and the spelling that is kept.
//!
//! Shops, mail programs and phones spell one code in many ways. Catalog and journal hold codes as
//! they were given; only comparisons fold them. Never decides who owns a code.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The most bytes of a discount code.
pub const CODE_BYTES_MAX: usize = 128;

/// Returns the form in which discount codes are compared.
///
/// These spellings are one code: any case, also by the rules of Turkish and of final sigmas;
/// composed and decomposed letters, full-width ones, ß and SS; entities of HTML, also when they
/// were written twice; every kind of hyphen and quotation mark; with and without characters that
/// nobody sees; any number of blanks between two words.
pub fn fold_code(code: &str) -> String {
    if code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return code.to_ascii_lowercase();
    }
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(code);
    let seen: String = composed.chars().filter_map(sign).collect();
    let written: String = without_entities(&seen).chars().filter_map(sign).collect();
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let letters: String = normalizer.normalize(&written).chars().flat_map(fold_letter).collect();
    // What is left of a capital İ.
    let letters = letters.replace("i\u{307}", "i");
    let words: Vec<&str> = letters.split_whitespace().collect();
    normalizer.normalize(&words.join(" ")).into_owned()
}

/// Returns a code as it is kept: without outer blanks and without characters that nobody sees. Those
/// that join or vary signs stay, since people see what they do.
pub fn kept_code(code: &str) -> String {
    let outer = |c: char| c.is_whitespace() || is_invisible(c);
    let shapes = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    code.trim_matches(outer).chars().filter(|&c| shapes(c) || !is_invisible(c)).collect()
}

/// Returns whether nobody sees the character, and texts that were copied bring it along: zero-width
/// characters, soft hyphens, byte order marks, directions, variation selectors and fillers.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// Returns the plain sign for one that looks like it; nothing for one that nobody sees.
const fn sign(c: char) -> Option<char> {
    match c {
        c if is_invisible(c) => None,
        '\u{58a}'
        | '\u{5be}'
        | '\u{2d7}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{fe58}'
        | '\u{fe63}'
        | '\u{ff0d}' => Some('-'),
        '`'
        | '\u{b4}'
        | '\u{2b9}'
        | '\u{2bc}'
        | '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{ff07}'
        | '\u{ff40}' => Some('\''),
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{ff02}' => Some('"'),
        c => Some(c),
    }
}

/// Returns a letter without case. A letter goes down, up and down again: ẞ, ß and SS meet only in
/// upper case, and so do ı and i, ς and σ, ſ and s.
fn fold_letter(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// The most bytes of an entity's name. Longer ones stay as they are.
const ENTITY_BYTES_MAX: usize = 8;

/// Returns a text with its HTML entities decoded, also those that are hidden in others, as in
/// `&amp;amp;`. An entity is shorter when it is decoded, so each byte is looked at a few times only.
fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(c);
        while out.ends_with(';')
            && let Some((start, decoded)) = last_entity(&out)
        {
            out.truncate(start);
            out.push_str(&decoded);
        }
    }
    out
}

/// Returns where the entity begins with which the text ends, and what it stands for.
fn last_entity(text: &str) -> Option<(usize, String)> {
    let name_end = text.len() - 1;
    let tail = text.as_bytes()[..name_end].iter().rev().take(ENTITY_BYTES_MAX + 1);
    let back = tail.take_while(|b| b.is_ascii()).position(|b| *b == b'&')?;
    let start = name_end - 1 - back;
    let name = text[start + 1..name_end].to_ascii_lowercase();
    Some((start, decoded(&name)?))
}

/// Returns what the entity with this name in lower case stands for.
fn decoded(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(number.ok()?).map(String::from);
    }
    if let Some((_, sign)) = NAMED.iter().find(|(named, _)| *named == name) {
        return Some((*sign).to_owned());
    }
    // `auml` is an a with the mark `uml`.
    let (letter, mark) = name.split_at_checked(1)?;
    let (_, mark) = MARKS.iter().find(|(named, _)| *named == mark)?;
    letter.bytes().all(|b| b.is_ascii_lowercase()).then(|| format!("{letter}{mark}"))
}

/// Entities that shops write, beside letters with marks.
const NAMED: [(&str, &str); 19] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("shy", ""),
    ("zwj", ""),
    ("zwnj", ""),
    ("ndash", "-"),
    ("mdash", "-"),
    ("minus", "-"),
    ("lsquo", "'"),
    ("rsquo", "'"),
    ("ldquo", "\""),
    ("rdquo", "\""),
    ("szlig", "ß"),
    ("oslash", "ø"),
    ("aelig", "æ"),
];

/// The names of marks in entities, each with its combining character.
const MARKS: [(&str, char); 8] = [
    ("uml", '\u{308}'),
    ("acute", '\u{301}'),
    ("grave", '\u{300}'),
    ("circ", '\u{302}'),
    ("tilde", '\u{303}'),
    ("ring", '\u{30a}'),
    ("cedil", '\u{327}'),
    ("caron", '\u{30c}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_code_fold_to_one() {
        for (code, spellings) in [
            ("TOM&ANNA", &["tom&amp;anna", "TOM&AMP;ANNA", "Tom&#38;Anna", "tom&#038;anna"][..]),
            ("TOM&ANNA", &["tom&amp;amp;anna", "tom&#x26;anna", "tom\u{ff06}anna", " Tom&Anna "]),
            ("ÄNNA15", &["a\u{308}nna15", "A\u{308}NNA15", "&Auml;nna15", "&AUML;NNA15"]),
            ("STRASSE", &["straße", "STRAẞE", "stra&szlig;e", "ſtraſſe"]),
            ("ZWSP15\u{200b}", &["zwsp15", "\u{feff}ZWSP15", "ZW\u{ad}SP15", "zwsp15\u{200e}"]),
            ("ANNA-15", &["anna–15", "ANNA—15", "anna\u{2011}15", "anna\u{2212}15", "anna－15"]),
            ("ANNA-15", &["anna&#8211;15", "anna&ndash;15", "anna\u{2010}15"]),
            ("ANNA'S", &["anna’s", "anna&#039;s", "anna&rsquo;s", "ANNA´S", "anna`s"]),
            ("INDIRIM15", &["indirim15", "ındırım15", "İNDİRİM15", "i\u{307}ndi\u{307}rim15"]),
            ("ΑΝΝΑΣ", &["αννας", "αννασ", "ΑΝΝΑς"]),
            ("ＡＮＮＡ１５", &["anna15", "Anna15"]),
            ("ANNA 15", &["anna\u{a0}15", "anna  15", "anna&nbsp;15", "anna\u{3000}15"]),
        ] {
            for spelling in spellings {
                assert_eq!(fold_code(spelling), fold_code(code), "{spelling:?} is {code:?}");
            }
        }
    }

    #[test]
    fn different_codes_stay_different() {
        for (one, other) in [
            ("ANNA15", "ANNA-15"),
            ("ANNA-15", "ANNA_15"),
            ("ANNA", "ÄNNA"),
            ("TOM&ANNA", "TOMANNA"),
            ("ANNA15", "ANNA 15"),
            ("TOM&X;", "TOM"),
            ("A&quotient;", "A\""),
        ] {
            assert_ne!(fold_code(one), fold_code(other), "{one} is not {other}");
        }
    }

    #[test]
    fn what_looks_like_an_entity_and_is_none_stays() {
        for code in ["&;", ";", "&#;", "&#x110000;", "&#xd800;", "&ä;", "x&yuml2;", "&longer_name;"]
        {
            assert_eq!(fold_code(code), code.to_lowercase(), "{code}");
        }
    }

    #[test]
    fn a_kept_code_has_nothing_that_nobody_sees() {
        for (given, kept) in [
            (" ZWSP15\u{200b} ", "ZWSP15"),
            ("\u{feff}Änna\u{ad}15", "Änna15"),
            ("\u{200b}\u{2060}", ""),
            ("👩\u{200d}💻15", "👩\u{200d}💻15"),
        ] {
            assert_eq!(kept_code(given), kept);
            assert_eq!(fold_code(kept), fold_code(given));
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_folds_the_same_in_either_case_and_form(text in "[\\PC&;#a-zäßİıσς\u{308}]{0,24}") {
            let folded = fold_code(&text);
            let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd();
            proptest::prop_assert_eq!(fold_code(&decomposed.normalize(&text)), &folded[..]);
            proptest::prop_assert_eq!(fold_code(&kept_code(&text)), &folded[..]);
        }
    }
}
