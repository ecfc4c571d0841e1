//! A document as a page for print: one file, in one of the languages. It has no script and asks for
//! nothing from elsewhere; what others wrote is text and never markup.

use std::fmt::Write;

use crate::write::document::{Document, Table};
use crate::write::print::Cell;
use crate::write::words::{Language, word};

/// Columns that programs need and people do not: a name stands beside each.
const IDS: [&str; 6] =
    ["merchant_id", "influencer_id", "campaign_id", "commission_id", "order_id", "booked_at"];

const STYLE: &str = "\
body{font:14px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#111;\
background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:#444}dd{margin:0}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\
th,td{padding:.3rem .6rem;border-bottom:1px solid #bbb;text-align:start;vertical-align:top}\
.number{text-align:end;white-space:nowrap;font-variant-numeric:tabular-nums}\
@media print{body{margin:0;max-width:none}thead{display:table-header-group}\
tr{break-inside:avoid}.wide{overflow:visible}}";

/// Writes the page.
pub(crate) fn page(document: &Document, with_lines: bool, language: Language) -> String {
    let title = word(document.title, language);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\" dir=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<dl>\n",
        language.as_str(),
        language.direction(),
    );
    for (key, value) in &document.facts {
        if !value.as_str().is_empty() {
            let (key, value) = (word(key, language), cell(value, language));
            let _ = writeln!(page, "<dt>{key}</dt><dd>{value}</dd>");
        }
    }
    page.push_str("</dl>\n");
    for table in document.tables(with_lines).filter(|table| !table.block.rows().is_empty()) {
        write_table(&mut page, table, language);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn write_table(page: &mut String, table: &Table, language: Language) {
    let name = word(table.name, language);
    let _ = write!(page, "<h2>{name}</h2>\n<div class=\"wide\">\n<table>\n<thead><tr>");
    let header = table.block.header();
    let shown: Vec<usize> = (0..header.len()).filter(|at| !IDS.contains(&header[*at])).collect();
    let first = table.block.rows().first();
    for &at in &shown {
        let class = first.map_or("", |row| class_of(&row[at]));
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", word(header[at], language));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in table.block.rows() {
        page.push_str("<tr>");
        for &at in &shown {
            let _ = write!(page, "<td{}>{}</td>", class_of(&row[at]), cell(&row[at], language));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

const fn class_of(cell: &Cell) -> &'static str {
    match cell {
        Cell::Number(_) => " class=\"number\"",
        Cell::Id(_) | Cell::Text(_) | Cell::Word(_) => "",
    }
}

fn cell(cell: &Cell, language: Language) -> String {
    match cell {
        Cell::Word(key) => word(key, language).to_owned(),
        // A name in another script must not turn the line around; nor may a number in Hebrew.
        Cell::Text(text) => format!("<bdi>{}</bdi>", escaped(text)),
        Cell::Id(text) | Cell::Number(text) => format!("<bdi dir=\"ltr\">{}</bdi>", escaped(text)),
    }
}

// SECURITY: names and notes come from outside, and the page is opened in a browser.
/// Returns a text as HTML shows it, with control characters replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
