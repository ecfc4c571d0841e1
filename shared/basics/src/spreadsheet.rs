//! Texts in files that people open in spreadsheets. It never lets a text run as a formula.

use std::borrow::Cow;

// SECURITY: shops, influencers and visitors choose these texts, and merchants open them in
// spreadsheets.
/// Puts an apostrophe before a text that a spreadsheet would run as a formula.
pub fn guard(text: &str) -> Cow<'_, str> {
    if runs(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Returns whether a spreadsheet would run the text as a formula, even if blanks stand before the
/// formula.
pub fn runs(text: &str) -> bool {
    let starts_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let shown = text
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}'));
    let leading = &text[..text.len() - shown.len()];
    shown.starts_with(starts_formula) || leading.contains(['\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_spreadsheet_would_run_gets_an_apostrophe() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\nx",
            "  =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "＝1",
            " \t1",
        ] {
            assert_eq!(guard(formula), format!("'{formula}"), "{formula:?}");
        }
        for plain in ["", "1001", "anna", "a=1", " blank", "'=1", "#1001", "ANNA15"] {
            assert_eq!(guard(plain), plain);
        }
    }
}
