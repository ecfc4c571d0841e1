"""Reads the exports in <folder>/parquet, csv and ndjson with pyarrow and DuckDB, and compares them.

Checks, against the manifest and against each other: the Parquet types, the number of rows, every sum of minor units by
currency, and that the folder's date is the day of the rows. It never uses the code that wrote the files.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

DAY_OF = {
    "clicks": "clicked_at",
    "sessions": "started_at",
    "order_facts": "received_at",
    "conversions": "converted_at",
    "commissions": "booked_at",
    "moves": "day",
    "payouts": "made_at",
    "bookings": "created_at",
}
COUNTS = ("seq", "pages", "number", "target_orders")
FLAGS = ("test", "is_counted", "is_reversal")


def expected_type(column):
    if column.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    if column.endswith("_minor") or column in COUNTS:
        return pa.int64()
    return pa.bool_() if column in FLAGS else pa.string()


def check_types(root, manifest):
    for file in manifest["files"]:
        schema = pq.read_schema(root / file["path"])
        for field in schema:
            assert field.type == expected_type(field.name), (file["path"], field)


def reader(root, table, form):
    files = f"'{root}/{table}/*/*.{form}'"
    if form == "csv":
        return f"read_csv({files}, hive_partitioning = true, all_varchar = true)"
    if form == "ndjson":
        return f"read_json({files}, format = 'newline_delimited', hive_partitioning = true)"
    return f"read_parquet({files}, hive_partitioning = true)"


def figures(db, root, table, form):
    """Rows, sums of minor units by column and currency, and rows in a folder of another day."""
    source = reader(root, table, form)
    columns = [row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    rows = db.execute(f"SELECT count(*) FROM {source}").fetchone()[0]
    day = f"CAST({DAY_OF[table]} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    astray = db.execute(f"SELECT count(*) FROM {source} WHERE CAST({day} AS DATE) <> CAST(date AS DATE)").fetchone()[0]
    sums = {}
    for column in (name for name in columns if name.endswith("_minor")):
        query = (
            f"SELECT currency, sum(CAST({column} AS BIGINT)) FROM {source} "
            f"WHERE {column} IS NOT NULL AND currency IS NOT NULL GROUP BY currency"
        )
        sums[column] = {currency: int(total) for currency, total in db.execute(query).fetchall()}
    return [name for name in columns if name != "date"], rows, sums, astray


def stated(manifest, table):
    """Rows and sums as the manifest has them."""
    rows, sums = 0, defaultdict(lambda: defaultdict(int))
    for file in (file for file in manifest["files"] if file["table"] == table):
        rows += file["rows"]
        for column, by_currency in file["sums"].items():
            for currency, total in by_currency.items():
                sums[column][currency] += total
    return rows, {column: dict(totals) for column, totals in sums.items()}


def main(folder):
    db = duckdb.connect()
    # A day is the same on every machine.
    db.execute("SET TimeZone = 'UTC'")
    for form in ("parquet", "csv", "ndjson"):
        root = folder / form
        manifest = json.loads((root / "manifest.json").read_text())
        if form == "parquet":
            check_types(root, manifest)
        for table in DAY_OF:
            columns, rows, sums, astray = figures(db, root, table, form)
            assert (rows, sums) == stated(manifest, table), (form, table, rows, sums, stated(manifest, table))
            assert astray == 0, (form, table, astray)
            assert columns == figures(db, folder / "parquet", table, "parquet")[0], (form, table, columns)
    print(f"3 formats, {len(DAY_OF)} tables, same figures")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
