//! The audit of an export: computes every file again from the journals, up to where the export had
//! read them, and compares the bytes by their hash. It never changes the export.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bookings::{Conversions, Cursor, Dataset};
use jiff::civil::Date;
use journal::StreamName;

use crate::error::Error;
use crate::hashing::{Hashing, hash_of_file};
use crate::tables::part::Part;
use crate::tables::parts;
use crate::write::format::Format;
use crate::write::manifest::{FileEntry, MANIFEST_NAME, Manifest, Sums};

/// The result of an audit.
#[derive(Debug, Default)]
pub struct Audit {
    /// How many files were computed again.
    pub files: u64,
    /// How many rows these files hold, by table.
    pub rows: BTreeMap<String, u64>,
    /// Everything that does not agree.
    pub findings: Vec<Finding>,
}

/// A difference between an export and its manifest or its journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The manifest lists a file that cannot be read.
    Missing {
        /// Its path.
        path: String,
        /// The operating system's answer.
        reason: String,
    },
    /// A file holds other bytes than the manifest says.
    Altered {
        /// Its path.
        path: String,
    },
    /// The journals give other rows than the export has.
    Differs {
        /// The file's path.
        path: String,
        /// Rows exported, and rows that the journals give.
        rows: (u64, u64),
        /// Sums that differ: column, currency, the exported sum, and the sum that the journals
        /// give.
        sums: Vec<(String, String, i128, i128)>,
    },
    /// The journals give rows that no listed file holds.
    Absent {
        /// Table, day and stream.
        place: String,
        /// How many rows.
        rows: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path, reason } => write!(f, "{path}: cannot be read: {reason}"),
            Self::Altered { path } => write!(f, "{path}: was changed after the export wrote it"),
            Self::Absent { place, rows } => {
                write!(f, "{place}: {rows} rows of the journals are in no file")
            }
            Self::Differs { path, rows: (exported, computed), sums } => {
                write!(f, "{path}: the journals give other values")?;
                if exported != computed {
                    write!(f, "; {exported} rows, computed {computed}")?;
                }
                for (column, currency, exported, computed) in sums {
                    write!(f, "; {column} {currency} {exported}, computed {computed}")?;
                }
                Ok(())
            }
        }
    }
}

/// An export on disk, with what its manifest says about how to compute it again.
#[derive(Debug)]
pub struct ExportFolder {
    dir: PathBuf,
    manifest: Manifest,
    format: Format,
    as_of: Date,
    /// The place up to which the export had read the journals.
    pub cursor: Cursor,
}

