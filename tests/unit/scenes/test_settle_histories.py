"""Runs that are cut off and files that are written anew: the lake is what its items say."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cut_off import (
    Doc,
    compact,
    contents,
    docs,
    expected,
    files,
    killed_after,
    write_anew,
)
from stac_items import landsat, naip, sentinel2, write_lines

from geosr_lake.lake import Lake, changes, datafiles, ledger
from geosr_lake.lake.place import Root
from geosr_lake.scenes import here, parted, settle, settle_spread, staging, touched
from geosr_lake.scenes.ingest import ingest, ingest_files
from geosr_lake.scenes.withdraw import withdraw

SMALL = [
    *((staging, "FILE_ROWS", 2), (settle, "ROWS_A_TASK", 3), (datafiles, "ROW_GROUP_BYTES", 1)),
    *((here, "HELD_ROWS", 2), (touched, "MAX_TILES_NAMED", 1), (settle, "MAX_TILES_NAMED", 1)),
]
"""How much is done at a time: so little that a few items are many files, tasks and batches."""
EVENTS = ("ingest", "again", "items", "scenes", "tiles", "anew", "compact")
"""New items, items of before, runs that end when they have written to a table, files anew."""


@contextmanager
def little_at_a_time(*, little: bool) -> Iterator[None]:
    """Let the parts of a run be small, or as they are."""
    with pytest.MonkeyPatch.context() as patch:
        if little:
            patch.setattr(parted.Parted.__init__, "__defaults__", (3,))
            for module, name, value in SMALL:
                patch.setattr(module, name, value)
        yield


def happen(
    lakes: Mapping[bool, Lake], came: list[Doc], event: str, folder: Path, rng: random.Random
) -> None:
    """Let an event happen to two lakes, in one of them little at a time."""
    if event in ("anew", "compact"):
        seed = rng.random()
        for lake in lakes.values():
            write_anew(lake, random.Random(seed)) if event == "anew" else compact(lake)
        return
    some = rng.choices(came, k=5) if event == "again" and came else docs(rng, 7)
    came += some
    sources = [write_lines(folder / f"{i}.ndjson", some[i::3]) for i in range(3)]
    for little, lake in lakes.items():
        with little_at_a_time(little=little), killed_after(event):
            done = ingest(lake, sources, engine="here")
            assert done.taken_out == touched.taken_out(lake.root)
        lake.refresh()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_the_lake_is_what_its_items_say(tmp_path: Path, seed: int) -> None:
    """Whatever happened, and into how many parts it was cut; told from all items at once."""
    rng = random.Random(seed)
    lakes = {little: Lake.create(tmp_path / f"{little}") for little in (True, False)}
    came: list[Doc] = []
    for step, event in enumerate(["ingest", *rng.choices(EVENTS, k=5)]):
        happen(lakes, came, event, tmp_path / f"{step}", rng)
    for little, lake in lakes.items():
        with little_at_a_time(little=little):
            ingest_files(lake, [], engine="here")
    assert contents(lakes[True]) == contents(lakes[False])
    assert contents(lakes[True], ("scenes", "tiles")) == expected(came)


MANY = [naip(day=f"202208{day}", quarter=q) for day in range(10, 30) for q in ("sw", "se")]


@pytest.fixture
def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is brought together, and nobody asks Spark to."""
    monkeypatch.setattr(settle, "MAX_TOGETHER", 0)
    monkeypatch.setattr(settle_spread, "derive_pending", lambda _: pytest.fail("Spark is asked"))


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("last", ["scenes", "tiles"])
def test_scenes_of_a_killed_run_are_not_brought_together_with_its_items(
    tmp_path: Path, last: str
) -> None:
    """As many as there are: what the killed run has committed is not made again."""
    lake, other = (Lake.create(tmp_path / name) for name in ("lake", "other"))
    file = write_lines(tmp_path / "a.ndjson", MANY)
    with killed_after(last):
        ingest(lake, [file], engine="here")
    lake.refresh()
    assert "scenes" not in lake.versions, "the killed run has committed its stage"
    made = files(lake, "scenes")
    assert made
    assert bool(files(lake, "tiles")) == (last == "tiles")
    done = ingest(lake, [file], engine="here")
    assert (done.repeated, done.groups_derived, done.scenes) == (len(MANY), 0, len(MANY))
    assert files(lake, "scenes") == made
    ingest(other, [file], engine="here")
    assert contents(lake) == contents(other)


@pytest.mark.usefixtures("no_spark")
def test_a_process_that_was_killed_when_its_scenes_stood(tmp_path: Path) -> None:
    file, root = write_lines(tmp_path / "a.ndjson", MANY), tmp_path / "lake"
    text = (
        "import os, signal; from geosr_lake.lake import Lake, deltalog\n"
        "from geosr_lake.scenes.ingest import ingest\n"
        "real = deltalog.commit\n"
        "def commit(root, name, *args, **options):\n"
        "    real(root, name, *args, **options)\n"
        "    if name == 'scenes': os.kill(os.getpid(), signal.SIGKILL)\n"
        "deltalog.commit = commit\n"
        f"ingest(Lake.create({str(root)!r}), [{str(file)!r}], engine='here')"
    )
    assert subprocess.run([sys.executable, "-c", text]).returncode == -signal.SIGKILL
    lake = Lake.open(root)
    done = ingest(lake, [file], engine="here")
    assert (done.repeated, done.scenes, done.tiles) == (len(MANY), len(MANY), 2)
    assert sorted(lake.arrow("runs")["status"].to_pylist()) == ["done", "killed"]
    assert contents(lake, ("scenes", "tiles")) == expected(MANY)


