//! The configuration file. Beyond no panic: it is read the same way twice, a list has the text that a
//! flag would have, and no mistake shows what stands in the file, which may be a secret.
//!
//! A `#SECRET#` in the bytes stands for the secret.

#[path = "../../../redirector/src/config/file.rs"]
#[allow(dead_code, reason = "the binary reads the file itself")]
mod file;

const SECRET: &str = "sesame-8f2b7c";

pub(crate) fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace("#SECRET#", SECRET);
    let read = file::parse(&text);
    // Not by `==`: TOML has a number that is not equal to itself.
    assert_eq!(format!("{read:?}"), format!("{:?}", file::parse(&text)));
    match read {
        Ok(table) => table.values().for_each(check_text),
        Err((line, why)) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&line), "line {line}");
            assert!(!why.contains(SECRET), "a mistake shows a secret: {why}");
            assert!(!why.is_empty());
        }
    }
}

fn check_text(value: &toml::Value) {
    let text = file::text_of(value);
    match value {
        toml::Value::String(string) => assert_eq!(*string, text),
        toml::Value::Array(values) => {
            let parts: Vec<String> = values.iter().map(file::text_of).collect();
            assert_eq!(parts.join(","), text);
            values.iter().for_each(check_text);
        }
        _ => {}
    }
}
