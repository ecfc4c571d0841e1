//! Reads journals into a [`Dataset`]. It never writes to a journal, never takes a journal's lock,
//! and never skips damage.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use journal::{Reader, StreamName};
use shared::record::Record;
use tempfile::TempDir;

use crate::error::Error;
use crate::read::cursor::Cursor;
use crate::read::dataset::Dataset;
use crate::read::facts::Recorded;

/// What to do with records that this release does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownRecords {
    /// Fail, because figures without them could be wrong.
    Refuse,
    /// Count them and leave them out.
    Skip,
}

/// How many records are read between two calls of `progress`.
const PROGRESS_STEP: u64 = 1 << 16;

/// How many bytes of two files are compared at once.
const COMPARED_AT_ONCE: u64 = 1 << 20;

/// Reads every stream of every journal folder, up to its present end or up to `until`.
///
/// `progress` is called from time to time with the number of records read. The order of the folders
/// does not matter.
///
/// # Errors
/// When a folder is missing, a stream name is used twice, a journal is damaged, or a record is not
/// understood and `unknown` says [`UnknownRecords::Refuse`].
pub fn read(
    journal_dirs: &[PathBuf],
    until: Option<&Cursor>,
    unknown: UnknownRecords,
    progress: &dyn Fn(u64),
) -> Result<Dataset, Error> {
    let mut dataset = Dataset::default();
    let mut records = 0;
    for (stream, Found { dirs, known_seq }) in streams(journal_dirs)? {
        let source = StreamSource::of(&stream, &dirs)?;
        let mut reader = Reader::open(source.dir(), &stream, 0)?;
        let mut stopped_at = None;
        while let Some(record) = reader.next()? {
            if let Some(until) = until.filter(|until| until.is_before(stream.as_str(), record.seq))
            {
                stopped_at = Some(until.position(stream.as_str()));
                break;
            }
            add_record(&mut dataset, &stream, record);
            records += 1;
            if records % PROGRESS_STEP == 0 {
                progress(records);
            }
        }
        if stopped_at.is_none() {
            reader.must_have_reached(known_seq)?;
        }
        let end = stopped_at.unwrap_or(reader.position());
        let lost = reader.lost().iter().filter(|seqs| *seqs.start() <= end);
        dataset.lost.extend(lost.map(|seqs| (stream.clone(), seqs.clone())));
        dataset.ends.insert(stream, end);
    }
    progress(records);
    match &dataset.first_unknown {
        Some(first) if unknown == UnknownRecords::Refuse => {
            Err(Error::UnknownRecords { count: dataset.unknown_records, first: first.clone() })
        }
        _ => Ok(dataset),
    }
}

/// Where a stream is.
#[derive(Default)]
struct Found {
    /// The folders of journals that hold segments of it.
    dirs: Vec<PathBuf>,
    /// The last record that one of them knows to be on disk.
    known_seq: u64,
}

/// Lists the streams of all folders. A folder that is given twice is read once.
fn streams(journal_dirs: &[PathBuf]) -> Result<BTreeMap<StreamName, Found>, Error> {
    let mut found: BTreeMap<StreamName, Found> = BTreeMap::new();
    for given in journal_dirs {
        let dir = existing(given)?;
        for (stream, known_seq) in journal::known_streams(&dir)? {
            let of_stream = found.entry(stream).or_default();
            of_stream.known_seq = of_stream.known_seq.max(known_seq);
            if !of_stream.dirs.contains(&dir) {
                of_stream.dirs.push(dir.clone());
            }
        }
    }
    Ok(found)
}

/// The folder to read a stream from: the only one that holds it, or, when several folders hold
/// segments of it, a temporary one with links to all segments.
enum StreamSource {
    Folder(PathBuf),
    Links(TempDir),
}

