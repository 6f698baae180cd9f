"""How many rows of a table readers see that know nothing of this package."""

import deltalake
import duckdb
import polars as pl


def rows_read(path: str, version: int) -> dict[str, int]:
    """Return the rows of a version that each reader brings into memory whole."""
    table = deltalake.DeltaTable(path, version=version)
    with duckdb.connect() as connection:
        connection.register("one", table.to_pyarrow_dataset())
        found = connection.sql("SELECT * FROM one").to_arrow_table()
    return {
        "deltalake": table.to_pyarrow_table().num_rows,
        "DuckDB": found.num_rows,
        "polars": pl.read_delta(path, version=version).height,
    }
