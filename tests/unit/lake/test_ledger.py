"""Tables that deltalake writes: rows that fit, transactions, replacement, reads."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from geosr_lake.errors import ContractError, UnsafeInputError
from geosr_lake.lake import ledger


def shard(number: int = 0, split: str = "train", **more: Any) -> dict[str, Any]:
    return {
        "manifest_id": "man-1",
        "task": "s2_naip",
        "split": split,
        "shard": number,
        "plan_hash": "p",
        "first_index": number * 4,
        "n_slots": 4,
        "n_samples": 3,
        "files": [{"path": "c/0", "bytes": 7, "sha256": "ab"}],
        "rejected": [],
        "bytes_read": 10,
        "seconds": 0.5,
        "run_id": "run-1",
    } | more


def run(name: str, status: str = "done") -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "run_id": name,
        "stage": "cubes materialize",
        "status": status,
        "started_at": now,
        "ended_at": now,
        "counts": [("samples", 3)],
        "detail": "{}",
        "code_version": "0",
    }


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    ledger.append(
        tmp_path, "shards", [shard(0), shard(1, rejected=[{"sample_id": "s", "reason": "r"}])]
    )
    ledger.append(tmp_path, "runs", [run("run-1")])
    found = ledger.read(tmp_path, "shards").sort_by("shard").to_pylist()
    assert found == [shard(0), shard(1, rejected=[{"sample_id": "s", "reason": "r"}])]
    back = ledger.read(tmp_path, "runs").to_pylist()[0]
    assert back["counts"] == [("samples", 3)]
    assert back["message"] is None
    assert back["started_at"].tzinfo is not None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (shard() | {"surprise": 1}, "no column surprise"),
        (shard(n_slots=None), "must have n_slots"),
        ({k: v for k, v in shard().items() if k != "files"}, "must have files"),
        (shard(n_slots="four"), "do not fit"),
        (shard(shard=2**40), "do not fit"),
        (shard(n_samples=5), "slots_hold_samples"),
    ],
)
def test_rows_that_do_not_fit_are_refused_in_words(
    tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        ledger.append(tmp_path, "shards", [shard(7), row])
    assert ledger.read(tmp_path, "shards").num_rows == 0


def test_constraints_hold_after_a_table_was_made_by_half(tmp_path: Path) -> None:
    """A run killed between making a table and constraining it leaves a table without."""
    DeltaTable.create(str(tmp_path / "tables" / "shards"), schema=ledger.arrow_schema("shards"))
    with pytest.raises(ContractError, match="slots_hold_samples"):
        ledger.append(tmp_path, "shards", [shard(n_samples=5)])


def test_a_folder_without_a_first_version_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "tables" / "shards" / "_delta_log").mkdir(parents=True)
    assert ledger.version_of(tmp_path, "shards") is None
    assert ledger.read(tmp_path, "shards").num_rows == 0
    ledger.append(tmp_path, "shards", [shard()])
    assert ledger.read(tmp_path, "shards").num_rows == 1


def test_a_transaction_appends_once(tmp_path: Path) -> None:
    for _ in range(3):
        ledger.append(tmp_path, "shards", [shard()], txn="man-1/train/0")
    ledger.append(tmp_path, "shards", [shard(1)], txn="man-1/train/1")
    assert ledger.read(tmp_path, "shards").num_rows == 2


def test_no_rows_make_no_version(tmp_path: Path) -> None:
    ledger.append(tmp_path, "shards", [])
    assert ledger.version_of(tmp_path, "shards") is None


def test_columns_filters_and_versions(tmp_path: Path) -> None:
    ledger.append(tmp_path, "shards", [shard(0), shard(1)])
    version = ledger.version_of(tmp_path, "shards")
    ledger.append(tmp_path, "shards", [shard(0, split="test")])
    found = ledger.read(
        tmp_path, "shards", columns=["shard", "split"], filters=[("split", "=", "test")]
    )
    assert found.to_pylist() == [{"shard": 0, "split": "test"}]
    assert ledger.read(tmp_path, "shards", version).num_rows == 2
    assert ledger.read(tmp_path, "shards", columns=["shard"]).schema.names == ["shard"]


def test_what_was_never_made_has_no_rows_but_a_schema(tmp_path: Path) -> None:
    empty = ledger.read(tmp_path, "samples")
    assert empty.num_rows == 0
    assert empty.schema == ledger.arrow_schema("samples")


def test_replacing_equal_rows_writes_nothing(tmp_path: Path) -> None:
    where = {"manifest_id": "man-1", "split": "train"}
    assert ledger.replace(tmp_path, "shards", [shard(0), shard(1)], where=where)
    version = ledger.version_of(tmp_path, "shards")
    assert not ledger.replace(tmp_path, "shards", [shard(1), shard(0)], where=where)
    assert ledger.version_of(tmp_path, "shards") == version
    ledger.append(tmp_path, "shards", [shard(0, split="test")])
    assert ledger.replace(tmp_path, "shards", [shard(0, n_samples=1)], where=where)
    found = ledger.read(tmp_path, "shards").to_pylist()
    assert sorted((r["split"], r["n_samples"]) for r in found) == [("test", 3), ("train", 1)]


def test_what_is_replaced_is_named_by_plain_names(tmp_path: Path) -> None:
    ledger.append(tmp_path, "shards", [shard(0, split="train")])
    hostile = "x' OR '1'='1"
    ledger.append(tmp_path, "shards", [shard(1, task=hostile)])
    with pytest.raises(UnsafeInputError):
        ledger.replace(tmp_path, "shards", [], where={"task": hostile})
    assert ledger.read(tmp_path, "shards").num_rows == 2


def test_a_table_says_what_it_is(tmp_path: Path) -> None:
    ledger.append(tmp_path, "shards", [shard()])
    table = ledger.open_table(tmp_path, "shards")
    assert table is not None
    assert "commit log" in table.metadata().description
    assert "delta.constraints.slots_hold_samples" in json.dumps(table.metadata().configuration)


def test_types_without_an_arrow_type_are_named() -> None:
    with pytest.raises(ContractError, match="interval"):
        ledger.arrow_type("interval<x>")
    assert ledger.arrow_type("map<string,array<int>>") == pa.map_(pa.string(), pa.list_(pa.int32()))
