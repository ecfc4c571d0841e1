//! Every error of this crate, each with what to do about it, and its exit status. An error never
//! carries the contents of a record.

use std::io;
use std::path::PathBuf;

use jiff::civil::Date;
use shared::id::InfluencerId;

/// Why reading, computing or writing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Journals cannot be read or settled.
    #[error(transparent)]
    Bookings(#[from] bookings::Error),
    /// The key file beside the journal is damaged.
    #[error("{0}; restore it from a copy")]
    Keys(String),
    /// An incremental export does not continue what the folder holds.
    #[error(
        "{out} {reason}; export into an empty folder, or without --since to write everything again"
    )]
    Discontinuous {
        /// The folder.
        out: PathBuf,
        /// Why it does not continue, as the rest of a sentence that begins with the folder.
        reason: String,
    },
    /// Another export holds the folder's lock.
    #[error("another export is writing to {out}; wait for it, or choose another folder")]
    Busy {
        /// The folder.
        out: PathBuf,
    },
    /// A manifest is not valid JSON, or not a manifest.
    #[error(
        "{path} is not a manifest of afterclick-report: {source}; restore it, or export into \
         an empty folder"
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The parser's answer.
        source: serde_json::Error,
    },
    /// A folder holds no export.
    #[error(
        "{dir} holds no manifest.json; give the folder that `afterclick-report export --out` wrote"
    )]
    NoExport {
        /// The folder as it was given.
        dir: PathBuf,
    },
    /// A field of a manifest is invalid.
    #[error("{path}: {field} `{text}` is invalid; restore the file, or export again")]
    ManifestField {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        text: String,
    },
    /// The journals end before the place up to which an export had read them.
    #[error(
        "the export had read stream {stream} up to record {exported}, these journals end at \
         {found}; give every journal folder of the export with --journal, and run `afterclick \
         verify` on each"
    )]
    Unreached {
        /// The stream.
        stream: String,
        /// The last record that the export had read.
        exported: u64,
        /// The last record that the journals hold.
        found: u64,
    },
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {path}: {source}; check free space and permissions")]
    Io {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A table could not be encoded.
    #[error("cannot encode {path}: {reason}; this is a bug in afterclick, please report it")]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's answer.
        reason: String,
    },
    /// The amounts of an influencer's line add up to more than an amount can be.
    #[error(
        "influencer {0}: the amounts add up to more than 9,223,372,036,854,775,807 minor units; look \
         for orders with absurd amounts in the exported table order_facts"
    )]
    Sum(InfluencerId),
    /// The amounts of an account add up to more than an amount can be.
    #[error(transparent)]
    Account(#[from] accounts::TooLarge),
    /// The catalog does not hold the influencer.
    #[error(
        "influencer {0} is not in these journals; `GET /api/v1/influencers` lists the ids, and \
         --journal must name the journal in which they were created"
    )]
    UnknownInfluencer(InfluencerId),
    /// The first day of a period comes after the last one.
    #[error("--from {0} comes after --to {1}; exchange them")]
    Days(Date, Date),
    /// Nobody said which days are meant.
    #[error("give --period, or --from and --to")]
    NoDays,
}

impl Error {
    /// Returns the exit status of the process: 1 failed, 2 wrong usage.
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Bookings(bookings::Error::Cursor { .. }) | Self::Days(..) | Self::NoDays => 2,
            _ => 1,
        }
    }

    /// Returns a closure for `map_err` that adds the failed action and its path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