@pytest.mark.usefixtures("no_spark")
def test_a_run_behind_killed_ones_takes_in_what_is_new(tmp_path: Path) -> None:
    lake, other = (Lake.create(tmp_path / name) for name in ("lake", "other"))
    paths = [write_lines(tmp_path / f"{i}.ndjson", MANY[i::4]) for i in range(4)]
    ingest(lake, [paths[0]], engine="here")
    for path, last in zip(paths[1:3], ("scenes", "items"), strict=True):
        with killed_after(last):
            ingest(lake, [path], engine="here")
        lake.refresh()
    assert settle._made_of(lake) == lake.versions["items"] + 1, "of the first killed run's items"
    done = ingest(lake, [paths[3]], engine="here")
    assert (done.kept, done.groups_derived) == (10, 20)
    assert settle._made_of(lake) == lake.versions["items"]
    for path in paths:
        ingest(other, [path], engine="here")
    assert contents(lake) == contents(other)
    found = ledger.version_of(lake.root, "items")
    assert changes.made_from(lake.root, "scenes", "items", settle.MADE_OF_ITEMS) == found


def test_versions_of_what_a_killed_run_made_win(tmp_path: Path) -> None:
    lake, pair = Lake.create(tmp_path / "lake"), [sentinel2(strip=None), landsat()]
    with killed_after("scenes"):
        ingest(lake, [write_lines(tmp_path / "a.ndjson", pair)], engine="here")
    lake.refresh()
    newer = [sentinel2(), {**landsat(), "properties": {**landsat()["properties"], "gsd": 15.0}}]
    newer[1]["properties"]["deprecated"] = True
    done = ingest(lake, [write_lines(tmp_path / "b.ndjson", newer)], engine="here")
    assert (done.scenes, done.superseded, done.taken_out, done.tiles) == (1, 1, 1, 1)
    assert contents(lake, ("scenes", "tiles")) == expected([*pair, *newer])


def test_what_is_taken_out_is_counted_by_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items are looked at where one is withdrawn, and no more from then on."""
    lake, looked = Lake.create(tmp_path / "lake"), list[int]()
    count = touched.taken_out

    def watched(root: Root) -> int:
        looked.append(count(root))
        return looked[-1]

    monkeypatch.setattr(touched, "taken_out", watched)

    def come(*items: Doc) -> int:
        file = write_lines(tmp_path / f"{len(list(tmp_path.iterdir()))}.ndjson", items)
        done = ingest(lake, [file], engine="here")
        assert done.taken_out == count(lake.root)
        return done.taken_out

    def version(minute: int, **more: Any) -> Doc:
        item = naip()
        updated = f"2023-01-01T00:{minute:02}:00Z"
        return {**item, "properties": {**item["properties"], "updated": updated, **more}}

    assert come(version(5), landsat()) == 0
    assert looked == [], "nothing is withdrawn"
    assert come(version(6, deprecated=True)) == 1
    assert looked == [1]
    assert come(version(4), version(3)) == 3, "older ones, taken out when they come"
    assert come(version(7)) == 3, "a newer one is not"
    assert come(version(7), landsat()) == 3
    with lake.stage("scenes", "maintain"):
        compact(lake)
    assert come(version(2)) == 4
    with killed_after("items"):
        ingest(lake, [write_lines(tmp_path / "x.ndjson", [version(1)])], engine="here")
    lake.refresh()
    assert come(sentinel2()) == 5, "of the killed run too"
    assert looked == [1]
    write_anew(lake, random.Random(0))
    come(version(8))
    assert withdraw(lake, [landsat()["id"]]).taken_out == 6
    assert looked[-1] == 6


def test_what_only_spark_can_do_waits_for_it(tmp_path: Path) -> None:
    """Where no Spark can be: the items stand, the next run goes on from there."""
    pair = [sentinel2(), sentinel2(strip=None), naip()]
    file, root = write_lines(tmp_path / "a.ndjson", pair), tmp_path / "lake"
    text = (
        "import sys; from geosr_lake.scenes import settle; settle.MAX_TOGETHER = 1;"
        "from geosr_lake.lake import Lake; from geosr_lake.scenes.ingest import ingest;"
        "from geosr_lake.errors import EnvironmentProblemError as Problem\n"
        f"lake = Lake.create({str(root)!r}, tell=print)\n"
        f"try: ingest(lake, [{str(file)!r}], engine='here')\n"
        "except Problem as problem: print(problem)"
    )
    environment = {**os.environ, "JAVA_HOME": str(tmp_path / "nowhere")}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=environment
    )
    assert "Spark derives the scenes: very many items" in done.stdout
    assert "No Java was found" in done.stdout
    lake = Lake.open(root)
    assert (files(lake, "scenes"), lake.versions.get("items")) == (set(), None)
    on_disk = {path.name for path in (root / "tables" / "items").glob("*.parquet")}
    assert on_disk == files(lake, "items") != set()
    again = ingest(lake, [file], engine="here")
    assert (again.repeated, again.scenes) == (3, 2)
    assert contents(lake, ("scenes", "tiles")) == expected(pair)
