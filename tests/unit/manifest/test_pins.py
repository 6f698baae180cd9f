"""A manifest keeps the versions it was made from, and is rebuilt, also if its run was killed."""

import shutil
from pathlib import Path

import pytest
from manifest_world import Built, recipe

from geosr_lake.lake import Lake, ledger, summary
from geosr_lake.lake.pins import manifest_pins
from geosr_lake.manifest import build
from geosr_lake.manifest.rebuild import rebuild


def test_a_run_that_is_killed_after_its_commit_leaves_no_gap(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake.open(shutil.copytree(built.lake.root, tmp_path / "lake"))
    read = {table: lake.versions[table] for table in ("scenes", "pairs")}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(summary, "keep_up", killed)
        with pytest.raises(KeyboardInterrupt):
            build(lake, recipe(seed=2), built.land_cover)

    def pinned() -> dict[str, dict[str, int]]:
        lake.refresh()
        return {pin.why: pin.versions for pin in manifest_pins(lake.root, lake.versions)}

    (name,) = pinned().keys() - {built.summary.manifest_id}
    build(lake, recipe(seed=3), built.land_cover)
    statuses = {row["status"] for row in ledger.read(lake.root, "runs").to_pylist()}
    assert statuses == {"done", "killed"}
    assert len(pinned()) == 3
    assert {table: pinned()[name][table] for table in read} == read
    again = rebuild(lake, name, built.land_cover)
    assert again.same
    assert {table: again.versions[table] for table in read} == read
