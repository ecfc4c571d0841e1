//! Exports as other engines read them: pyarrow and DuckDB, which share no code with this crate.
//!
//! Needs a Python that has both (`pip install pyarrow duckdb`): the one in
//! `AFTERCLICK_TEST_PYTHON`, else `python3`. Without it the test says so and passes, because a
//! laptop may not have it; `scripts/test` installs it.

#![allow(clippy::unwrap_used, reason = "a test may fail by it, helpers included")]

#[path = "it/support/mod.rs"]
mod support;

use std::process::Command;

use reporting::Format;

#[test]
fn pyarrow_and_duckdb_read_the_same_figures_from_every_format() {
    let python = std::env::var("AFTERCLICK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !Command::new(&python)
        .args(["-c", "import pyarrow, duckdb"])
        .output()
        .is_ok_and(|found| found.status.success())
    {
        eprintln!("SKIPPED independent_readers: {python} has no pyarrow and duckdb");
        return;
    }
    let world = support::busy();
    for format in Format::ALL {
        world.export(format.as_str(), format, None);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent_readers.py");
    let output = Command::new(&python).arg(script).arg(world.path("")).output().unwrap();
    assert!(output.status.success(), "{}", support::stderr_of(&output));
    assert_eq!(support::stdout_of(&output), "3 formats, 5 tables, same figures\n");
}
