"""Processes that ingest at once, and SIGKILL at random moments: no duplicate and no loss.

Every process has a JVM of its own, warm before it is used: the moments of the kills fall into the
stages, not into the start of Spark. Thirty kills fall on both engines in turn.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lake_v1_world as world
import pytest
from lake_worker import Worker

from geosr_lake.lake import Lake, commits, ledger
from geosr_lake.lake.contracts import contract, contracts

pytestmark = [pytest.mark.fault, pytest.mark.spark]

RUN_COLUMNS = {"source_file", "run_id", "ingested_at"}
STAGES = ["ingest", "pairs", "manifest"]
SHORT = STAGES[:2]
TABLES = ("items", "scenes", "tiles", "tile_pairs", "pairs", "candidates", "draws", "funnel")
TABLES += ("manifest", "manifests", "sites", "site_cover")
WAIT_S = 300.0


@pytest.fixture(scope="module")
def pool() -> Iterator[list[Worker]]:
    """Two processes that stay."""
    workers = [Worker(), Worker()]
    for worker in workers:
        worker.ready()
    yield workers
    for worker in workers:
        worker.kill()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three files of items, and the land cover."""
    top = tmp_path_factory.mktemp("sources")
    found = {n: world.sources(top / n, getattr(world, n)()) for n in ("first", "second", "third")}
    return found | {"land_cover": world.land_cover(top / "land_cover.tif")}


Control = tuple[dict[str, Any], float]


def serial(
    worker: Worker, files: dict[str, Path], root: Path, stages: list[str], engine: str = "auto"
) -> Control:
    """Run everything one after the other; return what it leaves, and the seconds it took."""
    sources = [files[name] for name in ("first", "second", "third")]
    began = time.monotonic()
    more = {"sources": sources, "land_cover": files["land_cover"], "engine": engine}
    worker.run(root, stages, **more)
    return contents(root), time.monotonic() - began


