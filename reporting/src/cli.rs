//! The command line: every command and its options, checked before anything is read. It never opens
//! a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use reporting::{Cursor, Error, Form, Format, Language, Period, Rendering};
use shared::id::{CampaignId, InfluencerId, MerchantId};

/// Exports, statements and audits from afterclick's journals.
#[derive(Debug, Parser)]
#[command(
    name = "afterclick-report",
    version,
    arg_required_else_help = true,
    after_help = EXIT_STATUS
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 1 failed, 2 wrong usage.";

/// A command with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes every table as Parquet, CSV or NDJSON: clicks, orders, commissions, payouts and others.
    Export(Export),
    /// Prints what was owed, earned and paid in a month or other days: of an influencer over all
    /// campaigns, of a merchant, or of a campaign with what each influencer brought.
    Statement(Box<Statement>),
    /// Prints what every influencer has at every merchant: pending, held, payable, paid.
    Balances(Balances),
    /// Prints the batches of payouts, what became of each line, and what was left out.
    Payouts(AccountsOf),
    /// Prints a campaign's target, what was reached, and what it reaches at its end if it goes on so.
    Forecast(Forecast),
    /// Prints how much each influencer would be credited with under each attribution model.
    Models(CampaignMonth),
    /// Prints a campaign's discount codes, and how many orders used each code without a click on a
    /// link of its owner.
    Codes(CampaignMonth),
    /// Computes an export again from the journals and compares every file. The exit status is 1 if
    /// anything differs.
    Audit(Audit),
}

/// Where the journals are.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// A journal folder. For several nodes, give the option several times.
    #[arg(long, value_name = "DIR")]
    journal: Vec<PathBuf>,
    /// The data folder of `afterclick serve`. Its journal is read when no --journal is given.
    #[arg(long, value_name = "DIR", env = "AFTERCLICK_DATA", required_unless_present = "journal")]
    data: Option<PathBuf>,
    /// Leave out the records that this release does not understand, and print how many there are.
    #[arg(long)]
    pub(crate) skip_unknown: bool,
}

impl Input {
    /// Returns the data folder, where one is given.
    pub(crate) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// Returns the journal folders.
    pub(crate) fn journal_dirs(&self) -> Vec<PathBuf> {
        if self.journal.is_empty() {
            self.data.iter().map(|data| data.join("journal")).collect()
        } else {
            self.journal.clone()
        }
    }
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The folder to write to.
    #[arg(long, value_name = "DIR", value_parser = local_folder)]
    pub(crate) out: PathBuf,
    /// The file format.
    #[arg(long, default_value_t = Format::Parquet, value_name = "parquet|csv|ndjson")]
    pub(crate) format: Format,
    /// Leave out the clicks, sessions and order facts of an earlier export. CURSOR is the `cursor`
    /// in its manifest.json.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) since: Option<Cursor>,
    /// Commissions payable on or before this day are approved [default: today, UTC].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) as_of: Option<Date>,
}

/// `statement`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).multiple(true)))]
pub(crate) struct Statement {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The campaign's id: what each influencer brought and earned in it.
    #[arg(long, value_name = "ID", group = "whose", conflicts_with_all = ["influencer", "merchant"])]
    pub(crate) campaign: Option<CampaignId>,
    /// The influencer's id: what is owed and was paid over all campaigns.
    #[arg(long, value_name = "ID", group = "whose")]
    pub(crate) influencer: Option<InfluencerId>,
    /// The merchant's id: what is owed and was paid to all influencers.
    #[arg(long, value_name = "ID", group = "whose")]
    pub(crate) merchant: Option<MerchantId>,
    /// The month, in the merchant's time zone.
    #[arg(
        long,
        value_name = "YYYY-MM",
        required_unless_present = "from",
        conflicts_with_all = ["from", "to"]
    )]
    period: Option<Period>,
    /// The first day, in the merchant's time zone.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, requires = "to")]
    from: Option<Date>,
    /// The last day.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, requires = "from")]
    to: Option<Date>,
    /// `csv` and `json` are for programs, `table` is for people, `html` is a page for print.
    #[arg(long, default_value_t = Form::Table, value_name = "table|csv|json|html")]
    format: Form,
    /// The language of the page for print.
    #[arg(long, default_value_t = Language::En, value_name = "en|sv|he|ru|lv")]
    language: Language,
    /// Also write every commission: below the statement, or as CSV to a file of its own.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(crate) lines: Option<Option<PathBuf>>,
    /// Commissions payable on or before this day are approved [default: today, by the
    /// merchant's calendar].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) as_of: Option<Date>,
}