impl ExportFolder {
    /// Reads the manifest of an export's folder.
    ///
    /// # Errors
    /// When the folder holds no manifest, or an invalid one.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let manifest =
            Manifest::read(dir)?.ok_or_else(|| Error::NoExport { dir: dir.to_owned() })?;
        let unreadable = |field, text: &str| Error::ManifestField {
            path: dir.join(MANIFEST_NAME),
            field,
            text: text.to_owned(),
        };
        let format = manifest.format.parse().map_err(|_| unreadable("format", &manifest.format))?;
        let as_of = manifest.as_of.parse().map_err(|_| unreadable("as_of", &manifest.as_of))?;
        let cursor = manifest.cursor.parse()?;
        Ok(Self { dir: dir.to_owned(), manifest, format, as_of, cursor })
    }

    /// Checks that journals reach as far as the export had read them.
    ///
    /// # Errors
    /// [`Error::Unreached`] for the first stream that does not.
    pub fn check_reach(&self, ends: &BTreeMap<StreamName, u64>) -> Result<(), Error> {
        let reached = Cursor::default().advanced(ends);
        match self.cursor.beyond(&reached) {
            Some((stream, exported)) => {
                let found = reached.position(&stream);
                Err(Error::Unreached { stream, exported, found })
            }
            None => Ok(()),
        }
    }

    /// Computes every file again from a dataset that was read up to [`Self::cursor`].
    ///
    /// # Errors
    /// When the rows cannot be computed. A difference is not an error but a finding.
    pub fn audit(&self, dataset: &Dataset, progress: &dyn Fn(&str)) -> Result<Audit, Error> {
        let conversions = Conversions::of(dataset)?;
        let mut audit = Audit::default();
        let mut listed: BTreeMap<Place, Vec<&FileEntry>> = BTreeMap::new();
        for file in &self.manifest.files {
            listed.entry(Place::of_file(file)).or_default().push(file);
        }
        parts(dataset, &conversions, &Cursor::default(), self.as_of, &mut |part| {
            progress(&part.path(self.format.as_str()));
            let files = listed.get_mut(&Place::of_part(&part));
            self.compare(&part, files.map_or(&mut Vec::new(), |files| files), &mut audit)
        })?;
        for file in listed.into_values().flatten() {
            audit.findings.push(Finding::Differs {
                path: file.path.clone(),
                rows: (file.rows, 0),
                sums: differing(&file.sums, &BTreeMap::new()),
            });
        }
        Ok(audit)
    }

    /// Compares a computed part with the files that hold its rows, and removes those from the list.
    fn compare(
        &self,
        part: &Part,
        files: &mut Vec<&FileEntry>,
        audit: &mut Audit,
    ) -> Result<(), Error> {
        let mut covered = 0;
        let mut left = Vec::new();
        for file in files.drain(..) {
            let Some(computed) = part.between(file.first_seq, file.last_seq)? else {
                left.push(file);
                continue;
            };
            covered += computed.sheet.rows() as u64;
            audit.files += 1;
            *audit.rows.entry(file.table.clone()).or_default() += file.rows;
            let (finding, computed) = (self.on_disk(file), self.describe(&computed)?);
            audit.findings.extend(finding);
            if computed != *file {
                audit.findings.push(Finding::Differs {
                    path: file.path.clone(),
                    rows: (file.rows, computed.rows),
                    sums: differing(&file.sums, &computed.sums),
                });
            }
        }
        *files = left;
        let rows = part.sheet.rows() as u64 - covered;
        if rows > 0 {
            let place = format!("{}/date={}, stream {}", part.table, part.date, part.node);
            audit.findings.push(Finding::Absent { place, rows });
        }
        Ok(())
    }

    /// Returns the manifest entry that an export would write for a part.
    fn describe(&self, part: &Part) -> Result<FileEntry, Error> {
        let path = part.path(self.format.as_str());
        let mut out = Hashing::new(io::sink());
        self.format.write(&part.sheet, &mut out).map_err(Error::io("encode", &path))?;
        Ok(FileEntry::of(part, path, &out.finish()))
    }

    /// Compares a file on disk with its hash in the manifest.
    fn on_disk(&self, file: &FileEntry) -> Option<Finding> {
        let path = || file.path.clone();
        match hash_of_file(&self.dir.join(&file.path)) {
            Err(error) => Some(Finding::Missing { path: path(), reason: error.to_string() }),
            Ok(hash) if hash.to_hex().as_str() != file.blake3 => {
                Some(Finding::Altered { path: path() })
            }
            Ok(_) => None,
        }
    }
}

/// Table, day and stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place(String, String, String);

impl Place {
    fn of_file(file: &FileEntry) -> Self {
        Self(file.table.clone(), file.date.clone(), file.node.clone())
    }

    fn of_part(part: &Part) -> Self {
        Self(part.table.to_owned(), part.date.clone(), part.node.clone())
    }
}

fn differing(exported: &Sums, computed: &Sums) -> Vec<(String, String, i128, i128)> {
    let keys = |sums: &Sums| -> Vec<(String, String)> {
        let pairs = sums
            .iter()
            .flat_map(|(column, of)| of.keys().map(|code| (column.clone(), code.clone())));
        pairs.collect()
    };
    let sum = |sums: &Sums, column: &str, code: &str| {
        sums.get(column).and_then(|of| of.get(code)).copied().unwrap_or(0)
    };
    let mut found = keys(exported);
    found.extend(keys(computed));
    found.sort();
    found.dedup();
    let both = found.into_iter().map(|(column, code)| {
        let (exported, computed) = (sum(exported, &column, &code), sum(computed, &column, &code));
        (column, code, exported, computed)
    });
    both.filter(|(_, _, exported, computed)| exported != computed).collect()
}
