"""Which groups the items beyond the last commit touch, and the items and scenes of those groups.

Narrow columns only, in Arrow; what is read of the lake is bounded by the tiles and days of the
groups, as in `geosr_lake.scenes.derivation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.lake import Lake, changes, datafiles, ledger, tables
from geosr_lake.lake.place import Root
from geosr_lake.scenes.derivation import (
    AGE_FROM,
    GROUP_SPREAD_DAYS,
    MAX_TILES_NAMED,
    NAME,
    has_withdrawals,
)

MEMBER = ["group_key", "sensor", "tile", "identity", "outcome", "t_start"]
NAMED = [*NAME, "version_key"]
"""What is needed besides where items are withdrawn."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """A data file of `items` with rows beyond the commit.

    Attributes:
        path: Its name.
        rows: Narrow columns of all its rows, in their order.
        fresh: Which of them are kept or withdraw, and stand in no commit.
        stands: Whether the newest version has the file: one that was compacted away tells only
            which groups are touched.
    """

    path: str
    rows: pa.Table
    fresh: Mask
    stands: bool


@dataclass
class Withdrawn:
    """Up to which age items are withdrawn, by name; see `derivation.alive`."""

    ages: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ages)

    def alive(self, rows: pa.Table) -> Mask:
        """Tell which rows are kept items that no withdrawal has taken out."""
        kept: Mask = np.array(pc.equal(rows["outcome"], KEPT), dtype=bool)
        if not self.ages:
            return kept
        ids = pa.array(sorted({name[-1] for name in self.ages}), pa.string())
        asked: Mask = np.asarray(pc.is_in(rows["item_id"], value_set=ids)) & kept
        at = np.flatnonzero(asked)
        for i, row in zip(at, rows.select(NAMED).take(pa.array(at)).to_pylist(), strict=True):
            up_to = self.ages.get(tuple(row[name] for name in NAME))
            if up_to is not None and row["version_key"] is not None:
                kept[i] = row["version_key"][AGE_FROM:] > up_to
        return kept


@dataclass(frozen=True)
class Touched:
    """Groups, and where they lie.

    Attributes:
        groups: Their keys, each once.
        tiles: Their tiles; None if too many to name.
        near: An Arrow expression that holds for all their items and scenes.
        parts: The files with rows beyond the commit, of those that stand.
        withdrawn: What is withdrawn.
    """

    groups: pa.Array
    tiles: list[str] | None
    near: Any
    parts: tuple[Part, ...]
    withdrawn: Withdrawn

    @property
    def columns(self) -> list[str]:
        """The narrow columns of items that are needed."""
        return [*MEMBER, *NAMED] if self.withdrawn else list(MEMBER)


def touched(lake: Lake) -> Touched | None:
    """Return the groups that items beyond the commit touch: this run's, and those of killed ones.

    None where there are none.
    """
    withdrawn = withdrawals(lake.root) if has_withdrawals(lake) else Withdrawn()
    columns = [*MEMBER, *NAMED] if withdrawn else list(MEMBER)
    parts = _parts(lake, columns)
    rows = [part.rows.filter(pa.array(part.fresh)) for part in parts]
    if not any(of_part.num_rows for of_part in rows):
        return None
    if withdrawn:
        rows += _others(lake.root, rows, columns)
    spans = pa.concat_tables([of_part.select(["group_key", "tile", "t_start"]) for of_part in rows])
    groups = pc.unique(spans["group_key"])
    names = sorted(pc.unique(spans["tile"]).to_pylist())
    tiles = names if len(names) <= MAX_TILES_NAMED else None
    span, spread = pc.min_max(spans["t_start"]), timedelta(days=GROUP_SPREAD_DAYS)
    kind = pa.timestamp("us", tz="UTC")
    first, last = (
        pa.scalar(at.as_py() + by, kind)
        for at, by in ((span["min"], -spread), (span["max"], spread))
    )
    near = (pc.field("t_start") >= first) & (pc.field("t_start") <= last)
    if tiles is not None:
        near &= pc.field("tile").isin(tiles)
    return Touched(groups, tiles, near, tuple(p for p in parts if p.stands), withdrawn)


def _parts(lake: Lake, columns: Sequence[str]) -> list[Part]:
    """Return the files with rows beyond the commit: items are only ever appended."""
    root, since = lake.root, lake.versions.get("items")
    now = ledger.version_of(root, "items")
    if now is None:
        return []
    live = ledger.files_of(root, "items", now)
    asked = list(live)
    committed: pa.Array | None = None
    if since is not None:
        came = changes.between(root, "items", since, now)
        if came is not None and all(sign == changes.CAME for sign in came.values()):
            begin = f"{tables.table_path(root, 'items')}/"
            asked = [path.removeprefix(begin) for path in came]
        else:  # files were written anew: rows are told apart by their runs
            held = ledger.read(root, "items", since, columns=["run_id"])["run_id"]
            asked = [p for p in live if p not in ledger.files_of(root, "items", since)]
            committed = pc.unique(held)
    parts = []
    for path in asked:
        told = [*columns, "run_id"] if committed is not None else [*columns]
        rows = datafiles.read(root, "items", path, told)
        fresh = pc.is_in(rows["outcome"], value_set=pa.array([KEPT, WITHDRAWN]))
        if committed is not None:
            fresh = pc.and_(fresh, pc.invert(pc.is_in(rows["run_id"], value_set=committed)))
        mask = fresh.to_numpy(zero_copy_only=False)
        parts.append(Part(path, rows.select([*columns]), mask, path in live))
    return parts


def withdrawals(root: Root) -> Withdrawn:
    """Return up to which age each withdrawn item is withdrawn."""
    found = Withdrawn()
    where = pc.field("outcome") == WITHDRAWN
    for _, rows in datafiles.near(root, "items", NAMED, where):
        for row in rows.to_pylist():
            name = tuple(row[part] for part in NAME)
            age = (row["version_key"] or "")[AGE_FROM:]
            found.ages[name] = max(age, found.ages.get(name, age))
    return found


def _others(root: Root, rows: Sequence[pa.Table], columns: list[str]) -> list[pa.Table]:
    """Return the other versions of items that are withdrawn by `rows`, also of other days."""
    named = {
        tuple(row[part] for part in NAME)
        for of_part in rows
        for row in of_part.filter(pc.equal(of_part["outcome"], WITHDRAWN)).select(NAME).to_pylist()
    }
    if not named:
        return []
    ids = sorted({name[-1] for name in named})
    where = pc.field("item_id").isin(ids) & pc.field("outcome").isin([KEPT, WITHDRAWN])
    found = []
    for _, others in datafiles.near(root, "items", columns, where):
        names = others.select(NAME).to_pylist()
        same = [tuple(row[part] for part in NAME) in named for row in names]
        found.append(others.filter(pa.array(same, pa.bool_())))
    return found


def taken_out(root: Root) -> int:
    """Return the number of kept items that a withdrawal has taken out."""
    withdrawn = withdrawals(root)
    if not withdrawn:
        return 0
    ids = sorted({name[-1] for name in withdrawn.ages})
    where = pc.field("item_id").isin(ids) & (pc.field("outcome") == KEPT)
    found = datafiles.near(root, "items", ["outcome", *NAMED], where)
    return sum(int((~withdrawn.alive(rows)).sum()) for _, rows in found)
