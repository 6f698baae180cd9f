"""Which items lie beyond a version: in files that came, were compacted, or were written anew."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cut_off import compact, contents, files, killed_after, write_anew
from stac_items import landsat, naip, sentinel2, write_lines

from geosr_lake.lake import Lake, datafiles, ledger
from geosr_lake.scenes import groups, parted, settle, touched
from geosr_lake.scenes.ingest import ingest, ingest_files

BEFORE = [naip(state="co"), naip(state="ne"), {**naip(quarter="ne"), "geometry": None}]
GONE = sentinel2()
GONE["properties"]["deprecated"] = True
SINCE = [landsat(), {**landsat(tile="033033"), "geometry": None}, GONE]
COUNTING = {landsat()["id"], GONE["id"]}
"""Ids of those of the later items that count: kept, or withdrawing."""
KEPT_BEFORE = {doc["id"] for doc in BEFORE[:2]}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a commit, and with items of a killed run behind it."""
    lake = Lake.create(tmp_path / "lake")
    ingest(lake, [write_lines(tmp_path / "before.ndjson", BEFORE)], engine="here")
    with killed_after("items"):
        ingest(lake, [write_lines(tmp_path / "since.ndjson", SINCE)], engine="here")
    lake.refresh()
    return lake


def fresh_ids(lake: Lake, pending: touched.Pending) -> list[str]:
    """The ids of the rows that count, read file by file."""
    found = []
    for path in pending.paths:
        rows = datafiles.read(lake.root, "items", path, ["item_id", *pending.told_by])
        found += rows["item_id"].filter(pa.array(pending.fresh(rows))).to_pylist()
    return found


def pending_of(lake: Lake) -> touched.Pending:
    found = touched.pending_files(lake.root, lake.versions["items"])
    assert found is not None
    assert found.until == ledger.version_of(lake.root, "items")
    return found


def test_files_that_came(lake: Lake) -> None:
    pending = pending_of(lake)
    before = set(ledger.files_of(lake.root, "items", lake.versions["items"]))
    assert set(pending.paths) == pending.standing == files(lake, "items") - before
    assert len(pending.paths) == 2, "one of items with a time, one of those without"
    assert pending.held is None
    assert sorted(fresh_ids(lake, pending)) == sorted(COUNTING)


def test_files_that_were_compacted_tell_which_groups_are_touched(lake: Lake) -> None:
    came = pending_of(lake).paths
    compact(lake)
    assert len(files(lake, "items")) == 1
    pending = pending_of(lake)
    assert pending.paths == came
    assert (pending.standing, pending.held) == (frozenset(), None)
    assert sorted(fresh_ids(lake, pending)) == sorted(COUNTING)


def test_rows_of_files_that_were_written_anew_are_told_apart_by_their_runs(lake: Lake) -> None:
    write_anew(lake, random.Random(1))
    pending = pending_of(lake)
    assert set(pending.paths) == pending.standing == files(lake, "items")
    assert len(pending.paths) == 1
    assert pending.held is not None
    assert pending.held.to_pylist() == lake.arrow("items")["run_id"].unique().to_pylist()
    assert pending.told_by == ["outcome", "run_id"]
    assert sorted(fresh_ids(lake, pending)) == sorted(COUNTING)


def test_nothing_is_beyond_a_commit(lake: Lake) -> None:
    write_anew(lake, random.Random(1))
    ingest_files(lake, [], engine="here")
    pending = pending_of(lake)
    assert (pending.paths, pending.standing) == ((), frozenset())


def test_all_rows_are_beyond_no_version(lake: Lake, tmp_path: Path) -> None:
    pending = touched.pending_files(lake.root, None)
    assert pending is not None
    assert set(pending.paths) == pending.standing == files(lake, "items")
    assert sorted(fresh_ids(lake, pending)) == sorted(COUNTING | KEPT_BEFORE)
    assert touched.pending_files(Lake.create(tmp_path / "other").root, None) is None


def flags(lake: Lake) -> dict[str, int]:
    """The flags of those rows beyond the commit that are more than a touch, by the items' ids."""
    with parted.Parted(groups.MEMBER, by="group") as members:
        found = touched.touched(lake, members, lake.versions["items"])
        assert found is not None
        rows = np.concatenate(list(members.parts()))
    texts = [
        datafiles.read(lake.root, "items", path, ["item_id"])["item_id"].to_pylist()
        for path in found.pending.paths
    ]
    return {
        texts[member["file"]][member["row"]]: int(member["flags"])
        for member in rows
        if member["flags"] != groups.TOUCHES
    }


def test_what_rows_are_to_their_groups(lake: Lake) -> None:
    new = groups.TOUCHES | groups.ALIVE | groups.HERE
    assert flags(lake) == {landsat()["id"]: new}
    write_anew(lake, random.Random(2))
    older = groups.OLDER | groups.ALIVE | groups.HERE
    assert flags(lake) == {landsat()["id"]: new, **dict.fromkeys(KEPT_BEFORE, older)}


def test_rows_of_a_compacted_file_are_only_a_touch(lake: Lake) -> None:
    """They are read where they stand now, with all other items of their groups."""
    compact(lake)
    assert flags(lake) == {}


@pytest.mark.parametrize("one_hash", [False, True])
def test_rows_that_only_a_hash_touches_stay_as_they_are(
    lake: Lake, tmp_path: Path, one_hash: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of before, in a file that was written anew, must not become scenes once more."""
    write_anew(lake, random.Random(3))
    scenes = files(lake, "scenes")
    if one_hash:
        monkeypatch.setattr(groups, "hashes", lambda texts: np.full(len(texts), 5, np.uint64))
    with parted.Parted(groups.MEMBER, by="group") as members:
        found = touched.touched(lake, members, lake.versions["items"])
        assert found is not None
        plan = settle._plan(found, members)
    assert plan is not None
    rows = datafiles.read(lake.root, "items", found.pending.paths[0], ["item_id"])
    becomes = dict(zip(rows["item_id"].to_pylist(), plan.becomes[0].tolist(), strict=True))
    of_before = groups.SHARED if one_hash else groups.ASIDE
    assert {becomes[item_id] for item_id in KEPT_BEFORE} == {of_before}
    assert becomes[landsat()["id"]] == (groups.SHARED if one_hash else groups.ALONE)
    assert becomes[GONE["id"]] == groups.ASIDE
    names = touched.named(lake.root, found, plan.together).to_pylist()
    assert len(names) == (len(COUNTING) if one_hash else 0), "those of before are not touched"
    ingest_files(lake, [], engine="here")
    assert scenes < files(lake, "scenes"), "the scenes of before were written anew"
    other = Lake.create(tmp_path / "other")
    for name in ("before", "since"):
        ingest(other, [tmp_path / f"{name}.ndjson"], engine="here")
    assert contents(lake) == contents(other)
