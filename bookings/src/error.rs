//! Why journals cannot be read or settled, each with what to do about it. An error never carries the
//! contents of a record.

use std::io;
use std::path::PathBuf;

use journal::StreamName;
use shared::id::{CampaignId, MerchantId};

/// Why reading or settling failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A journal folder does not exist.
    #[error(
        "there is no journal at {dir}; give the folder that `afterclick serve` writes, \
         <data>/journal"
    )]
    NoJournal {
        /// The folder as it was given.
        dir: PathBuf,
    },
    /// Two journals hold different segments of the same stream: a record's identity would be
    /// ambiguous.
    #[error(
        "{first} and {second} are different segments of the same stream {stream}: two nodes \
         use one name; read them separately, and give each node a data folder of its own"
    )]
    SameStream {
        /// The stream.
        stream: StreamName,
        /// One segment.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The journals hold records that this release does not understand.
    #[error(
        "{count} records are not understood, the first is {first}; use a newer release, or \
         pass --skip-unknown"
    )]
    UnknownRecords {
        /// The number of such records.
        count: u64,
        /// Stream, sequence and reason of the first.
        first: String,
    },
    /// A cursor is invalid.
    #[error(
        "`{text}` is not a cursor; take it from `cursor` in the manifest.json of an earlier export"
    )]
    Cursor {
        /// The beginning of the text that was given.
        text: String,
    },
    /// A cursor stands beyond the end of a stream.
    #[error(
        "the cursor stands at record {position} of stream {stream}, which ends at {last_seq}: \
         this is another journal, or its end was lost; export without --since"
    )]
    CursorAhead {
        /// The stream.
        stream: String,
        /// Where the cursor stands.
        position: u64,
        /// The last record there is.
        last_seq: u64,
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
    /// The catalog does not hold the campaign.
    #[error(
        "campaign {0} is not in these journals; `GET /api/v1/campaigns` lists the ids, and \
         --journal must name the journal it was created in"
    )]
    UnknownCampaign(CampaignId),
    /// The catalog does not hold the merchant of a campaign or of an order.
    #[error(
        "merchant {0} is not in these journals; add the journal it was created in with --journal"
    )]
    UnknownMerchant(MerchantId),
    /// A merchant's time zone is invalid.
    #[error(
        "merchant {merchant}: timezone `{timezone}` is not an IANA time zone such as \
         Europe/Berlin; correct the merchant"
    )]
    TimeZone {
        /// The merchant.
        merchant: MerchantId,
        /// The invalid time zone.
        timezone: String,
    },
    /// A date is outside the range of the calendar.
    #[error(
        "{0} is outside the range of the calendar; check the campaign's hold_days and the period"
    )]
    Calendar(String),
}

impl Error {
    /// Returns a closure for `map_err` that adds the failed action and its path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