@pytest.fixture(scope="module")
def control(
    pool: list[Worker], files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Control:
    """Of scenes and pairs."""
    return serial(pool[0], files, tmp_path_factory.mktemp("control") / "lake", SHORT)


def contents(root: Path, tables: tuple[str, ...] = TABLES) -> dict[str, Any]:
    """The committed rows of the tables, without what tells of the run, in order."""
    lake = Lake.open(root)
    found = {}
    for table in tables:
        rows = lake.arrow(table)
        rows = rows.drop_columns(sorted(RUN_COLUMNS & set(rows.column_names))).to_pylist()
        key = contract(table).key
        found[table] = sorted(rows, key=lambda row, key=key: [str(row[name]) for name in key])
    return found


def check(root: Path) -> None:
    """Every table is readable and has each key once; the views agree with each other."""
    if not (root / "tables").is_dir():
        return
    for table, terms in contracts().items():
        rows = ledger.read(root, table, columns=list(terms.key)).to_pylist()
        twice = [k for k, n in Counter(tuple(row.values()) for row in rows).items() if n > 1]
        assert not twice, (table, twice)
    lake = Lake.open(root)
    items = [row for row in lake.arrow("items").to_pylist() if row["outcome"] == "kept"]
    scenes = lake.arrow("scenes").to_pylist()
    assert len(items) == len(scenes) + sum(len(row["superseded"]) for row in scenes)
    known = {row["scene_id"] for row in scenes}
    tiles = {
        (row["sensor"], row["tile"]): row["scene_count"] for row in lake.arrow("tiles").to_pylist()
    }
    assert tiles == Counter((row["sensor"], row["tile"]) for row in scenes)
    pairs = lake.arrow("pairs").to_pylist()
    assert {row[side] for row in pairs for side in ("lr_scene_id", "hr_scene_id")} <= known
    chosen = lake.arrow("manifest").to_pylist()
    assert {row["pair_id"] for row in chosen} <= {row["pair_id"] for row in pairs}
    counted = {
        row["manifest_id"]: row["sample_count"] + row["reserve_count"]
        for row in lake.arrow("manifests").to_pylist()
    }
    assert Counter(row["manifest_id"] for row in chosen) == counted


SHARES = {
    "same": [["first", "second", "third"]] * 4,
    "overlapping": [["first", "second"], ["second", "third"], ["first", "third"], ["second"]],
    "disjoint": [["first", "third"], ["second"], [], []],
}


def at_once(
    workers: list[Worker], root: Path, share: str, files: dict[str, Path], wait_s: float
) -> list[str]:
    """Let every process ingest its share into a lake that is not there yet; return the refusals."""
    jobs = [
        (worker, [files[name] for name in names])
        for worker, names in zip(workers, SHARES[share], strict=False)
        if names
    ]
    for worker, sources in jobs:
        worker.begin(root, ["ingest"], sources=sources, wait_s=wait_s)
    answers = [(worker, sources, worker.answer()) for worker, sources in jobs]
    refused = [error for _, _, error in answers if error is not None]
    assert len(refused) < len(jobs), refused
    for worker, sources, error in answers:
        if error is not None:
            worker.run(root, ["ingest"], sources=sources)
    return refused


def all_shares(share: str, number: int) -> set[str]:
    return {name for names in SHARES[share][:number] for name in names}


@pytest.mark.parametrize(
    ("share", "wait_s"),
    [
        pytest.param("same", WAIT_S, marks=pytest.mark.slow),
        ("overlapping", 0.0),
        pytest.param("disjoint", WAIT_S, marks=pytest.mark.slow),
    ],
)
def test_two_at_once_are_a_serial_run_or_a_refusal(
    pool: list[Worker],
    files: dict[str, Path],
    control: Control,
    tmp_path: Path,
    share: str,
    wait_s: float,
) -> None:
    tables = ("items", "scenes", "tiles")
    assert all_shares(share, 2) == {"first", "second", "third"}
    refused = at_once(pool, tmp_path / "lake", share, files, wait_s)
    if wait_s:
        assert refused == []
    for error in refused:
        assert error.startswith("LockedError: scenes is being written by process ")
    check(tmp_path / "lake")
    assert contents(tmp_path / "lake", tables) == {t: control[0][t] for t in tables}


@pytest.mark.slow
def test_four_at_once_again_and_again(
    pool: list[Worker],
    files: dict[str, Path],
    control: Control,
    tmp_path: Path,
) -> None:
    tables = ("items", "scenes", "tiles")
    more = [Worker(), Worker()]
    try:
        four = [*pool, *(worker.ready() for worker in more)]
        for n in range(20):
            share, wait_s = list(SHARES)[n % 3], WAIT_S if n % 2 else 0.0
            root = tmp_path / str(n)
            refused = at_once(four[: 2 + 2 * (n % 4 != 3)], root, share, files, wait_s)
            assert not (wait_s and refused)
            check(root)
            assert contents(root, tables) == {t: control[0][t] for t in tables}, n
    finally:
        for worker in more:
            worker.kill()


def killed_at_random(
    finisher: Worker,
    files: dict[str, Path],
    controls: dict[str, Control],
    folder: Path,
    stages: list[str],
    *,
    kills: int,
) -> None:
    """Kill a process at a random moment of the stages; another one does the same again.

    Args:
        controls: What each engine leaves, and how long it takes; they take turns.
    """
    rng = random.Random(kills)
    sources = [files[name] for name in ("first", "second", "third")]
    job = {"sources": sources, "land_cover": files["land_cover"], "wait_s": 0.0}
    victims = [Worker(), Worker()]
    found = []
    try:
        for n in range(kills):
            root = folder / f"killed_{n}"
            victim = victims.pop(0).ready()
            if n + 2 < kills:
                victims.append(Worker())
            engine = list(controls)[n % len(controls)]
            expected, seconds = controls[engine]
            victim.begin(root, stages, **job, engine=engine)
            # The control was the first that its JVM ran, too.
            time.sleep(rng.uniform(0.0, 1.0) * seconds)
            victim.kill(whole=n // len(controls) % 2 == 0)  # its JVM too, in every other turn
            check(root)
            finisher.run(root, stages, **job, engine=engine)
            check(root)
            assert contents(root) == expected, n
            for stage in ("scenes", "pairs", "manifest"):
                assert commits.uncommitted(root, stage) == {}
            found += [row["status"] for row in ledger.read(root, "runs").to_pylist()]
    finally:
        for worker in victims:
            worker.kill()
    assert set(found) <= {"done", "killed", "failed"}
    assert "done" in found
    assert "killed" in found or kills < 30


def test_killed_at_random_moments_and_done_again(
    pool: list[Worker],
    files: dict[str, Path],
    control: Control,
    tmp_path: Path,
) -> None:
    killed_at_random(pool[0], files, {"auto": control}, tmp_path, SHORT, kills=3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_thirty_times(pool: list[Worker], files: dict[str, Path], tmp_path: Path) -> None:
    controls = {
        engine: serial(pool[0], files, tmp_path / engine, STAGES, engine)
        for engine in ("auto", "spark")
    }
    killed_at_random(pool[0], files, controls, tmp_path, STAGES, kills=30)
