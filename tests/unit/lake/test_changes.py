"""What changed between two versions of a table, told from its log and its files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from table_rows import add

from geosr_lake.lake import Lake, changes, ledger, tables
from geosr_lake.lake.changes import CAME, GONE

COLUMNS = ("tile", "scene_count", "sensor")
"""The first is a key here: there is one sensor. `extent_wkb` follows from the second."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def tile(name: str, count: int) -> dict[str, Any]:
    box = {"xmin": 0.0, "ymin": 0.0, "xmax": 1.0, "ymax": 1.0}
    extent = {"extent_id": f"{name}-{count}", "extent_wkb": f"{name}-{count}".encode()}
    return {"sensor": "naip", "tile": name, "scene_count": count, **box, **extent}


def version(lake: Lake) -> int:
    found = ledger.version_of(lake.root, "tiles")
    assert found is not None
    return found


def take_out(lake: Lake, name: str) -> None:
    found = ledger.open_table(lake.root, "tiles")
    assert found is not None
    found.delete(f"tile = '{name}'")


def compact(lake: Lake) -> None:
    found = ledger.open_table(lake.root, "tiles")
    assert found is not None
    assert found.optimize.compact()["numFilesRemoved"] > 1


def moved(lake: Lake, since: int) -> set[tuple[str, int, int, bytes | None]]:
    rows = changes.rows_between(
        *(lambda: pytest.fail("no Spark is needed"), lake.root, "tiles", since, version(lake)),
        columns=COLUMNS,
        along="extent_wkb",
        most=99,
    )
    assert isinstance(rows, pa.Table)
    found = [
        (row["tile"], row["scene_count"], row["change"], row["extent_wkb"])
        for row in rows.to_pylist()
    ]
    assert len(set(found)) == len(found), "a row stands twice"
    return set(found)


def test_rows_come_go_and_change(lake: Lake) -> None:
    add(lake, "tiles", [tile("a", 1), tile("b", 1), tile("c", 1)])
    since = version(lake)
    take_out(lake, "a")
    take_out(lake, "b")
    add(lake, "tiles", [tile("b", 2), tile("d", 1)])
    assert moved(lake, since) == {
        ("a", 1, GONE, None),
        ("b", 1, GONE, None),
        ("b", 2, CAME, b"b-2"),
        ("d", 1, CAME, b"d-1"),
    }
    assert moved(lake, version(lake)) == set()


def test_a_key_that_came_twice_comes_as_it_is_now(lake: Lake) -> None:
    """First in a file that is compacted away; what took its place then goes with it."""
    add(lake, "tiles", [tile("a", 1)])
    since = version(lake)
    add(lake, "tiles", [tile("b", 1)])
    compact(lake)
    take_out(lake, "b")
    add(lake, "tiles", [tile("b", 2)])
    assert moved(lake, since) == {("b", 2, CAME, b"b-2")}


def test_a_file_that_is_gone_is_no_answer(lake: Lake) -> None:
    add(lake, "tiles", [tile("a", 1)])
    since = version(lake)
    take_out(lake, "a")
    for file in Path(tables.table_path(lake.root, "tiles")).glob("*.parquet"):
        file.unlink()
    asked = (lambda: pytest.fail("no Spark is needed"), lake.root, "tiles", since, version(lake))
    assert changes.rows_between(*asked, columns=COLUMNS, along="extent_wkb", most=99) is None


def test_more_than_is_asked_for_is_no_answer(lake: Lake) -> None:
    add(lake, "tiles", [tile("a", 1)])
    since = version(lake)
    add(lake, "tiles", [tile("b", 1), tile("c", 1)])
    asked = (lambda: pytest.fail("no Spark is needed"), lake.root, "tiles", since, version(lake))
    for most, number in ((1, None), (2, 2)):
        rows = changes.rows_between(*asked, columns=COLUMNS, along="extent_wkb", most=most)
        assert (None if rows is None else len(rows)) == number


def test_long_values_come_once(lake: Lake) -> None:
    """As a dictionary: MODIS tiles have some hundred vertices, and thousands of scenes each."""
    add(lake, "tiles", [tile("a", 1)])
    since = version(lake)
    shape = {"extent_id": "one", "extent_wkb": b"x" * 10_000}
    add(lake, "tiles", [tile(f"t{i}", 1) | shape for i in range(500)])
    rows = changes.rows_between(
        *(lambda: pytest.fail("no Spark is needed"), lake.root, "tiles", since, version(lake)),
        columns=COLUMNS,
        along="extent_wkb",
        most=500,
    )
    assert rows is not None
    assert len(rows) == 500
    assert rows.nbytes < 10 * 10_000
