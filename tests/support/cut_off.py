"""Runs without a JVM that are cut off, files that are written anew, and what must be there then."""

import copy
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from stac_items import FOLDER, SCENES, TILES, box, landsat, modis, naip, records, sentinel2

from geosr_lake.archives import normalise
from geosr_lake.lake import Lake, datafiles, deltalog, ledger, runs
from geosr_lake.scenes import derive, tiles
from geosr_lake.scenes.reading import item_schema

TABLES = ("items", "scenes", "tiles")
KEY = ("archive", "collection", "item_id", "content_hash")
Doc = dict[str, Any]


Write = tuple[ModuleType, str]


class Killed(BaseException):
    """Stands for the end of the process.

    What a run that fails would still write and tidy is left undone; only its lock is given back,
    since this process lives on.
    """


@contextmanager
def killed(writes: Iterable[Write], ends: Callable[..., bool]) -> Iterator[None]:
    """Let a run end after one of its writes; it may end earlier.

    Args:
        writes: Functions that write to tables.
        ends: Told the arguments of each write that is done; whether it was the last one.
    """
    dead = []

    def ending(write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: Any, **options: Any) -> None:
            write(*args, **options)
            if ends(*args):
                dead.append(True)
                raise Killed

        return wrapped

    def while_alive(tidies: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: None if dead else tidies(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module, name in writes:
            patch.setattr(module, name, ending(getattr(module, name)))
        for module, name in ((runs, "end"), (datafiles, "sweep")):
            patch.setattr(module, name, while_alive(getattr(module, name)))
        with suppress(Killed):
            yield


def killed_after(table: str) -> AbstractContextManager[None]:
    """Let a run end when it has written to a table, if it does."""
    return killed([(deltalog, "commit")], lambda _, name, *_rest: name == table)


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


def files(lake: Lake, table: str) -> set[str]:
    """The data files of a table as it is now."""
    version = ledger.version_of(lake.root, table)
    return set() if version is None else set(ledger.files_of(lake.root, table, version))


def write_anew(lake: Lake, rng: random.Random) -> None:
    """Write all items, mixed, to one file in the place of all others, as a change of rows."""
    rows = ledger.read(lake.root, "items")
    mixed = rows.take(pa.array(rng.sample(range(len(rows)), len(rows)), pa.int64()))
    gone = files(lake, "items")
    if gone:
        come = datafiles.write(lake.root, "items", mixed, "anew")
        deltalog.commit(lake.root, "items", come, sorted(gone))


def compact(lake: Lake) -> None:
    """Write all items to one file without a change of rows, as upkeep does."""
    found = ledger.open_table(lake.root, "items")
    if found is not None:
        found.optimize.compact()


def contents(lake: Lake, tables: Iterable[str] = TABLES) -> dict[str, list[str]]:
    """The rows, but for what tells of the run."""
    found = {}
    for table in tables:
        rows = lake.arrow(table)
        of_run = [name for name in ("run_id", "ingested_at") if name in rows.column_names]
        found[table] = sorted(repr(row) for row in rows.drop_columns(of_run).to_pylist())
    return found


def expected(came: Iterable[Doc]) -> dict[str, list[str]]:
    """Scenes and tiles of all items that ever came, by the pure functions over all of them."""
    rows = pa.Table.from_batches([normalise(records(came), item_schema(), folder=FOLDER)])
    withdrawn: dict[tuple[str, ...], str] = {}
    names = [tuple(row[part] for part in KEY) for row in rows.to_pylist()]
    outcomes, ages = rows["outcome"].to_pylist(), rows["version_key"].to_pylist()
    for (*name, _), outcome, age in zip(names, outcomes, ages, strict=True):
        if outcome == "withdrawn":
            withdrawn[tuple(name)] = max(age[3:], withdrawn.get(tuple(name), ""))
    counts = {
        name: i  # the same item twice is one
        for i, name in enumerate(names)
        if outcomes[i] == "kept" and ages[i][3:] > withdrawn.get(name[:3], "")
    }
    items = rows.take(pa.array(np.array(sorted(counts.values()), np.int64)))
    scenes = derive.derive(items, SCENES) if counts else SCENES.empty_table()
    made = {"scenes": scenes, "tiles": tiles.derive(scenes, TILES)}
    return {table: sorted(map(repr, found.to_pylist())) for table, found in made.items()}
