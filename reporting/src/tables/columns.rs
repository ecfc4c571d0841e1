//! Typed columns: one description of a table's columns, from which every format is written. A
//! format never decides the order or the type of a column.
//!
//! A [`Column`] is a name, a type and a function that reads the value of a row. A [`Sheet`] holds
//! rows as Arrow columns. Parquet takes the sheet as it is; the text formats read it cell by cell.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{ArrowError, DataType, Schema, TimeUnit};
use shared::time::Timestamp;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// Text that afterclick made, of safe characters: ids, words, dates.
    Id,
    /// Text that a shop, an influencer or a visitor chose.
    Text,
    /// A UTC point in time.
    Time,
    /// A 64-bit integer: minor units or a count.
    Integer,
    /// True or false.
    Flag,
}

/// A column of a table, with the function that reads its value from a row.
pub(crate) struct Column<R> {
    name: &'static str,
    nullable: bool,
    read: Read<R>,
}

enum Read<R> {
    Id(fn(&R) -> Option<String>),
    Text(for<'r> fn(&'r R) -> Option<Cow<'r, str>>),
    Time(fn(&R) -> Option<Timestamp>),
    Integer(fn(&R) -> Option<i64>),
    Flag(fn(&R) -> Option<bool>),
}

impl<R> Column<R> {
    /// A column of ids or of words that afterclick made.
    pub(crate) const fn id(name: &'static str, read: fn(&R) -> Option<String>) -> Self {
        Self { name, nullable: true, read: Read::Id(read) }
    }

    /// A column of text that a shop, an influencer or a visitor chose.
    pub(crate) const fn text(
        name: &'static str,
        read: for<'r> fn(&'r R) -> Option<Cow<'r, str>>,
    ) -> Self {
        Self { name, nullable: true, read: Read::Text(read) }
    }

    /// A column of times.
    pub(crate) const fn time(name: &'static str, read: fn(&R) -> Option<Timestamp>) -> Self {
        Self { name, nullable: true, read: Read::Time(read) }
    }

    /// A column of integers.
    pub(crate) const fn integer(name: &'static str, read: fn(&R) -> Option<i64>) -> Self {
        Self { name, nullable: true, read: Read::Integer(read) }
    }

    /// A column of true or false.
    pub(crate) const fn flag(name: &'static str, read: fn(&R) -> Option<bool>) -> Self {
        Self { name, nullable: true, read: Read::Flag(read) }
    }

    fn field(&self) -> Field {
        let kind = match self.read {
            Read::Id(_) => ColumnType::Id,
            Read::Text(_) => ColumnType::Text,
            Read::Time(_) => ColumnType::Time,
            Read::Integer(_) => ColumnType::Integer,
            Read::Flag(_) => ColumnType::Flag,
        };
        Field { name: self.name, kind, nullable: self.nullable }
    }

    fn array(&self, rows: &[R]) -> ArrayRef {
        match self.read {
            Read::Id(read) => Arc::new(rows.iter().map(read).collect::<StringArray>()),
            Read::Text(read) => Arc::new(rows.iter().map(read).collect::<StringArray>()),
            Read::Time(read) => {
                let micros = rows.iter().map(|row| read(row).map(Timestamp::as_micros));
                Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            Read::Integer(read) => Arc::new(rows.iter().map(read).collect::<Int64Array>()),
            Read::Flag(read) => Arc::new(rows.iter().map(read).collect::<BooleanArray>()),
        }
    }
}

/// Marks a column as having a value in every row.
pub(crate) fn required<R>(mut column: Column<R>) -> Column<R> {
    column.nullable = false;
    column
}

/// Name and type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name in every format. Users were promised it, so it never changes.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) kind: ColumnType,
    /// Whether a row may have no value.
    pub(crate) nullable: bool,
}

impl Field {
    fn to_arrow(self) -> arrow_schema::Field {
        let data_type = match self.kind {
            ColumnType::Id | ColumnType::Text => DataType::Utf8,
            ColumnType::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Integer => DataType::Int64,
            ColumnType::Flag => DataType::Boolean,
        };
        arrow_schema::Field::new(self.name, data_type, self.nullable)
    }
}

/// One value of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'s> {
    /// Unknown, or not applicable.
    Null,
    /// Text that afterclick made; it goes into a file as it is.
    Id(&'s str),
    /// Text that a shop, an influencer or a visitor chose.
    Text(&'s str),
    /// A UTC point in time.
    Time(Timestamp),
    /// A number.
    Integer(i64),
    /// True or false.
    Flag(bool),
}

/// Rows put into columns.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    fields: Vec<Field>,
    batch: RecordBatch,
}

impl Sheet {
    /// Puts rows into columns.
    pub(crate) fn of<R>(columns: &[Column<R>], rows: &[R]) -> Result<Self, ArrowError> {
        let fields: Vec<Field> = columns.iter().map(Column::field).collect();
        let arrow_fields: Vec<_> = fields.iter().map(|field| field.to_arrow()).collect();
        let arrays = columns.iter().map(|column| column.array(rows)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(arrow_fields)), arrays)?;
        Ok(Self { fields, batch })
    }

    /// Returns the columns, in order.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Returns the sheet as Arrow holds it.
    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Returns `rows` rows, beginning with the row `from`.
    pub(crate) fn slice(&self, from: usize, rows: usize) -> Self {
        Self { fields: self.fields.clone(), batch: self.batch.slice(from, rows) }
    }

    /// Returns one value.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        let array = self.batch.column(column);
        if array.is_null(row) {
            return Cell::Null;
        }
        match self.fields[column].kind {
            ColumnType::Id => Cell::Id(array.as_string::<i32>().value(row)),
            ColumnType::Text => Cell::Text(array.as_string::<i32>().value(row)),
            ColumnType::Time => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                Cell::Time(Timestamp::from_ms(micros.div_euclid(1000)))
            }
            ColumnType::Integer => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
            ColumnType::Flag => Cell::Flag(array.as_boolean().value(row)),
        }
    }

    /// Returns the values of one row, in order.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = Cell<'_>> {
        (0..self.fields.len()).map(move |column| self.cell(row, column))
    }
}
