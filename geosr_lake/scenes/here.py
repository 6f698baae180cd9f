"""The new items of files into `items`, in this process and processes of its own, without a JVM.

Memory holds neither the items nor their keys: rows are in data files from the moment that they are
made (`staging`), and their keys, by which it is decided at the end which of them are new, are in
parts (`records`).
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.archives import Unit, first_records, plan_units
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, Progress, deltalog, ledger
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.datafiles import DataFile
from geosr_lake.lake.tables import Txn
from geosr_lake.scenes import accounts, staging
from geosr_lake.scenes.accounts import FileCounts, Tally
from geosr_lake.scenes.pool import Pool
from geosr_lake.scenes.records import Decided, Records
from geosr_lake.scenes.selection import Selection
from geosr_lake.scenes.staging import Asked
from geosr_lake.scenes.stretches import within
from geosr_lake.scenes.watched import spoken

NOTE_S = 0.25
"""Seconds between two words on how far the reading is."""
HELD_ROWS = 50_000
"""Items of the lake that are compared at a time."""


def add_items(
    lake: Lake,
    files: Sequence[str],
    run_id: str,
    names: Mapping[str, str],
    selection: Selection,
    steps: Progress,
    pool: Pool,
) -> tuple[FileCounts, ...]:
    """Append the items of `files` that the lake does not hold; return the counts of each file.

    Does what `geosr_lake.scenes.spread.add_items` does with Spark; row for row the same. Files that
    an error leaves have the run's id in their names: see `datafiles.sweep`.
    """
    units = plan_units(files)
    if selection.max_items is not None:
        units = list(first_records(units, selection.max_items))
    asked = Asked(lake.root, selection, names, run_id, datetime.now(UTC))
    with Records() as records:
        staged = _read(asked, units, steps, pool, records)
        for held in _held(lake, records):
            records.add_held(held)
        decided = records.decided()
    tallies = [*decided.tallies, *(Tally(file, KEPT, None, 0) for file in files)]
    named = [replace(tally, path=names.get(tally.path, tally.path)) for tally in tallies]
    counts = accounts.by_file(named)
    come = _kept(asked, decided, staged, pool)
    if come:
        deltalog.commit(lake.root, "items", come, txn=Txn(decided.name))
    return counts


def _read(
    asked: Asked, units: Sequence[Unit], steps: Progress, pool: Pool, records: Records
) -> dict[str, DataFile]:
    """Have the units read, and their records added; return the data files by name."""
    of_file = Counter(unit.path for unit in units)
    steps.start(f"Reading {len(of_file):,} files of items, by parts", len(units) or None)
    staged: dict[str, DataFile] = {}
    done: dict[str, tuple[int, int]] = {}
    begun = told = time.monotonic()
    tasks = ((asked, task) for task in staging.in_tasks(units, pool.size))
    for said in pool.run(staging.stage, tasks):
        if isinstance(said, DataFile):
            staged[said.path] = said
            continue
        records.add(said)
        ended, count = done.get(said.path, (0, 0))
        done[said.path] = (ended + said.ended, count + said.records)
        if said.ended:
            steps.advance()
        # What is spoken is summed over all files: not at every one of many small ones.
        if time.monotonic() - told > NOTE_S:
            told = time.monotonic()
            steps.note(spoken(done, of_file, told - begun))
    steps.note(spoken(done, of_file, time.monotonic() - begun))
    return staged


def _held(lake: Lake, records: Records) -> Iterator[staging.Digests]:
    """Yield the digests of the items that the lake has of the days of the records.

    Equal items have equal times, or none: what lies outside is not read, nor are the items without
    a time, which are all that were not kept, where no record lacks one.
    """
    version, near = ledger.version_of(lake.root, "items"), []
    if records.timeless:
        near.append(pc.field("t_start").is_null())
    if records.days:
        near.append(within(records.days))
    if version is None or not near:
        return
    key = list(contract("items").key)
    for batch in ledger.batches(
        lake.root, "items", version, columns=key, where=reduce(or_, near), most=HELD_ROWS
    ):
        if batch.num_rows:
            yield staging.digests(pa.Table.from_batches([batch]))


def _kept(
    asked: Asked, decided: Decided, staged: Mapping[str, DataFile], pool: Pool
) -> list[DataFile]:
    """Return data files of the new rows; other rows are in none."""
    whole, mixed = [], []
    for path, keep in decided.keep.items():
        if keep.all():
            whole.append(staged[path])
        elif keep.any():
            mixed.append((asked.root, asked.run_id, path, keep))
        else:
            staging.discard(asked.root, "items", [path])
    return [*whole, *pool.run(staging.rewrite, mixed)]