impl StreamSource {
    /// # Errors
    /// [`Error::SameStream`] when two folders hold different segments of the same name: they belong
    /// to two streams.
    fn of(stream: &StreamName, dirs: &[PathBuf]) -> Result<Self, Error> {
        if let [only] = dirs {
            return Ok(Self::Folder(only.clone()));
        }
        let links =
            tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let folder = links.path().join(stream.as_str());
        fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        let mut owners: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for dir in dirs {
            for segment in segments(&dir.join(stream.as_str()))? {
                let name = segment.file_name().unwrap_or_default().to_owned();
                match owners.entry(name) {
                    Entry::Vacant(free) => _ = free.insert(segment),
                    Entry::Occupied(taken) if is_same(taken.get(), &segment)? => {}
                    Entry::Occupied(taken) => {
                        let (stream, first) = (stream.clone(), taken.get().clone());
                        return Err(Error::SameStream { stream, first, second: segment });
                    }
                }
            }
        }
        // What one folder gave up, another may still have: a gap counts only where reading fails.
        let given_up = dirs.iter().map(|dir| dir.join(stream.as_str()).join(GIVEN_UP));
        if let Some(list) = given_up.into_iter().find(|list| list.exists()) {
            owners.insert(GIVEN_UP.into(), list);
        }
        for (name, segment) in owners {
            let link = folder.join(name);
            symlink(&segment, &link).map_err(Error::io("link", &link))?;
        }
        Ok(Self::Links(links))
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Folder(dir) => dir,
            Self::Links(folder) => folder.path(),
        }
    }
}

/// The name of the list of records that a repair gave up, beside a stream's segments.
const GIVEN_UP: &str = "gaps";

fn segments(stream_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    if !stream_dir.exists() {
        return Ok(Vec::new());
    }
    let listing = fs::read_dir(stream_dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listing = listing.map_err(Error::io("list", stream_dir))?;
    let paths = listing.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect())
}

/// Returns whether two files hold the same bytes.
fn is_same(one: &Path, other: &Path) -> Result<bool, Error> {
    let open = |path: &Path| File::open(path).map_err(Error::io("open", path));
    let (mut one_file, mut other_file) = (open(one)?, open(other)?);
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    loop {
        read_chunk(&mut one_file, &mut of_one).map_err(Error::io("read", one))?;
        read_chunk(&mut other_file, &mut of_other).map_err(Error::io("read", other))?;
        if of_one != of_other || of_one.is_empty() {
            return Ok(of_one == of_other);
        }
    }
}

/// Replaces a chunk by the next bytes of a file; it is empty at the end of the file.
fn read_chunk(file: &mut File, chunk: &mut Vec<u8>) -> io::Result<usize> {
    chunk.clear();
    file.take(COMPARED_AT_ONCE).read_to_end(chunk)
}

/// Returns a folder's canonical path. A missing folder is an error here; the journal would read it
/// as an empty one.
fn existing(dir: &Path) -> Result<PathBuf, Error> {
    match dir.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        _ => Err(Error::NoJournal { dir: dir.to_owned() }),
    }
}

fn add_record(dataset: &mut Dataset, stream: &StreamName, record: journal::Record<'_>) {
    let (stream, seq) = (stream.clone(), record.seq);
    match Record::decode(record.payload) {
        Ok(Record::Click(click)) => {
            dataset.clicks.push(Recorded { stream, seq, fact: click.into() });
        }
        Ok(Record::Event(fact)) => dataset.events.push(Recorded { stream, seq, fact }),
        Ok(Record::Order(fact)) => dataset.order_facts.push(Recorded { stream, seq, fact: *fact }),
        Ok(Record::Lead(fact)) => dataset.lead_facts.push(Recorded { stream, seq, fact: *fact }),
        // Tables are computed after the last record, so every row sees the last change.
        Ok(Record::Catalog(change)) => dataset.change(&change),
        Ok(Record::Unparsed(kept)) => {
            dataset.unparsed.insert((kept.merchant, kept.id()));
        }
        Err(error) => {
            dataset.unknown_records += 1;
            dataset
                .first_unknown
                .get_or_insert_with(|| format!("record {seq} of stream {stream} ({error})"));
        }
    }
}
