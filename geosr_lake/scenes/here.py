"""The new items of files into `items`, in this process and processes of its own, without a JVM.

Memory holds the keys of the items that are read, not the items: their rows are in data files from
the moment that they are made (`staging`), and which of them are new is decided at the end.
"""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives import Unit, first_records, plan_units
from geosr_lake.archives.reasons import KEPT
from geosr_lake.lake import Lake, Progress, deltalog, ledger
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.datafiles import DataFile
from geosr_lake.lake.tables import Txn
from geosr_lake.scenes import accounts, staging
from geosr_lake.scenes.accounts import LEFT_OUT, READ, REPEATED, STATUSES, FileCounts, Tally
from geosr_lake.scenes.pool import Pool
from geosr_lake.scenes.selection import Selection
from geosr_lake.scenes.staging import Asked, Keys
from geosr_lake.scenes.watched import spoken


@dataclass(frozen=True)
class _Records:
    """All records that may become items.

    Attributes:
        rows: As in `Keys`, with `path` and `staged`: numbers in `paths` and `files`.
        paths: The files that they were read from.
        files: The data files that they lie in; the rows of each are in its order.
    """

    rows: pa.Table
    paths: list[str]
    files: list[str]


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
    found, staged = _read(asked, units, steps, pool)
    records = _together(found)
    status = _status(lake, records)
    tallies = [*_tallies(records, status), *_counted(found)]
    tallies += [Tally(file, KEPT, None, 0) for file in files]
    named = [replace(tally, path=names.get(tally.path, tally.path)) for tally in tallies]
    counts = accounts.by_file(named)
    is_new = status != STATUSES.index(REPEATED)
    come = _kept(asked, records, is_new, staged, pool)
    if come:
        deltalog.commit(lake.root, "items", come, txn=Txn(_named(records, is_new)))
    return counts


def _read(
    asked: Asked, units: Sequence[Unit], steps: Progress, pool: Pool
) -> tuple[list[Keys], dict[str, DataFile]]:
    """Have the units read; return what they held, and the data files by name."""
    of_file = Counter(unit.path for unit in units)
    steps.start(f"Reading {len(of_file):,} files of items, by parts", len(units) or None)
    found: list[Keys] = []
    staged: dict[str, DataFile] = {}
    done: dict[str, tuple[int, int]] = {}
    begun = time.monotonic()
    for said in pool.run(staging.stage, [(asked, task) for task in staging.in_tasks(units)]):
        if isinstance(said, DataFile):
            staged[said.path] = said
            continue
        found.append(said)
        read, records = done.get(said.path, (0, 0))
        done[said.path] = (read + 1, records + said.records)
        steps.advance()
        steps.note(spoken(done, of_file, time.monotonic() - begun))
    return found, staged


def _together(found: Sequence[Keys]) -> _Records:
    """Return the records of all units, those of a data file in its order."""
    paths = sorted({keys.path for keys in found})
    by_file: dict[str, list[Keys]] = defaultdict(list)
    for keys in found:
        by_file[keys.staged].append(keys)
    number = {path: i for i, path in enumerate(paths)}
    parts = [
        staging.NO_KEYS.append_column("path", pa.array([], pa.int32())).append_column(
            "staged", pa.array([], pa.int32())
        )
    ]
    for i, of_file in enumerate(by_file.values()):
        for keys in of_file:
            count = keys.rows.num_rows
            path = pa.repeat(pa.scalar(number[keys.path], pa.int32()), count)
            staged = pa.repeat(pa.scalar(i, pa.int32()), count)
            parts.append(keys.rows.append_column("path", path).append_column("staged", staged))
    return _Records(pa.concat_tables(parts).combine_chunks(), paths, list(by_file))


def _status(lake: Lake, records: _Records) -> NDArray[np.int8]:
    """Return the outcome of new records, `repeated` of others, as places in `STATUSES`.

    Of equal items of one run the first counts, by path and position in the file: which of them is
    read first does not matter.
    """
    rows = records.rows
    places = pc.index_in(rows["outcome"], value_set=pa.array(STATUSES))
    status = np.array(places, dtype=np.int8)
    if not rows.num_rows:
        return status
    order = np.lexsort((rows["position"].to_numpy(), rows["path"].to_numpy()))
    first = np.zeros(len(order), bool)
    first[order[_first_of_each(rows["digest"].take(pa.array(order)))]] = True
    held = pc.is_in(rows["digest"], value_set=_held(lake, rows)).to_numpy(zero_copy_only=False)
    status[~first | held] = STATUSES.index(REPEATED)
    return status


def _first_of_each(digests: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return where each digest comes first."""
    encoded = digests.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    _, where = np.unique(encoded.indices.to_numpy(), return_index=True)
    return where.astype(np.int64)


def _held(lake: Lake, rows: pa.Table) -> pa.Array:
    """Return the digests of the items that the lake has, at the times of `rows`.

    Equal items have equal times: what lies outside of the records' is not read.
    """
    version = ledger.version_of(lake.root, "items")
    none = pa.array([], rows.schema.field("digest").type)
    if version is None:
        return none
    span = pc.min_max(rows["t_start"])
    near = pc.field("t_start").is_null()
    if span["min"].is_valid:
        at = pc.field("t_start")
        near |= (at >= span["min"]) & (at <= span["max"])
    key = list(contract("items").key)
    batches = ledger.batches(lake.root, "items", version, columns=key, where=near, most=100_000)
    held = [staging.digests(pa.Table.from_batches([b])) for b in batches if b.num_rows]
    return pa.concat_arrays([none, *held])


def _tallies(records: _Records, status: NDArray[np.int8]) -> list[Tally]:
    """Return how many records of each file became what, and why."""
    columns = [records.rows["path"], pa.array(status, pa.int8()), records.rows["reason"]]
    named = pa.table(columns, names=["path", "status", "reason"])
    counted = named.group_by(["path", "status", "reason"]).aggregate([([], "count_all")])
    return [
        Tally(records.paths[row["path"]], STATUSES[row["status"]], row["reason"], row["count_all"])
        for row in counted.to_pylist()
    ]


def _counted(found: Sequence[Keys]) -> list[Tally]:
    """Return what the readers counted, and what was not asked for."""
    read = [Tally(keys.path, READ, None, keys.records) for keys in found]
    return read + [Tally(k.path, LEFT_OUT, None, k.left_out) for k in found if k.left_out]


def _kept(
    asked: Asked,
    records: _Records,
    is_new: NDArray[np.bool_],
    staged: Mapping[str, DataFile],
    pool: Pool,
) -> list[DataFile]:
    """Return data files of the new rows; other rows are in none."""
    of_file = records.rows["staged"].to_numpy()
    whole, mixed = [], []
    for i, path in enumerate(records.files):
        if path not in staged:  # no row went there
            continue
        keep = is_new[of_file == i]
        if keep.all():
            whole.append(staged[path])
        elif keep.any():
            mixed.append((asked.root, asked.run_id, path, keep))
        else:
            staging.discard(asked.root, "items", [path])
    return [*whole, *pool.run(staging.rewrite, mixed)]


def _named(records: _Records, is_new: NDArray[np.bool_]) -> str:
    """Return a text that names the new items by their keys, in whatever order they came."""
    digests = sorted(records.rows["digest"].filter(pa.array(is_new)).to_pylist())
    return f"scenes-ingest-{len(digests)}-{hashlib.sha256(b''.join(digests)).hexdigest()[:32]}"
