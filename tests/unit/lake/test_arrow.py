"""Arrow rows into tables, written by deltalake: what it promises holds without a JVM."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from geosr_lake.errors import ContractError
from geosr_lake.lake import Lake, arrow, ledger, tables
from geosr_lake.lake.tables import Txn

RULE, OTHER = "rul-1", "rul-2"
HOSTILE = "o'brien\\' OR 'a'='a"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def pairs(*numbers: int, rule: str = RULE, overlap: float = 0.5, tile: str = "t") -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "rule_id": rule,
            "lr_scene_id": f"l{n}",
            "hr_scene_id": f"h{n}",
            "pair_id": f"p{n}",
            "lr_tile": tile,
            "hr_tile": "h",
            "gap_s": float(n),
            "overlap_frac": overlap,
        }
        for n in numbers
    ]
    return pa.Table.from_pylist(rows, ledger.arrow_schema("pairs"))


def held(lake: Lake) -> dict[tuple[str, str], float]:
    rows = ledger.read(lake.root, "pairs").to_pylist()
    found = {(row["rule_id"], row["lr_scene_id"]): row["overlap_frac"] for row in rows}
    assert len(found) == len(rows), "a key stands twice"
    return found


def changes(rows: pa.Table, *, deleted: bool) -> pa.Table:
    return rows.append_column("_deleted", pa.array([deleted] * len(rows)))


def test_the_same_transaction_again_appends_nothing(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(1), txn=Txn("a", 3))
    for number in (2, 3):
        arrow.append(lake, "pairs", pairs(2), txn=Txn("a", number))
    assert held(lake) == {(RULE, "l1"): 0.5}
    arrow.append(lake, "pairs", pairs(2), txn=Txn("a", 4))
    assert len(held(lake)) == 2


def test_no_rows_with_a_transaction_are_a_version(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(), txn=Txn("a", 7))
    found = ledger.open_table(lake.root, "pairs")
    assert found is not None
    assert (found.transaction_version("a"), len(held(lake))) == (7, 0)


def test_a_log_without_a_version_is_no_table(lake: Lake) -> None:
    """What a run leaves that was killed while it made the table."""
    log = Path(tables.table_path(lake.root, "pairs")) / "_delta_log"
    log.mkdir(parents=True)
    (log / ".half.json.tmp").write_text("{")
    arrow.append(lake, "pairs", pairs(1))
    assert len(held(lake)) == 1


def test_tables_one_after_the_other_are_one_version(lake: Lake) -> None:
    arrow.append(lake, "pairs", (pairs(n) for n in range(3)))
    before = ledger.version_of(lake.root, "pairs")
    arrow.append(lake, "pairs", (pairs(n) for n in range(3, 6)))
    assert before is not None
    assert ledger.version_of(lake.root, "pairs") == before + 1
    assert len(held(lake)) == 6


def test_an_error_on_the_way_is_raised_as_it_is(lake: Lake) -> None:
    def failing() -> Iterator[pa.Table]:
        yield pairs(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        arrow.append(lake, "pairs", failing())
    assert held(lake) == {}


def test_rows_are_made_in_the_thread_that_asked(lake: Lake) -> None:
    made_in = []

    def rows() -> Iterator[pa.Table]:
        for n in range(50):
            made_in.append(threading.current_thread())
            yield pairs(n)

    arrow.append(lake, "pairs", rows())
    assert set(made_in) == {threading.current_thread()}
    assert len(held(lake)) == 50


def test_one_refused_row_of_many_refuses_all(lake: Lake) -> None:
    rows = (pairs(n, overlap=1.5 if n == 30 else 0.5) for n in range(50))
    with pytest.raises(ContractError, match="overlap_is_fraction"):
        arrow.append(lake, "pairs", rows)
    assert held(lake) == {}


def test_replace_touches_its_rule_only(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(1, 2))
    arrow.append(lake, "pairs", pairs(1, rule=OTHER))
    arrow.replace(lake, "pairs", pairs(3), where={"rule_id": RULE}, txn=Txn("a", 1))
    arrow.replace(lake, "pairs", pairs(4), where={"rule_id": RULE}, txn=Txn("a", 1))
    assert held(lake) == {(RULE, "l3"): 0.5, (OTHER, "l1"): 0.5}
    arrow.replace(lake, "pairs", pairs(), where={"rule_id": RULE})
    assert held(lake) == {(OTHER, "l1"): 0.5}


def test_a_row_outside_of_what_is_replaced_is_refused(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(1))
    with pytest.raises(ContractError):
        arrow.replace(lake, "pairs", pairs(1, rule=OTHER), where={"rule_id": RULE})
    assert held(lake) == {(RULE, "l1"): 0.5}


def test_apply_brings_changes_and_takes_in_one_version(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(1, 2))
    arrow.append(lake, "pairs", pairs(3, tile=HOSTILE))
    before = ledger.version_of(lake.root, "pairs")
    assert before is not None
    rows = [
        changes(pairs(1), deleted=True),
        changes(pairs(3, tile=HOSTILE, overlap=1.0), deleted=False),
        changes(pairs(4), deleted=False),
        changes(pairs(9), deleted=True),  # it is not there: no harm
    ]
    arrow.apply(
        *(lake, "pairs", pa.concat_tables(rows)),
        where={"rule_id": RULE},
        any_of={"lr_tile": ["t", HOSTILE], "hr_tile": []},
        txn=Txn("a", 1),
    )
    assert held(lake) == {(RULE, "l2"): 0.5, (RULE, "l3"): 1.0, (RULE, "l4"): 0.5}
    assert ledger.version_of(lake.root, "pairs") == before + 1
    arrow.apply(lake, "pairs", rows[2], where={"rule_id": RULE}, txn=Txn("a", 1))
    assert ledger.version_of(lake.root, "pairs") == before + 1
    # Filters of every kind still work on what was written.
    wanted = [("overlap_frac", ">", 0.7), ("lr_tile", "=", HOSTILE)]
    assert len(ledger.read(lake.root, "pairs", filters=wanted)) == 1


def test_apply_leaves_files_without_a_changed_row(lake: Lake) -> None:
    for n in (1, 2):
        arrow.append(lake, "pairs", pairs(n))
    before = set(ledger.files_of(lake.root, "pairs", ledger.version_of(lake.root, "pairs") or 0))
    arrow.apply(lake, "pairs", changes(pairs(2), deleted=True), where={"rule_id": RULE})
    after = set(ledger.files_of(lake.root, "pairs", ledger.version_of(lake.root, "pairs") or 0))
    assert after < before
    assert held(lake) == {(RULE, "l1"): 0.5}


def test_a_change_that_is_refused_leaves_nothing(lake: Lake) -> None:
    arrow.append(lake, "pairs", pairs(1, 2))
    folder = Path(tables.table_path(lake.root, "pairs"))
    before = sorted(folder.glob("*.parquet"))
    bad = changes(pairs(2, overlap=1.5), deleted=False)
    with pytest.raises(ContractError, match="overlap_is_fraction"):
        arrow.apply(lake, "pairs", bad, where={"rule_id": RULE})
    assert sorted(folder.glob("*.parquet")) == before
    assert len(held(lake)) == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (pairs(1).drop_columns("gap_s"), "column gap_s is missing"),
        (pairs(1).append_column("more", pa.array([1])), "column more is not in the contract"),
        (pairs(1).set_column(0, "rule_id", pa.array([None], pa.string())), "rule_id has nulls"),
        (pairs(1).set_column(6, "gap_s", pa.array(["far"])), "Rows do not fit the table pairs"),
        (pairs(1, overlap=1.5), "overlap_is_fraction"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_words(lake: Lake, rows: pa.Table, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        arrow.append(lake, "pairs", rows)
    assert held(lake) == {}
