"""Scenes and tiles do not depend on hashes, nor on how much of what is compared lies in files."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cut_off import contents, docs, killed_after
from stac_items import naip, sentinel2, write_lines

from geosr_lake.lake import Lake, ledger
from geosr_lake.scenes import groups, parted, settle, touched
from geosr_lake.scenes.ingest import ingest


def collide(real: Callable[[pa.ChunkedArray], Any], number: int) -> Callable[..., Any]:
    """Return hashes of which there are only so many."""
    return lambda texts: real(texts) % np.uint64(number) << np.uint64(60)


def killed(lake: Lake, file: Path) -> None:
    """Let a run end when its items stand."""
    with killed_after("items"):
        ingest(lake, [file], engine="here")
    lake.refresh()
    assert ledger.version_of(lake.root, "items") != lake.versions.get("items")


@pytest.mark.parametrize(
    ("number", "seed"),
    [(1, 0), *(pytest.param(*of, marks=pytest.mark.slow) for of in ((3, 1), (2**63, 2)))],
)
def test_hashes_that_collide_change_no_row(
    tmp_path: Path, number: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    other, lake = (Lake.create(tmp_path / name) for name in ("other", "lake"))
    for step in range(3):
        file = write_lines(tmp_path / f"{step}.ndjson", docs(rng, 12))
        ingest(other, [file], engine="here")
        with monkeypatch.context() as patch:
            patch.setattr(groups, "hashes", collide(groups.hashes, number))
            patch.setattr(parted.Parted.__init__, "__defaults__", (5,))
            if step == 1:
                killed(lake, file)
                file = write_lines(tmp_path / "none.ndjson", [])
            ingest(lake, [file], engine="here")
        assert contents(lake) == contents(other), step


def test_groups_are_found_by_their_hashes(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    twice = sentinel2(strip="20240803T180500")
    newer = copy.deepcopy(twice)
    newer["properties"]["updated"] = "2025-01-01T00:00:00Z"
    file = write_lines(tmp_path / "a.ndjson", [naip(), twice, newer, {**naip(), "geometry": None}])
    killed(lake, file)
    with parted.Parted(groups.MEMBER, by="group") as members:
        found = touched.touched(lake, members, lake.versions.get("items"))
        assert found is not None
        rows = np.concatenate(list(members.parts()))
        plan = settle._plan(found, members)
    assert plan is not None
    assert sorted(found.rows) == [1, 3], "what is not kept lies in a file of its own"
    assert len(found.cells) == 2
    assert sorted(rows["row"].tolist()) == [0, 1, 2], "and is in no group"
    assert plan.groups == 2
    kept, other = sorted((becomes.tolist() for becomes in plan.becomes), key=len, reverse=True)
    assert sorted(kept) == [groups.ALONE, groups.SHARED, groups.SHARED]
    assert other == [groups.ASIDE]
    (name,) = touched.named(lake.root, found, plan.together).to_pylist()
    assert name.startswith("sentinel2|")
    assert touched.named(lake.root, found, plan.together[:0]).to_pylist() == []


def test_too_much_to_bring_together_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake.create(tmp_path / "lake")
    pair = [sentinel2(strip="20240803T180500"), sentinel2(strip=None)]
    killed(lake, write_lines(tmp_path / "a.ndjson", pair))
    for most, is_done in ((1, False), (2, True)):
        monkeypatch.setattr(settle, "MAX_TOGETHER", most)
        with parted.Parted(groups.MEMBER, by="group") as members:
            found = touched.touched(lake, members, lake.versions.get("items"))
            assert found is not None
            assert (settle._plan(found, members) is not None) == is_done


def test_nothing_is_pending(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with parted.Parted(groups.MEMBER, by="group") as members:
        assert touched.touched(lake, members, lake.versions.get("items")) is None
        ingest(lake, [write_lines(tmp_path / "a.ndjson", [naip()])], engine="here")
        assert touched.touched(lake, members, lake.versions.get("items")) is None
        assert list(members.parts()) == []
