//! Runs a command: reads, computes, prints, and turns an error into an exit status; it never prints figures
//! after an error.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use reporting::{Dataset, Error, Manifest, Options, Unknown};

use crate::cli::{Command, Export, Input, Statement};
use crate::clock::today_utc;
use crate::terminal::Progress;

pub(crate) fn run(command: Command) -> ExitCode {
    let report = match command {
        Command::Export(export) => run_export(&export),
        Command::Statement(statement) => run_statement(&statement),
    };
    match report {
        Ok(report) => print(&report),
        Err(error) => {
            eprintln!("afterclick-report: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// Somebody who stops reading, as `head` does, is no failure.
fn print(report: &str) -> ExitCode {
    match io::stdout().lock().write_all(report.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("afterclick-report: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn run_export(command: &Export) -> Result<String, Error> {
    let dataset = read(&command.input)?;
    let options = Options {
        out: command.out.clone(),
        format: command.format,
        since: command.since.clone(),
        as_of: command.as_of.unwrap_or_else(today_utc),
    };
    let progress = Progress::begin("writing");
    let manifest = reporting::export(&dataset, &options, &|path| progress.show(path))?;
    drop(progress);
    Ok(summary(&manifest))
}

fn run_statement(command: &Statement) -> Result<String, Error> {
    let dataset = read(&command.input)?;
    let as_of = command.as_of.unwrap_or_else(today_utc);
    let statement = reporting::Statement::of(&dataset, command.campaign, command.period, as_of)?;
    if statement.unconfirmed > 0 {
        let count = statement.unconfirmed;
        eprintln!("note: {count} orders are known from the pixel alone, which this merchant trusts");
    }
    Ok(statement.render(command.rendering(), command.lines))
}

fn read(input: &Input) -> Result<Dataset, Error> {
    let unknown = if input.skip_unknown { Unknown::Skip } else { Unknown::Refuse };
    let progress = Progress::begin("reading records");
    let dataset = reporting::read(&input.journal_dirs(), unknown, &|records| progress.show(records))?;
    drop(progress);
    if let Some(first) = &dataset.first_unknown {
        eprintln!("note: {} records are not understood and left out, the first is {first}", dataset.unknown);
    }
    if dataset.unparsed > 0 {
        eprintln!("note: {} webhooks or postbacks could not be understood when they came", dataset.unparsed);
    }
    Ok(dataset)
}

/// What the folder holds now: a line a table, then the cursor.
fn summary(manifest: &Manifest) -> String {
    let mut tables: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for file in &manifest.files {
        let (files, rows) = tables.entry(&file.table).or_default();
        *files += 1;
        *rows += file.rows;
    }
    let lines =
        tables.iter().map(|(table, (files, rows))| format!("{table}: {rows} rows in {files} files\n"));
    lines.chain([format!("cursor: {}\n", manifest.cursor)]).collect()
}
