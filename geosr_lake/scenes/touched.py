"""Which groups the items beyond a version touch, and where these groups lie.

Narrow columns only, batch by batch; what is read of the lake is bounded by the tiles and days of
the groups, as in `geosr_lake.scenes.settle_spread`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.lake import Lake, changes, datafiles, ledger, tables
from geosr_lake.lake.place import Root
from geosr_lake.scenes import groups
from geosr_lake.scenes.parted import Hashes, Mask, Parted
from geosr_lake.scenes.settle_spread import (
    AGE_FROM,
    GROUP_SPREAD_DAYS,
    MAX_TILES_NAMED,
    NAME,
    has_withdrawals,
)
from geosr_lake.scenes.stretches import days_of, within

MEMBER = ["group_key", "sensor", "tile", "identity", "outcome", "t_start"]
NAMED = [*NAME, "version_key"]
"""What is needed besides where items are withdrawn."""


@dataclass(frozen=True)
class Pending:
    """The data files of `items` with rows beyond a version of it.

    Attributes:
        until: The newest version.
        paths: Their names.
        standing: Those that the newest version has: one that was compacted away tells only which
            groups are touched.
        held: The runs whose rows the version has; None where it has no row of the files.
    """

    until: int
    paths: tuple[str, ...]
    standing: frozenset[str]
    held: pa.Array | None = None

    @property
    def told_by(self) -> list[str]:
        """The columns that `fresh` needs."""
        return ["outcome"] if self.held is None else ["outcome", "run_id"]

    def fresh(self, rows: pa.Table) -> Mask:
        """Tell which rows of these files are kept or withdraw, and lie beyond the version."""
        fresh = pc.is_in(rows["outcome"], value_set=pa.array([KEPT, WITHDRAWN]))
        if self.held is not None:
            held = pc.is_in(rows["run_id"], value_set=self.held)
            fresh = pc.and_(fresh, pc.invert(held))
        found: Mask = fresh.to_numpy(zero_copy_only=False)
        return found


@dataclass
class Withdrawn:
    """Up to which age items are withdrawn, by name; see `settle_spread.alive`."""

    ages: dict[tuple[str, ...], str] = field(default_factory=dict)

    @cached_property
    def _ids(self) -> pa.Array:
        return pa.array(sorted({name[-1] for name in self.ages}), pa.string())

    def __bool__(self) -> bool:
        return bool(self.ages)

    def alive(self, rows: pa.Table) -> Mask:
        """Tell which rows are kept items that no withdrawal has taken out."""
        kept: Mask = np.array(pc.equal(rows["outcome"], KEPT), dtype=bool)
        if not self.ages:
            return kept
        asked: Mask = np.asarray(pc.is_in(rows["item_id"], value_set=self._ids)) & kept
        at = np.flatnonzero(asked)
        for i, row in zip(at, rows.select(NAMED).take(pa.array(at)).to_pylist(), strict=True):
            up_to = self.ages.get(tuple(row[name] for name in NAME))
            if up_to is not None and row["version_key"] is not None:
                kept[i] = row["version_key"][AGE_FROM:] > up_to
        return kept


@dataclass(frozen=True)
class Touched:
    """Where touched groups lie.

    Attributes:
        pending: The files with rows beyond the version.
        rows: The number of rows of each.
        cells: The sensor and tile of the groups.
        near: An Arrow expression that holds for all their items and scenes.
        withdrawn: What is withdrawn.
        others: Groups that are touched because an item of another group withdraws one of theirs.
    """

    pending: Pending
    rows: tuple[int, ...]
    cells: frozenset[tuple[str, str]]
    near: Any
    withdrawn: Withdrawn
    others: frozenset[str]

    @property
    def columns(self) -> list[str]:
        """The narrow columns of items that are needed."""
        return _columns(self.withdrawn)


def _columns(withdrawn: Withdrawn) -> list[str]:
    return [*MEMBER, *NAMED] if withdrawn else list(MEMBER)


@dataclass
class _Lies:
    """Where rows lie: sensors and tiles, and days since 1970."""

    cells: set[tuple[str, str]] = field(default_factory=set)
    days: set[int] = field(default_factory=set)

    def add(self, rows: pa.Table) -> None:
        cells = rows.group_by(["sensor", "tile"]).aggregate([])
        self.cells.update(zip(cells["sensor"].to_pylist(), cells["tile"].to_pylist(), strict=True))
        self.days |= days_of(rows["t_start"])

    def near(self) -> Any:
        """Return an expression that holds for all items and scenes of the rows' groups."""
        near = within(self.days, spread_days=GROUP_SPREAD_DAYS)
        names = sorted({tile for _, tile in self.cells})
        return near & pc.field("tile").isin(names) if len(names) <= MAX_TILES_NAMED else near