impl Statement {
    /// Returns the days of the statement.
    pub(crate) fn period(&self) -> Result<Period, Error> {
        let days = self.from.zip(self.to);
        let days = days.map(|(from, to)| Period::days(from, to).ok_or(Error::Days(from, to)));
        match (self.period, days) {
            (Some(month), _) => Ok(month),
            (None, Some(days)) => days,
            (None, None) => Err(Error::NoDays),
        }
    }

    /// Returns the form, with the language of a page.
    pub(crate) const fn form(&self) -> Form {
        match self.format {
            Form::Html(_) => Form::Html(self.language),
            form => form,
        }
    }

    /// Returns whether the lines stand below the statement.
    pub(crate) const fn has_lines_below(&self) -> bool {
        matches!(self.lines, Some(None))
    }
}

/// `balances` and `payouts`.
#[derive(Debug, Args)]
pub(crate) struct AccountsOf {
    #[command(flatten)]
    pub(crate) input: Input,
    /// Only what this merchant pays.
    #[arg(long, value_name = "ID")]
    pub(crate) merchant: Option<MerchantId>,
    /// Only what this influencer gets.
    #[arg(long, value_name = "ID")]
    pub(crate) influencer: Option<InfluencerId>,
    /// `csv` and `json` are for programs, `table` is for people.
    #[arg(long, default_value_t = Form::Table, value_name = "table|csv|json|html")]
    pub(crate) format: Form,
}

/// `balances`.
#[derive(Debug, Args)]
pub(crate) struct Balances {
    #[command(flatten)]
    pub(crate) of: AccountsOf,
    /// The balances at the end of this day [default: today, by each merchant's calendar].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) as_of: Option<Date>,
}

/// `forecast`.
#[derive(Debug, Args)]
pub(crate) struct Forecast {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The campaign's id.
    #[arg(long, value_name = "ID")]
    pub(crate) campaign: CampaignId,
    /// `csv` and `json` are for programs, `table` is for people.
    #[arg(long, default_value_t = Form::Table, value_name = "table|csv|json|html")]
    pub(crate) format: Form,
    /// The last day that counts [default: today, by the merchant's calendar].
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub(crate) as_of: Option<Date>,
}

/// `models` and `codes`.
#[derive(Debug, Args)]
pub(crate) struct CampaignMonth {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The campaign's id.
    #[arg(long, value_name = "ID")]
    pub(crate) campaign: CampaignId,
    /// The month in which orders were placed, in the merchant's time zone.
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) period: Period,
    /// `csv` is for programs and spreadsheets, `table` is for people.
    #[arg(long, value_enum, default_value_t = Print::Table)]
    pub(crate) format: Print,
}

/// `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) input: Input,
    /// The folder of the export.
    #[arg(value_name = "DIR")]
    pub(crate) export: PathBuf,
}

impl From<Print> for Rendering {
    fn from(print: Print) -> Self {
        match print {
            Print::Csv => Self::Csv,
            Print::Table => Self::Table,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Print {
    Csv,
    Table,
}

/// Reads the command line. A mistake, `--help` and `--version` are printed here, and the exit
/// status is returned.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli.command),
        Err(error) => {
            // --help and --version arrive here too. Printing fails when nobody reads the output.
            let _ = error.print();
            Err(if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS })
        }
    }
}

fn local_folder(text: &str) -> Result<PathBuf, String> {
    if text.contains("://") {
        return Err(
            "only folders can be written to; export to one and upload it, e.g. with `aws s3 sync`"
                .to_owned(),
        );
    }
    Ok(PathBuf::from(text))
}

fn date(text: &str) -> Result<Date, String> {
    let parsed = (text.len() == 10).then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| "expected a day such as 2026-11-30".to_owned())
}
