//! What can go wrong in a report, each with the way out, and the one place that says which exit
//! status it has; it never carries the contents of a record.

use std::io;
use std::path::PathBuf;

use journal::StreamName;
use shared::id::{CampaignId, MerchantId};

/// Why a report failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A journal folder that is not there.
    #[error(
        "there is no journal at {dir}; give the folder that `afterclick serve` writes, <data>/journal"
    )]
    NoJournal {
        /// What was given.
        dir: PathBuf,
    },
    /// Two journals claim the same stream, so that a record's identity would be ambiguous.
    #[error(
        "{first} and {second} are different segments of one stream, {stream}: two nodes have one name; keep \
         them apart, and give each a data folder of its own"
    )]
    SameStream {
        /// The stream.
        stream: StreamName,
        /// One segment.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A journal that cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// Records this program does not understand.
    #[error(
        "{count} records are not understood, the first is {first}; use a newer release, or pass \
         --skip-unknown"
    )]
    Unknown {
        /// How many.
        count: u64,
        /// Stream, sequence and reason of the first.
        first: String,
    },
    /// A text that is no cursor.
    #[error(
        "`{text}` is not a cursor; take it from `cursor` in the manifest.json of an earlier export"
    )]
    Cursor {
        /// What was given.
        text: String,
    },
    /// A cursor that has seen more than there is.
    #[error(
        "the cursor stands at record {position} of stream {stream}, which ends at {last_seq}: this is \
         another journal, or its end was lost; export without --since"
    )]
    CursorAhead {
        /// The stream.
        stream: String,
        /// Where the cursor stands.
        position: u64,
        /// The last record there is.
        last_seq: u64,
    },
    /// An incremental export that does not continue what the folder holds.
    #[error(
        "{out} {reason}; export into an empty folder, or without --since to write everything anew"
    )]
    Discontinuous {
        /// The folder.
        out: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Another export is writing there.
    #[error("another export is writing to {out}; wait for it, or choose another folder")]
    Busy {
        /// The folder.
        out: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error(
        "{path} is not a manifest of afterclick-report: {source}; restore it, or export into an empty folder"
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A folder without an export.
    #[error(
        "{dir} holds no manifest.json; give the folder that `afterclick-report export --out` wrote"
    )]
    NoExport {
        /// What was given.
        dir: PathBuf,
    },
    /// A manifest with a value that no export writes.
    #[error(
        "{path}: {field} is `{text}`, which no export writes; restore the file, or export anew"
    )]
    ManifestField {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        text: String,
    },
    /// Journals that hold less than an export had read.
    #[error(
        "the export had read stream {stream} up to record {exported}, these journals have {found}; give every \
         journal folder the export was made from with --journal, and run `afterclick verify` on it"
    )]
    Unreached {
        /// The stream.
        stream: String,
        /// How far the export had read.
        exported: u64,
        /// How far the journals reach.
        found: u64,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}; check free space and permissions")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A sheet could not be encoded.
    #[error("cannot encode {path}: {reason}; this is a fault of afterclick, please report it")]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        reason: String,
    },
    /// A campaign that is not in the catalog.
    #[error(
        "campaign {0} is not in these journals; `GET /api/v1/campaigns` lists the ids, and --journal must \
             name the journal it was created in"
    )]
    UnknownCampaign(CampaignId),
    /// A campaign whose merchant is not in the catalog.
    #[error(
        "merchant {0} is not in these journals; add the journal it was created in with --journal"
    )]
    UnknownMerchant(MerchantId),
    /// A time zone nobody knows.
    #[error(
        "merchant {merchant}: timezone `{timezone}` is not an IANA zone such as Europe/Berlin; correct \
         the merchant"
    )]
    TimeZone {
        /// Whose.
        merchant: MerchantId,
        /// What is written there.
        timezone: String,
    },
    /// A date outside of what a calendar holds.
    #[error("{0} is beyond the calendar; check the campaign's hold_days and the period")]
    Calendar(String),
}

impl Error {
    /// Returns the exit status of the process: 1 failed, 2 wrong usage.
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Cursor { .. } => 2,
            _ => 1,
        }
    }

    /// Returns a closure for `map_err` that says what was tried and on which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