def touched(lake: Lake, members: Parted, since: int | None) -> Touched | None:
    """Return where the groups lie that items beyond a version touch: this run's, and killed ones'.

    None where there are none.

    Args:
        lake: The lake.
        members: Gets the items beyond the version, and those that they withdraw.
        since: The version of `items`; all items are beyond None.
    """
    if (pending := pending_files(lake.root, since)) is None:
        return None
    withdrawn, lies = withdrawals(lake.root) if has_withdrawals(lake) else Withdrawn(), _Lies()
    columns = list(dict.fromkeys([*_columns(withdrawn), *pending.told_by]))
    counts, withdraw = [], set[tuple[str, ...]]()
    for number, path in enumerate(pending.paths):
        at = 0
        for rows in datafiles.read_groups(lake.root, "items", path, columns):
            fresh = pending.fresh(rows)
            flags = np.where(fresh, groups.TOUCHES, 0).astype(np.uint8)
            if path in pending.standing:
                alive = withdrawn.alive(rows)
                flags[alive] |= groups.ALIVE | groups.HERE
                # Rows of before have scenes, which stand where the touched groups may not lie.
                flags[alive & ~fresh] |= groups.OLDER
            members.add(groups.members(rows, flags, number, at))
            lies.add(rows if fresh.all() else rows.filter(pa.array(fresh)))
            if withdrawn:
                withdraw |= _withdraw(rows.filter(pa.array(fresh)))
            at += rows.num_rows
        counts.append(at)
    others = set()
    for rows in _others(lake.root, withdraw, columns):
        members.add(groups.members(rows, np.full(rows.num_rows, groups.TOUCHES, np.uint8)))
        lies.add(rows)
        others.update(rows["group_key"].to_pylist())
    if not lies.cells:
        return None
    cells, near = frozenset(lies.cells), lies.near()
    return Touched(pending, tuple(counts), cells, near, withdrawn, frozenset(others))


def named(root: Root, found: Touched, asked: Hashes) -> pa.Array:
    """Return the keys of those touched groups that have one of some hashes."""
    texts = set()
    columns = ["group_key", *found.pending.told_by]
    for path in found.pending.paths:
        for rows in datafiles.read_groups(root, "items", path, columns):
            keys = rows["group_key"].filter(pa.array(found.pending.fresh(rows)))
            some = np.isin(groups.hashes(keys), asked)
            texts.update(keys.filter(pa.array(some)).to_pylist())
    others = pa.chunked_array([pa.array(sorted(found.others), pa.string())])
    texts.update(others.filter(pa.array(np.isin(groups.hashes(others), asked))).to_pylist())
    return pa.array(sorted(texts), pa.string())


