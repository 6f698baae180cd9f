"""An ingest without a JVM: processes, what an error leaves, a lake in a bucket, the choice."""

import dataclasses
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pool_work
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from object_store import BUCKET, object_store
from stac_items import box, landsat, naip, sentinel2, table, write_lines

from geosr_lake.errors import GeoSRError, LockedError, UsageError
from geosr_lake.lake import Lake, datafiles, deltalog, ledger, tables
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.lake.tables import Txn
from geosr_lake.scenes import engine, here, pool, settle
from geosr_lake.scenes.derive import derive
from geosr_lake.scenes.ingest import ingest
from geosr_lake.scenes.records import Records
from geosr_lake.scenes.selection import Selection
from geosr_lake.scenes.staging import digests, in_tasks, keys_of
from geosr_lake.scenes.upsert import difference

TABLES = ("items", "scenes", "tiles")


@pytest.fixture
def new(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def on_disk(lake: Lake) -> dict[str, int]:
    return {t: len(list((lake.root / "tables" / t).glob("*.parquet"))) for t in TABLES}


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes find what they are to run."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_work.__file__).parent))


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_pool_gives_what_tasks_say(processes: int) -> None:
    with pool.pool_of(processes) as found:
        assert sorted(found.run(pool_work.squares, [(1,), (2,), (0,), (2,)])) == [0, 0, 0, 1, 1]
        assert list(found.run(pool_work.squares, [])) == []
        with pytest.raises(UsageError, match="three"):
            list(found.run(pool_work.squares, [(3,)]))


@pytest.mark.usefixtures("importable")
def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pool.pool_of(2) as found, pytest.raises(GeoSRError, match="ValueError: four"):
        list(found.run(pool_work.squares, [(4,)]))
    with pool.pool_of(2) as found, pytest.raises(GeoSRError, match="died"):
        list(found.run(pool_work.squares, [(5,), (1,)]))


def test_no_jvm_and_no_pyspark(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.ndjson", [naip(state="co"), naip(state="ne"), landsat()])
    text = (
        "import sys; from geosr_lake.lake import Lake; from geosr_lake.scenes.ingest import ingest;"
        "from geosr_lake.scenes.withdraw import withdraw;"
        f"lake = Lake.create({str(tmp_path / 'lake')!r}); ingest(lake, [{str(path)!r}]);"
        f"withdraw(lake, [{naip(state='co')['id']!r}]);"
        "sys.exit('pyspark' in sys.modules or 'py4j' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", text], check=True)


@pytest.mark.parametrize("cut", ["items", "scenes", "tiles"])
def test_an_error_leaves_no_file(
    new: Lake, tmp_path: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "a.ndjson", [naip(state="co"), naip(state="ne"), landsat()])
    real = deltalog.commit

    def commit(root: Any, name: str, *args: Any, **options: Any) -> None:
        if name == cut:
            raise OSError("no space left")
        real(root, name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(deltalog, "commit", commit)
        with pytest.raises(OSError, match="no space"):
            ingest(new, [path])
    names = [name for name, count in on_disk(new).items() if count]
    assert names == list(TABLES[: TABLES.index(cut)])
    assert ingest(new, [path]).scenes == 2


def test_items_without_a_time_are_read_for_those_without_one(new: Lake, tmp_path: Path) -> None:
    """What was not kept, however much there is, costs an ingest of sound items nothing."""
    broken = [{**naip(quarter=q), "geometry": None} for q in ("ne", "nw")]
    ingest(new, [write_lines(tmp_path / "a.ndjson", [*broken, naip()])])
    rows = new.arrow("items").append_column("position", pa.array(range(3), pa.int64()))
    is_kept = pc.equal(rows["outcome"], "kept")
    kept, lost = rows.filter(is_kept), rows.filter(pc.invert(is_kept))
    for some, expected in ((kept, kept), (lost, lost), (rows, rows), (rows.slice(0, 0), None)):
        with Records() as records:
            records.add(keys_of(some, "a", "b"))
            found = [pair for part in here._held(new, records) for pair in part.tolist()]
        assert sorted(found) == sorted(digests(expected).tolist() if expected else [])
    again = ingest(new, [write_lines(tmp_path / "b.ndjson", [*broken, naip(quarter="se")])])
    assert (again.repeated, again.kept) == (2, 1)


def test_an_item_is_known_whose_time_the_log_cuts_off(new: Lake, tmp_path: Path) -> None:
    """Spark's log keeps the greatest time of a file to the millisecond, cut off."""
    ingest(new, [write_lines(tmp_path / "a.ndjson", [landsat()])])
    assert landsat()["properties"]["datetime"].endswith(":11.903003Z")
    (file,) = datafiles.write(new.root, "items", new.arrow("items"), "cut")
    stats = json.loads(file.stats)
    stats["maxValues"]["t_start"] = stats["minValues"]["t_start"]
    assert stats["maxValues"]["t_start"].endswith(":11.903Z")
    gone = ledger.files_of(new.root, "items", new.versions["items"])
    come = [dataclasses.replace(file, stats=json.dumps(stats))]
    deltalog.commit(new.root, "items", come, list(gone))
    done = ingest(new, [write_lines(tmp_path / "b.ndjson", [landsat(), landsat(day="20240924")])])
    assert (done.kept, done.repeated) == (1, 1)


def test_an_entry_of_the_log_is_written_once(new: Lake, tmp_path: Path) -> None:
    rows = derive(table(naip(), landsat()), arrow_schema("scenes"))
    come = datafiles.write(new.root, "scenes", rows, "test")
    deltalog.commit(new.root, "scenes", come, txn=Txn("a"))
    deltalog.commit(new.root, "scenes", come, txn=Txn("a"))
    assert ledger.version_of(new.root, "scenes") == 1
    assert ledger.read(new.root, "scenes").num_rows == 2
    deltalog.commit(new.root, "scenes", [], [file.path for file in come], txn=Txn("a", 2))
    assert ledger.read(new.root, "scenes").num_rows == 0
    with pytest.raises(LockedError, match="Another writer made version 2 of scenes"):
        deltalog._write(new.root, "scenes", 2, [])
    log = Path(str(new.root)) / "tables" / "scenes" / "_delta_log"
    assert sorted(path.name for path in log.iterdir()) == [f"{v:020}.json" for v in range(3)]


def test_what_differs(tmp_path: Path) -> None:
    schema = arrow_schema("scenes")
    quarters = [naip(quarter=quarter) for quarter in ("nw", "ne", "sw")]
    held = derive(table(*quarters), schema)
    same, gone = difference(held, held, "scenes")
    assert (same.num_rows, len(gone)) == (0, 0)
    other = {**quarters[0], "properties": {**quarters[0]["properties"], "gsd": 1.0}}
    made = derive(table(other, quarters[1], naip(quarter="se")), schema)
    come, gone = difference(made, held, "scenes")
    of = {row["item_id"]: row["scene_id"] for row in (*held.to_pylist(), *made.to_pylist())}
    assert sorted(come["scene_id"].to_pylist()) == sorted(
        [of[quarters[0]["id"]], of[naip(quarter="se")["id"]]]
    )
    assert sorted(gone.to_pylist()) == sorted([of[quarters[0]["id"]], of[quarters[2]["id"]]])
    assert (
        difference(held.slice(0, 0), held, "scenes")[1].to_pylist() == held["scene_id"].to_pylist()
    )


def test_scenes_made_alone_are_those_of_the_pure_function() -> None:
    items = table(naip(), naip(quarter="se"), landsat(), sentinel2())
    made = settle.as_scenes(items).sort_by("scene_id")
    assert made.equals(derive(items, arrow_schema("scenes")).sort_by("scene_id"))


def test_keys_differ_where_their_parts_do() -> None:
    parts = [["a\n", "b", "c", "d"], ["a", "\nb", "c", "d"], ["a", "b", "c", "d"]]
    names = ["archive", "collection", "item_id", "content_hash"]
    from pyarrow import Table

    found = digests(Table.from_pylist([dict(zip(names, p, strict=True)) for p in parts * 2]))
    assert found[:3].tolist() == found[3:].tolist()
    assert len({tuple(pair) for pair in found.tolist()}) == 3


def test_units_in_tasks() -> None:
    from geosr_lake.archives import Unit

    large = [Unit("a", "lines", start=i, stop=i + 1) for i in range(9)]
    small = [Unit(f"{i}", "json") for i in range(300)]
    assert [len(task) for task in in_tasks(large, 1)] == [4, 4, 1]
    assert [len(task) for task in in_tasks(small, 1)] == [256, 44]
    assert [len(task) for task in in_tasks(small, 2)] == [38] * 7 + [34]
    assert [len(task) for task in in_tasks(small[:6], 2)] == [1] * 6, "each may be large"
    assert [unit for task in in_tasks([*large, *small], 2) for unit in task] == [*large, *small]
    assert in_tasks([], 2) == []


def test_outside_is_told_of_rows() -> None:
    rows = table(naip(), sentinel2(geometry=box(10, 40, 11, 41)))
    assert Selection().outside_of(rows) is None
    west = Selection(bbox=(-180, -90, 0, 90)).outside_of(rows)
    assert west is not None
    assert west.tolist() == [False, True]
    far = table(*(sentinel2(geometry=box(w, 0, w + 1, 1)) for w in (-179.5, 0, 179)))
    over = Selection(bbox=(178, -5, -178, 5)).outside_of(far)
    assert over is not None
    assert over.tolist() == [False, True, False]
    both = {"type": "MultiPolygon", "coordinates": [
        box(*at)["coordinates"] for at in ((179, 64, 180, 66), (-180, 64, -179, 66))
    ]}  # fmt: skip
    round_the_earth = table(sentinel2(tile="60WWT", geometry=both), naip())
    for where, left_out in (
        ((5, 60, 15, 70), True), ((178, 60, 180, 70), False), ((-180, 60, -179.5, 70), False),
        ((179.5, 60, -175, 65), False), ((170, 60, 178, 70), True), ((178, 0, 180, 10), True),
    ):  # fmt: skip
        found = Selection(bbox=where).outside_of(round_the_earth)
        assert found is not None
        assert found.tolist() == [left_out, True]
    day = Selection(days=(date(2024, 8, 3), date(2024, 8, 3))).outside_of(rows)
    assert day is not None
    assert day.tolist() == [True, False]


def test_the_choice(new: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = str(write_lines(tmp_path / "a.ndjson", [naip(), landsat()]))
    packed = str(write_lines(tmp_path / "b.ndjson.gz", [naip(), landsat()] * 9))
    assert engine.choose(new, [text, packed], "auto") == engine.Choice(spark=False)
    assert engine.choose(new, [], "auto") == engine.Choice(spark=False)
    assert engine.choose(new, [text], "spark").spark
    about = engine.items_about([engine.survey(path) for path in (text, packed)])
    assert about >= 2
    monkeypatch.setattr(engine, "MAX_ITEMS_HERE", about)
    assert not engine.choose(new, [text, packed], "auto").spark
    monkeypatch.setattr(engine, "MAX_ITEMS_HERE", about - 1)
    chosen = engine.choose(new, [text, packed], "auto")
    assert chosen.spark
    assert f"more than {about - 1}" in chosen.why
    assert not engine.choose(new, [text, packed], "here").spark
    monkeypatch.setattr(engine, "PARALLEL_BYTES", 1)
    monkeypatch.setattr(engine, "cores", lambda: 3)
    assert engine.choose(new, [text], "here").processes == 3


def test_how_many_items(tmp_path: Path) -> None:
    text = write_lines(tmp_path / "a.ndjson", [naip()] * 50)
    (tmp_path / "b.ndjson.gz").write_bytes(b"no gzip")
    (tmp_path / "c.ndjson").write_bytes(b"")
    (tmp_path / "d.json").write_bytes(b" " * 8_500)

    def about(*names: str) -> int:
        return engine.items_about([engine.survey(str(tmp_path / name)) for name in names])

    assert about(text.name) == 50
    assert about(text.name, "b.ndjson.gz", "c.ndjson") == 50
    assert about("d.json") == 2
    assert about() == about("c.ndjson") == 0


def test_a_lake_in_a_bucket(tmp_path: Path) -> None:
    first = [naip(state="co"), naip(state="ne"), landsat(), sentinel2(strip=None)]
    second = [sentinel2(), naip(quarter="se"), first[0]]
    files = [write_lines(tmp_path / f"{i}.ndjson", docs) for i, docs in enumerate((first, second))]
    here = Lake.create(tmp_path / "lake")
    with object_store() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        lake = Lake.create(f"s3://{BUCKET}/ingested/lake")
        for file in files:
            one, other = ingest(lake, [file], engine="here"), ingest(here, [file])
            assert (one.scenes, one.superseded, one.tiles) == (
                other.scenes,
                other.superseded,
                other.tiles,
            )
        for name in ("scenes", "tiles"):
            key = "scene_id" if name == "scenes" else "extent_id"
            assert lake.arrow(name).sort_by(key).equals(here.arrow(name).sort_by(key))
        version = ledger.version_of(lake.root, "items")
        assert version == 2
        with pytest.raises(LockedError):
            deltalog._write(lake.root, "items", 2, [])
        assert tables.exists(lake.root, "scenes")
