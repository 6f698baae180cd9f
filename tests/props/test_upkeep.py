"""A lake that grew in any order, with kills in between, is the lake that is built at once.

What happens to the lake is drawn at random; what must be in it is told from the items alone: the
rule of withdrawals in four lines of Python, a lake that is built from what is left in one run,
and the pairs by brute force.
"""

import copy
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cut_off import killed
from pairs_oracle import brute_force
from pairs_world import DAY_US, pairs_of, recipe
from pyspark.sql import SparkSession
from stac_items import box, naip, row, sentinel2, write_lines

from geosr_lake.lake import Lake, arrow, commits, deltalog, tables
from geosr_lake.pairs.build import PairsSummary, build
from geosr_lake.scenes.ingest import ingest
from geosr_lake.scenes.withdraw import withdraw

pytestmark = pytest.mark.spark

RULE = recipe("sentinel2", "naip", "3 d")
COMPARED = ("scenes", "tiles", "tile_pairs", "pairs")
WRITES = [(m, name) for m in (arrow, tables) for name in ("append", "apply", "replace")]
WRITES.append((deltalog, "commit"))
Doc = dict[str, Any]


def killed_after(writes: int) -> AbstractContextManager[None]:
    """Let a run end after so many writes to tables, before it can commit; it may end earlier."""
    left = count(writes - 1, -1)
    return killed(WRITES, lambda *_: next(left) == 0)


def sentinel2_doc(rng: random.Random) -> Doc:
    day = f"202408{rng.randint(1, 9):02}"
    west, south = -106.2 + rng.choice([0, 0.4]), 40.5 + rng.choice([0, 0.3])
    return sentinel2(
        tile=rng.choice(["13TDE", "13TEE"]),
        sensed=f"{day}T180011",
        strip=rng.choice([None, f"{day}T180500", f"{day}T180700"]),
        geometry=box(west, south, west + rng.choice([0.5, 1.3]), south + 1),
    )


def naip_doc(rng: random.Random) -> Doc:
    doc = naip(
        quad=rng.choice(["4010501", "4110502"]),
        quarter=rng.choice(["sw", "se"]),
        day=f"202408{rng.randint(1, 9):02}",
        state=rng.choice(["co", "ne"]),
    )
    west = -106 + rng.choice([0, 0.5, 0.9])
    doc["geometry"] = box(west, 41, west + 0.1, 41 + rng.choice([0.05, 0.1]))
    return doc


class World:
    """A lake, and all that ever came to it.

    Attributes:
        docs: The items that came, in order.
        withdrawn: Name of an item -> the newest age that it was withdrawn up to.
    """

    def __init__(self, lake: Lake, seed: int, folder: Path) -> None:
        self.lake, self.folder, self.rng = lake, folder, random.Random(seed)
        self.docs: list[Doc] = []
        self.withdrawn: dict[tuple[str, str, str], str] = {}
        self._files = count()

    def file(self, docs: list[Doc]) -> Path:
        return write_lines(self.folder / f"{next(self._files)}.ndjson", docs)

    def _ingest(self, docs: list[Doc]) -> None:
        """Most often as a user's command would, sometimes with Spark."""
        engine = self.rng.choice(["auto", "auto", "spark"])
        ingest(self.lake, [self.file(docs)], engine=engine)

    def _bring(self, docs: list[Doc]) -> None:
        self.docs += docs
        self._ingest(docs)

    def ingest(self) -> None:
        """New items, some of days before those that are there."""
        kinds = [sentinel2_doc, naip_doc, *self.rng.choices([sentinel2_doc, naip_doc], k=4)]
        self._bring([kind(self.rng) for kind in kinds])

    def again(self) -> None:
        """Items that the lake has; and the command once more."""
        before = self.lake.versions
        self._ingest(self.rng.choices(self.docs, k=5))
        build(self.lake, RULE)
        build(self.lake, RULE)
        same = {k: v for k, v in self.lake.versions.items() if k in ("items", "scenes", "tiles")}
        assert same.items() <= before.items()

    def _newer(self) -> Doc:
        doc = copy.deepcopy(self.rng.choice(self.docs))
        doc["properties"]["updated"] = f"2025-{self.rng.randint(1, 12):02}-01T00:00:00Z"
        west, south, *_, north = (*doc["geometry"]["coordinates"][0][0], 41.2)
        doc["geometry"] = box(west, south, west + self.rng.choice([0.1, 0.7]), north)
        doc["properties"].pop("deprecated", None)
        return doc

    def reprocess(self) -> None:
        """An item in a newer version, which lies elsewhere."""
        self._bring([self._newer()])

    def deprecate(self) -> None:
        """An item that its archive takes back, as it was served or newer."""
        doc = self.rng.choice([copy.deepcopy(self.rng.choice(self.docs)), self._newer()])
        doc["properties"]["deprecated"] = True
        self._bring([doc])

    def withdraw(self) -> None:
        """An item that the user takes back."""
        kept = [r for r in map(row, self.docs) if r["outcome"] == "kept"]
        item_id = self.rng.choice(kept)["item_id"]
        for one in kept:
            if one["item_id"] == item_id and not self.is_gone(one):
                self._note(one)
        withdraw(self.lake, [item_id])

    def killed_ingest(self) -> None:
        """A run that ends somewhere; the items come again later, or never: then they stay."""
        docs = [naip_doc(self.rng), sentinel2_doc(self.rng), self._newer()]
        self.docs += docs
        with killed_after(self.rng.randint(1, 4)):
            self._ingest(docs)

    def killed_build(self) -> None:
        """A build that ends after it wrote, between others or not."""
        with killed_after(self.rng.randint(1, 2)):
            build(self.lake, RULE)

    def build(self) -> None:
        build(self.lake, RULE)

    def compact(self) -> None:
        """All files of `scenes` are written anew, without a change.

        Not while rows of a killed run wait: `geosr lake maintain` leaves such tables alone too.
        """
        if commits.unfinished(self.lake.root, "scenes"):
            return
        with self.lake.stage("scenes", "test"):
            path = tables.table_path(self.lake.root, "scenes")
            self.lake.spark.sql(f"OPTIMIZE delta.`{path}`")

    def _note(self, one: dict[str, Any]) -> None:
        name, age = (one["archive"], one["collection"], one["item_id"]), one["version_key"][3:]
        self.withdrawn[name] = max(age, self.withdrawn.get(name, ""))

    def is_gone(self, one: dict[str, Any]) -> bool:
        up_to = self.withdrawn.get((one["archive"], one["collection"], one["item_id"]))
        return up_to is not None and one["version_key"][3:] <= up_to

    def surviving(self) -> list[Doc]:
        """The items that count, whatever came first."""
        rows = [(doc, row(doc)) for doc in self.docs]
        for _, one in rows:
            if one["outcome"] == "withdrawn":
                self._note(one)
        return [doc for doc, one in rows if one["outcome"] == "kept" and not self.is_gone(one)]