def pending_files(root: Root, since: int | None) -> Pending | None:
    """Return the files with rows beyond a version: items are only ever appended.

    None where there is no table yet; all files where the version is None.
    """
    now = ledger.version_of(root, "items")
    if now is None:
        return None
    live = ledger.files_of(root, "items", now)
    if since is None:
        return Pending(now, tuple(live), frozenset(live))
    if (paths := _came(root, since, now)) is not None:
        return Pending(now, paths, frozenset(paths) & frozenset(live))
    # Files were written anew: rows are told apart by their runs.
    runs: set[str] = set()
    for batch in ledger.batches(root, "items", since, columns=["run_id"]):
        runs.update(pc.unique(batch.column(0)).to_pylist())
    before = ledger.files_of(root, "items", since)
    paths = tuple(path for path in live if path not in before)
    return Pending(now, paths, frozenset(paths), pa.array(sorted(runs), pa.string()))


def _came(root: Root, since: int, now: int) -> tuple[str, ...] | None:
    """Return the files of `items` that came between two versions; None where some went too."""
    changed = changes.between(root, "items", since, now)
    if changed is None or any(sign != changes.CAME for sign in changed.values()):
        return None
    begin = f"{tables.table_path(root, 'items')}/"
    return tuple(path.removeprefix(begin) for path in changed)


def withdrawals(root: Root) -> Withdrawn:
    """Return up to which age each withdrawn item is withdrawn."""
    found = Withdrawn()
    where = pc.field("outcome") == WITHDRAWN
    for rows in datafiles.streamed(root, "items", NAMED, where):
        for row in rows.to_pylist():
            name = tuple(row[part] for part in NAME)
            age = (row["version_key"] or "")[AGE_FROM:]
            found.ages[name] = max(age, found.ages.get(name, age))
    return found


def _withdraw(rows: pa.Table) -> set[tuple[str, ...]]:
    """Return the names of the items that rows withdraw."""
    asked = rows.filter(pc.equal(rows["outcome"], WITHDRAWN)).select(NAME)
    return {tuple(row[part] for part in NAME) for row in asked.to_pylist()}


def _others(
    root: Root, withdraw: Collection[tuple[str, ...]], columns: list[str]
) -> Iterator[pa.Table]:
    """Yield the versions of items that are withdrawn, also those of other days."""
    if not withdraw:
        return
    ids = sorted({name[-1] for name in withdraw})
    where = pc.field("item_id").isin(ids) & pc.field("outcome").isin([KEPT, WITHDRAWN])
    for rows in datafiles.streamed(root, "items", columns, where):
        names = rows.select(NAME).to_pylist()
        same = [tuple(row[part] for part in NAME) in withdraw for row in names]
        yield rows.filter(pa.array(same, pa.bool_()))


def taken_out(root: Root) -> int:
    """Return the number of kept items that a withdrawal has taken out."""
    withdrawn = withdrawals(root)
    if not withdrawn:
        return 0
    ids = sorted({name[-1] for name in withdrawn.ages})
    where = pc.field("item_id").isin(ids) & (pc.field("outcome") == KEPT)
    found = datafiles.streamed(root, "items", ["outcome", *NAMED], where)
    return sum(_gone(withdrawn, rows) for rows in found)


def taken_out_since(root: Root, since: int) -> int | None:
    """Return how many more items are taken out than in a version; only what came since is read.

    None where that does not tell: a withdrawal came, which takes out older items too, or files
    were written anew.
    """
    now = ledger.version_of(root, "items")
    paths = None if now is None else _came(root, since, now)
    if now is None or paths is None or not set(paths) <= ledger.files_of(root, "items", now).keys():
        return None
    withdrawn, more = withdrawals(root) if paths else Withdrawn(), 0
    for path in paths:
        for rows in datafiles.read_groups(root, "items", path, ["outcome", *NAMED]):
            if pc.any(pc.equal(rows["outcome"], WITHDRAWN)).as_py():
                return None
            more += _gone(withdrawn, rows)
    return more


def _gone(withdrawn: Withdrawn, rows: pa.Table) -> int:
    """Return how many kept items among rows a withdrawal has taken out."""
    kept = np.asarray(pc.equal(rows["outcome"], KEPT), dtype=bool)
    return int((kept & ~withdrawn.alive(rows)).sum())
