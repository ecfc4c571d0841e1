"""Runs every query of docs/accounts/glossary.md in DuckDB over an export, and compares each cell with the reports.

Usage: glossary.py <glossary.md> <folder of the export in Parquet> <expected.json>. A heading names the columns that
its query gives, as `report.column`, after the columns of the report's key. It never uses the code that made the files.
"""

import json
import re
import sys
from pathlib import Path

import duckdb

# The columns that tell the rows of a report apart.
KEYS = {
    "balances": ["merchant_id", "influencer_id", "currency"],
    "account_statement": ["merchant_id", "influencer_id", "currency"],
    "campaign_statement": ["influencer_id", "currency"],
}
# Columns that are no figures, or that are the sum of two others on the same row.
NOT_FIGURES = {"merchant", "influencer", "as_of", "carried"}
HEADING = re.compile(r"^### .*?: (`.*)$")
FIGURE = re.compile(r"`(\w+)\.(\w+)`")


def queries(page):
    """Every heading's figures with its one query."""
    figures, found, lines = [], [], None
    for line in page.read_text().splitlines():
        heading = HEADING.match(line)
        if heading:
            assert not figures, f"{figures} has no query"
            figures = FIGURE.findall(heading[1])
        elif line == "```sql":
            assert figures, "a query without a figure"
            lines = []
        elif line == "```" and lines is not None:
            found.append((figures, "\n".join(lines)))
            figures, lines = [], None
        elif lines is not None:
            lines.append(line)
    return found


def minor(text):
    """A count, or an amount as the reports print it, in minor units."""
    return int(text.replace(".", ""))


def expected_cells(expected, report, column):
    rows = expected[report]
    assert rows, f"{report} has no rows to compare"
    cells = {tuple(row[key] for key in KEYS[report]): minor(row[column]) for row in rows}
    assert len(cells) == len(rows), f"{report}: two rows of one key"
    return cells


def main(page, export, expected):
    db = duckdb.connect()
    # A day is the same on every machine.
    db.execute("SET TimeZone = 'UTC'")
    for table in sorted(path.name for path in export.iterdir() if path.is_dir() and not path.name.startswith(".")):
        db.execute(
            f"CREATE VIEW {table} AS SELECT * EXCLUDE (date) FROM "
            f"read_parquet('{export}/{table}/*/*.parquet', hive_partitioning = true)"
        )
    parameters = {name: expected[name] for name in ("as_of", "from", "to", "campaign")}
    compared, seen = 0, set()
    for figures, query in queries(page):
        for name, value in parameters.items():
            query = re.sub(rf":{name}\b", f"'{value}'", query)
        rows = db.execute(query).fetchall()
        for at, (report, column) in enumerate(figures):
            width = len(KEYS[report])
            found = {row[:width]: int(row[width + at]) for row in rows}
            assert len(found) == len(rows), f"{report}.{column}: two rows of one key"
            cells = expected_cells(expected, report, column)
            assert any(cells.values()), f"{report}.{column} is 0 everywhere, which proves nothing"
            for key in sorted(found.keys() | cells.keys()):
                ours, theirs = cells.get(key, 0), found.get(key, 0)
                assert ours == theirs, f"{report}.{column} of {key}: the report says {ours}, the query {theirs}"
                compared += 1
            assert (report, column) not in seen, f"{report}.{column} stands twice"
            seen.add((report, column))
    for report, keys in KEYS.items():
        figures = set(expected[report][0]) - set(keys) - NOT_FIGURES
        assert figures == {column for of, column in seen if of == report}, (report, figures ^ seen)
    print(f"{len(seen)} figures, {compared} cells, all the same")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))