def contents(lake: Lake, table: str) -> list[str]:
    rows = lake.arrow(table)
    return sorted(repr(one) for one in rows.to_pylist())


def side(scenes: pa.Table, sensor: str) -> pa.Table:
    return scenes.filter(pa.compute.equal(scenes["sensor"], sensor))


def check(world: World, summary: PairsSummary) -> None:
    """The lake is the one that is built at once from what counts, and its pairs are all."""
    at_once = Lake.create(world.folder / "at_once")
    ingest(at_once, [world.file(world.surviving())])
    build(at_once, RULE)
    for table in COMPARED:
        assert contents(world.lake, table) == contents(at_once, table), table
    scenes = world.lake.arrow("scenes")
    truth = brute_force(side(scenes, "sentinel2"), side(scenes, "naip")).inside(3 * DAY_US)
    found = pairs_of(world.lake.arrow("pairs").to_pylist())
    assert {key: gap for key, (gap, _) in found.items()} == truth
    assert summary.pairs == len(found)


def happen(world: World, events: list[str]) -> PairsSummary:
    """Let `events` happen, and bring the pairs up to date."""
    for name in events:
        getattr(world, name)()
    # What a killed run left is finished by the next one, even with nothing to do.
    ingest(world.lake, [world.file([])])
    return build(world.lake, RULE)


@pytest.fixture
def few_partitions(spark: SparkSession) -> Iterator[None]:
    key = "spark.sql.shuffle.partitions"
    before = spark.conf.get(key)
    spark.conf.set(key, 2)
    yield
    spark.conf.set(key, before)


EVENTS = (
    *("ingest", "again", "reprocess", "deprecate", "withdraw", "killed_ingest", "killed_build"),
    *("build", "compact"),
)


@pytest.mark.slow
@pytest.mark.usefixtures("few_partitions")
def test_what_happened_in_any_order_is_the_lake_that_is_built_at_once(
    lake: Lake, tmp_path: Path
) -> None:
    world = World(lake, 11, tmp_path)
    events = [name for name in EVENTS if name not in ("again", "ingest")]
    world.rng.shuffle(events)
    summary = happen(world, ["ingest", "build", *events])
    check(world, summary)
    assert not summary.from_nothing
    assert build(lake, RULE, anew=True).changed is False


@pytest.mark.slow
@pytest.mark.usefixtures("few_partitions")
@pytest.mark.parametrize("seed", range(10))
def test_long_random_histories(lake: Lake, tmp_path: Path, seed: int) -> None:
    world = World(lake, seed, tmp_path)
    events = world.rng.choices(EVENTS, k=10)
    summary = happen(world, ["ingest", "build", *events])
    check(world, summary)
    assert build(lake, RULE, anew=True).changed is False
