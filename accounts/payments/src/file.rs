//! What a payment file is made of, and what comes out. It decides nothing.

use std::fmt;

use basics::money::{Currency, Money};
use basics::payee::{self, Payee, Payer};
use jiff::civil::Date;

/// What is to be paid in one file: one currency, one payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The id of the payout batch. A bank refuses a second file with the same id.
    pub batch: String,
    /// The number of the batch, for the file's name.
    pub number: u64,
    /// The currency of all transfers.
    pub currency: Currency,
    /// The day on which the batch was made.
    pub made_on: Date,
    /// The day on which the payer's bank is to pay.
    pub pay_on: Date,
    /// Who pays. SEPA needs one; the others do without.
    pub payer: Option<Payer>,
    /// The transfers, in the order of the file.
    pub transfers: Vec<Transfer>,
}

/// One payment to one payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The id of the payout's line, once in a file. It comes back in bank statements.
    pub id: String,
    /// The payee's name where the payee has no legal name.
    pub name: String,
    /// Who is paid.
    pub payee: Payee,
    /// The amount, above zero, in the job's currency.
    pub amount: Money,
    /// The text that the payee reads.
    pub reference: String,
}

/// A format of payment files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// SEPA credit transfers, ISO 20022 pain.001.001.09 with structured addresses; EUR alone.
    Sepa,
    /// PayPal's Payouts, as CSV.
    Paypal,
    /// Wise's batch payments, as CSV.
    Wise,
    /// A CSV for any bank, with a header.
    Plain,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Sepa, Self::Paypal, Self::Wise, Self::Plain];

    /// Returns the format's name: `sepa`, `paypal`, `wise` or `plain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sepa => "sepa",
            Self::Paypal => "paypal",
            Self::Wise => "wise",
            Self::Plain => "plain",
        }
    }

    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Sepa => "xml",
            Self::Paypal | Self::Wise | Self::Plain => "csv",
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Sepa => "application/xml",
            Self::Paypal | Self::Wise | Self::Plain => "text/csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A payment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file's name, such as `payout-7-EUR-sepa.xml`.
    pub name: String,
    /// The media type, such as `application/xml`.
    pub media_type: &'static str,
    /// The content, in UTF-8.
    pub text: String,
    /// The number of transfers.
    pub count: usize,
    /// The sum of all amounts.
    pub control_sum: Money,
}

/// Where in a job a mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In what all transfers share: batch, currency, payer.
    Job,
    /// In one transfer.
    Line {
        /// Its place in the file, from 1.
        number: usize,
        /// Its id, at most 40 characters.
        id: String,
    },
}

/// One reason why there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// Field, value, what is wrong and the way out.
    pub mistake: payee::Mistake,
}

impl fmt::Display for Mistake {
    /// One line: ``line 3 (pay_7): name: `שרה` contains …: …``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Job => self.mistake.fmt(f),
            Place::Line { number, id } => write!(f, "line {number} ({id}): {}", self.mistake),
        }
    }
}

impl std::error::Error for Mistake {}
