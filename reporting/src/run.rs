//! Runs a command: reads, computes, prints, and turns an error into an exit status. It never prints
//! figures after an error.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use jiff::civil::Date;
use reporting::{
    Cursor, Dataset, Error, ExportFolder, ExportOptions, Form, Manifest, OnDay, Rendering,
    UnknownRecords, Whose,
};
use settlement::customers::{CUSTOMERS_OF_A_CLICK, MANY_CUSTOMERS};
use shared::day::Day;
use shared::id::{CampaignId, MerchantId};

use crate::cli::{
    AccountsOf, Audit, Balances, CampaignMonth, Command, Export, Forecast, Input, Statement,
};
use crate::clock::{now, today_utc};
use crate::terminal::Progress;

pub(crate) fn run(command: Command) -> ExitCode {
    let report = match command {
        Command::Export(export) => run_export(&export),
        Command::Statement(statement) => run_statement(&statement),
        Command::Balances(of) => run_balances(&of),
        Command::Payouts(of) => run_payouts(&of),
        Command::Forecast(of) => run_forecast(&of),
        Command::Models(of) => run_models(&of),
        Command::Codes(of) => run_codes(&of),
        Command::Audit(audit) => return run_audit(&audit).unwrap_or_else(|error| fail(&error)),
    };
    match report {
        Ok(report) => print(&report),
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("afterclick-report: {error}");
    ExitCode::from(error.exit_status())
}

/// A reader that stops early, as `head` does, is not a failure.
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
    let dataset = read(&command.input, None)?;
    note_unread(&dataset, None);
    let options = ExportOptions {
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
    match command.campaign {
        Some(campaign) => run_campaign_statement(command, campaign),
        None => run_account_statement(command),
    }
}

fn run_account_statement(command: &Statement) -> Result<String, Error> {
    let mut dataset = read(&command.input, None)?;
    note_unread(&dataset, command.merchant);
    open_secrets(&mut dataset, command)?;
    let whose = Whose { merchant: command.merchant, influencer: command.influencer };
    let on = on_day(command.as_of);
    let statement = reporting::AccountStatement::of(&dataset, whose, command.period()?, on)?;
    if let Some(Some(path)) = &command.lines {
        reporting::write_text(path, &statement.lines_csv())?;
    }
    Ok(statement.write(command.form(), command.has_lines_below()))
}

/// Opens what the journal seals of payees and payers, with the keys of the data folder.
fn open_secrets(dataset: &mut Dataset, command: &Statement) -> Result<(), Error> {
    let keys = command
        .input
        .data()
        .map(|data| live::keys::read(data).map_err(|error| Error::Keys(format!("{error:#}"))));
    if let Some(ring) = keys.transpose()?.flatten() {
        live::open_secrets(&mut dataset.catalog, &ring);
        return Ok(());
    }
    let influencer = command.influencer.and_then(|id| dataset.catalog.influencers.get(&id));
    if influencer.is_some_and(|known| known.sealed.is_some()) {
        eprintln!(
            "note: how the influencer is paid, and what documents say of them, is sealed; --data \
             names the folder with keys.json"
        );
    }
    Ok(())
}

fn run_campaign_statement(command: &Statement, campaign: CampaignId) -> Result<String, Error> {
    let dataset = read_for(&command.input, campaign)?;
    let as_of = match command.as_of {
        Some(day) => day,
        None => reporting::Statement::day_of(&dataset, campaign, now())?,
    };
    let statement = reporting::Statement::of(&dataset, campaign, command.period()?, as_of)?;
    note_remarkable(&statement);
    if let Some(Some(path)) = &command.lines {
        reporting::write_text(path, &statement.lines_csv())?;
    }
    let with_lines = command.has_lines_below();
    Ok(match command.form() {
        Form::Csv => statement.render(Rendering::Csv, with_lines),
        Form::Table => statement.render(Rendering::Table, with_lines),
        form => statement.write(form, with_lines),
    })
}

/// Says of a statement what a person should look at.
fn note_remarkable(statement: &reporting::Statement) {
    if statement.unconfirmed > 0 {
        let count = statement.unconfirmed;
        eprintln!(
            "note: {count} orders are known from the pixel alone; they earn because this \
             merchant trusts it"
        );
    }
    if statement.held > 0 {
        let count = statement.held;
        eprintln!(
            "note: the commission of {count} orders is held and in no payable amount; the table \
             commissions and GET /api/v1/orders say why"
        );
    }
    if statement.many_customers > 0 {
        let count = statement.many_customers;
        eprintln!(
            "note: {count} orders came by clicks that brought orders of more than \
             {CUSTOMERS_OF_A_CLICK} customers; the export labels them `{MANY_CUSTOMERS}`"
        );
    }
}

/// Returns the day that was asked for, else today.
fn on_day(day: Option<Date>) -> OnDay {
    day.map_or_else(|| OnDay::Of(now()), |day| OnDay::Day(Day::of(day)))
}

fn run_balances(command: &Balances) -> Result<String, Error> {
    let dataset = read(&command.of.input, None)?;
    let whose = Whose { merchant: command.of.merchant, influencer: command.of.influencer };
    note_unread(&dataset, whose.merchant);
    let balances = reporting::Balances::of(&dataset, whose, on_day(command.as_of))?;
    Ok(balances.write(command.of.format))
}

fn run_payouts(command: &AccountsOf) -> Result<String, Error> {
    let dataset = read(&command.input, None)?;
    let whose = Whose { merchant: command.merchant, influencer: command.influencer };
    Ok(reporting::Payouts::of(&dataset, whose)?.write(command.format))
}

fn run_forecast(command: &Forecast) -> Result<String, Error> {
    let dataset = read_for(&command.input, command.campaign)?;
    let on = on_day(command.as_of);
    Ok(reporting::Forecast::of(&dataset, command.campaign, on)?.write(command.format))
}

fn run_models(command: &CampaignMonth) -> Result<String, Error> {
    let models = reporting::Models::of(
        &read_for(&command.input, command.campaign)?,
        command.campaign,
        command.period,
    )?;
    Ok(models.render(command.format.into()))
}

fn run_codes(command: &CampaignMonth) -> Result<String, Error> {
    let codes = reporting::Codes::of(
        &read_for(&command.input, command.campaign)?,
        command.campaign,
        command.period,
    )?;
    Ok(codes.render(command.format.into()))
}

/// Findings go to standard error, the summary to standard output.
fn run_audit(command: &Audit) -> Result<ExitCode, Error> {
    let exported = ExportFolder::open(&command.export)?;
    let dataset = read(&command.input, Some(&exported.cursor))?;
    note_unread(&dataset, None);
    exported.check_reach(&dataset.ends)?;
    let progress = Progress::begin("computing");
    let audit = exported.audit(&dataset, &|path| progress.show(path))?;
    drop(progress);
    audit.findings.iter().for_each(|finding| eprintln!("{finding}"));
    let tables: Vec<_> = audit.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    let (files, tables, findings) = (audit.files, tables.join(", "), audit.findings.len());
    let agree = if findings == 0 { "all agree".to_owned() } else { format!("{findings} findings") };
    let printed = print(&format!("{files} files computed again ({tables}): {agree}\n"));
    Ok(if findings == 0 { printed } else { ExitCode::FAILURE })
}

fn read(input: &Input, until: Option<&Cursor>) -> Result<Dataset, Error> {
    let unknown = if input.skip_unknown { UnknownRecords::Skip } else { UnknownRecords::Refuse };
    let progress = Progress::begin("reading records");
    let dataset =
        reporting::read(&input.journal_dirs(), until, unknown, &|records| progress.show(records))?;
    drop(progress);
    if let Some(first) = &dataset.first_unknown {
        eprintln!(
            "note: {} records are not understood and were left out, the first is {first}",
            dataset.unknown_records
        );
    }
    for (stream, seqs) in &dataset.lost {
        eprintln!(
            "note: records {} to {} of stream {stream} are lost; figures are made without them",
            seqs.start(),
            seqs.end()
        );
    }
    Ok(dataset)
}

/// Reads what a report on a campaign is made from. What other merchants' shops sent is not its
/// business.
fn read_for(input: &Input, campaign: CampaignId) -> Result<Dataset, Error> {
    let dataset = read(input, None)?;
    let merchant = dataset.catalog.campaigns.get(&campaign).map(|campaign| campaign.merchant);
    if merchant.is_some() {
        note_unread(&dataset, merchant);
    }
    Ok(dataset)
}

fn note_unread(dataset: &Dataset, of: Option<MerchantId>) {
    match (dataset.unread(of), of) {
        (0, _) => {}
        (count, None) => {
            eprintln!("note: {count} webhooks or postbacks could not be understood so far");
        }
        (count, Some(of)) => {
            eprintln!("note: {count} webhooks or postbacks of {of} could not be understood so far");
        }
    }
}

/// Summarises what the folder holds now: one line for each table, then the cursor.
fn summary(manifest: &Manifest) -> String {
    let mut tables: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for file in &manifest.files {
        let (files, rows) = tables.entry(&file.table).or_default();
        *files += 1;
        *rows += file.rows;
    }
    let lines = tables
        .iter()
        .map(|(table, (files, rows))| format!("{table}: {rows} rows in {files} files\n"));
    lines.chain([format!("cursor: {}\n", manifest.cursor)]).collect()
}
