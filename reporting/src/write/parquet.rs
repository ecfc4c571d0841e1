//! Parquet with pinned settings. It never records which release or machine wrote the file: the same
//! journals give the same bytes.

use std::io::{self, Write};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::tables::columns::Sheet;

/// The most rows that a reader has to hold in memory at once.
const ROW_GROUP_ROWS_MAX: usize = 128 * 1024;
const ZSTD_LEVEL: i32 = 3;
/// Who wrote the file, in the form that parquet-java reads: it believes the statistics of text
/// columns only of writers with a version. This is the version of the form of our files, and goes
/// up when that changes; a release's own would change the bytes of every export.
const CREATED_BY: &str = "afterclick version 1.0.0 (build 0)";

pub(super) fn write(sheet: &Sheet, out: impl Write + Send) -> io::Result<()> {
    encode(sheet, out).map_err(|error| match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(io) => *io,
            Err(inner) => io::Error::other(inner),
        },
        error => io::Error::other(error),
    })
}

fn encode(sheet: &Sheet, out: impl Write + Send) -> Result<(), ParquetError> {
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .build();
    // Parquet's own types are enough. Without Arrow's metadata, all readers see the same table.
    let options =
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(out, sheet.batch().schema(), options)?;
    writer.write(sheet.batch())?;
    writer.close().map(|_| ())
}
