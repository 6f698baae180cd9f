"""Scenes and tiles do not depend on hashes, nor on how much of what is compared lies in files."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from stac_items import box, landsat, modis, naip, sentinel2, write_lines

from geosr_lake.lake import Lake, deltalog
from geosr_lake.scenes import groups, here, parted, settle, touched
from geosr_lake.scenes.ingest import ingest

TABLES = ("items", "scenes", "tiles")
Doc = dict[str, Any]


def docs(rng: random.Random, count: int) -> list[Doc]:
    """Items in few tiles over many days: some share a scene or a group, some withdraw others."""
    found: list[Doc] = []
    for _ in range(count):
        day = f"202408{rng.randint(1, 28):02}"
        west = -106.2 + rng.choice([0, 0.4])
        strip = rng.choice([None, f"{day}T180500", f"{day}T180700"])
        tile, area = rng.choice(["13TDE", "13TEE"]), box(west, 40.5, west + 0.5, 41.5)
        s2 = sentinel2(tile=tile, sensed=f"{day}T180011", strip=strip, geometry=area)
        photo = naip(quarter=rng.choice(["sw", "se"]), day=day, state=rng.choice(["co", "ne"]))
        doc = copy.deepcopy(rng.choice([s2, s2, photo, photo, landsat(), modis()]))
        if rng.random() < 0.2:
            doc["properties"]["updated"] = f"2025-{rng.randint(1, 12):02}-01T00:00:00Z"
        if rng.random() < 0.1:
            doc["properties"]["deprecated"] = True
        found.append(doc)
    return found


def contents(lake: Lake) -> dict[str, list[str]]:
    """The rows, but for what tells of the run."""
    found = {}
    for table in TABLES:
        rows = lake.arrow(table)
        of_run = [name for name in ("run_id", "ingested_at") if name in rows.column_names]
        found[table] = sorted(repr(row) for row in rows.drop_columns(of_run).to_pylist())
    return found


def collide(real: Callable[[pa.ChunkedArray], Any], number: int) -> Callable[..., Any]:
    """Return hashes of which there are only so many."""
    return lambda texts: real(texts) % np.uint64(number) << np.uint64(60)


class Killed(BaseException):
    """Stands for the end of the process; nothing catches it."""


def killed(lake: Lake, file: Path) -> None:
    """Let a run end when its items stand."""

    def commit(*args: Any, **options: Any) -> None:
        deltalog.commit(*args, **options)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here, "deltalog", SimpleNamespace(commit=commit))
        with pytest.raises(Killed):
            ingest(lake, [file], engine="here")
    lake.refresh()


@pytest.mark.parametrize("number", [1, 3, 2**63])
@pytest.mark.parametrize("seed", [0, 1])
def test_hashes_that_collide_change_no_row(
    tmp_path: Path, number: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    other, lake = (Lake.create(tmp_path / name) for name in ("other", "lake"))
    for step in range(4):
        file = write_lines(tmp_path / f"{step}.ndjson", docs(rng, 12))
        ingest(other, [file], engine="here")
        with monkeypatch.context() as patch:
            patch.setattr(groups, "hashes", collide(groups.hashes, number))
            patch.setattr(parted.Parted.__init__, "__defaults__", (5,))
            if step == 2:
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
        found = touched.touched(lake, members)
        assert found is not None
        rows = np.concatenate(list(members.parts()))
        plan = settle._plan(found, members)
    assert plan is not None
    assert found.rows == (4,)
    assert len(found.cells) == 2
    assert sorted(rows["row"].tolist()) == [0, 1, 2], "what is not kept is in no group"
    assert plan.groups == 2
    of_row = dict(enumerate(plan.becomes[0].tolist()))
    assert sorted(of_row.values()) == [groups.ASIDE, groups.ALONE, groups.SHARED, groups.SHARED]
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
            found = touched.touched(lake, members)
            assert found is not None
            assert (settle._plan(found, members) is not None) == is_done


def test_nothing_is_pending(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with parted.Parted(groups.MEMBER, by="group") as members:
        assert touched.touched(lake, members) is None
        ingest(lake, [write_lines(tmp_path / "a.ndjson", [naip()])], engine="here")
        assert touched.touched(lake, members) is None
        assert list(members.parts()) == []
