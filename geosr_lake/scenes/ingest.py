"""`geosr scenes ingest`: files of items into `items`, and from there into `scenes` and `tiles`.

The stage rolls forward. Items are appended once and stay; scenes and tiles are derived from them,
for the groups that new items touch and for those that a killed run left beyond the last commit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from geosr_lake.archives import find_files
from geosr_lake.archives.reasons import KEPT, WITHDRAWN
from geosr_lake.errors import GeoSRError
from geosr_lake.lake import Lake, Progress, datafiles, ledger, runs, summary
from geosr_lake.lake.contracts import stage_tables
from geosr_lake.lake.progress import Silent
from geosr_lake.scenes import accounts, here, settle, settle_spread, spread, touched
from geosr_lake.scenes.accounts import FileCounts
from geosr_lake.scenes.engine import Choice, Engine, choose
from geosr_lake.scenes.pool import Pool, pool_of
from geosr_lake.scenes.selection import EVERYTHING, Selection


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did, and what the lake holds after it.

    Attributes:
        run_id: The run.
        files: Counts of each file, by path.
        read: Records read, in all files.
        kept: New items that are part of a scene.
        repeated: Items that the lake had, or that came twice; not stored again.
        unsupported: New items that are sound but of no use here.
        quarantined: New items with something wrong.
        withdrawn: New items that are deprecated: they take out their older versions.
        left_out: Items outside of the box or the days that were asked for; not stored.
        reasons: Unsupported, quarantined and withdrawn items by reason.
        groups_derived: Groups whose scenes were derived anew.
        scenes: Scenes of the lake.
        scenes_by_sensor: Scenes of the lake by sensor.
        superseded: Items of the lake that show a scene which another item shows better.
        taken_out: Items of the lake that a withdrawal has taken out.
        tiles: Tiles of the lake.
    """

    run_id: str
    files: tuple[FileCounts, ...]
    read: int
    kept: int
    repeated: int
    unsupported: int
    quarantined: int
    reasons: dict[str, int]
    groups_derived: int
    scenes: int
    scenes_by_sensor: dict[str, int]
    superseded: int
    tiles: int
    withdrawn: int = 0
    taken_out: int = 0
    left_out: int = 0


def ingest(
    lake: Lake,
    sources: Sequence[str | Path],
    *,
    progress: Progress | None = None,
    selection: Selection = EVERYTHING,
    engine: Engine = "auto",
) -> IngestSummary:
    """Read the items of `sources` into the lake and derive its scenes and tiles.

    The same items again change nothing; the order of files and items does not matter. No item
    stops the run: what is not kept stands in `items` with a reason and evidence.

    Args:
        lake: The lake to write to.
        sources: Files, folders and patterns; see `geosr_lake.archives.sources`.
        progress: Told of the steps.
        selection: Which of their items are taken in.
        engine: What does it; the rows are the same. See `geosr_lake.scenes.engine`.

    Raises:
        UsageError: If a source is not there or not of a known kind.
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    files = find_files(sources, but=str(lake.root))
    return ingest_files(lake, files, progress=progress, selection=selection, engine=engine)


def ingest_files(
    lake: Lake,
    files: Sequence[str | Path],
    *,
    progress: Progress | None = None,
    selection: Selection = EVERYTHING,
    names: Mapping[str, str] | None = None,
    closing: Callable[[str], None] | None = None,
    engine: Engine = "auto",
) -> IngestSummary:
    """Do what `ingest` does with files that were found already; none at all is fine too.

    Args:
        lake: The lake to write to.
        files: The files.
        progress: Told of the steps.
        selection: Which of their items are taken in.
        names: What is written as `source_file`, by path, where that is not the path.
        closing: Called with the run's id when all rows stand, before they are committed.
        engine: What does it; the rows are the same. See `geosr_lake.scenes.engine`.

    Raises:
        LockedError: If another process ingests into this lake.
        GeoSRError: If the accounts do not add up, which is a bug.
    """
    steps = progress or Silent()
    with lake.stage("scenes", "ingest") as run:
        named = [str(path) for path in files]
        choice = choose(lake, named, engine)
        if choice.why and lake.tell:
            lake.tell(f"Spark does this: {choice.why}.")
        asked = (lake, named, run.run_id, names or {}, selection, steps)
        with tidied(lake, run.run_id), pool_of(0 if choice.spark else choice.processes) as pool:
            counts = spread.add_items(*asked) if choice.spark else here.add_items(*asked, pool)
            steps.start("Deriving scenes and tiles")
            groups = derive_pending(lake, choice, pool, run.run_id)
        steps.start("Checking the sums")
        holds = check_sums(lake, spark=choice.spark)
        did = _summary(run.run_id, counts, groups, holds)
        run.counts = {name: value for name, value in asdict(did).items() if isinstance(value, int)}
        run.reasons = did.reasons
        run.detail = {"files": [asdict(of_file) for of_file in counts]}
        if closing is not None:
            closing(run.run_id)
    return did


@contextmanager
def tidied(lake: Lake, token: str) -> Iterator[None]:
    """Remove the files that an error leaves, after those that write them have ended."""
    try:
        yield
    except BaseException:
        for table in stage_tables("scenes"):
            with suppress(GeoSRError, OSError):
                datafiles.sweep(lake.root, table, token)
        raise


def derive_pending(lake: Lake, choice: Choice, pool: Pool, token: str) -> int:
    """Derive scenes and tiles of the groups with items beyond the commit; return their number."""
    if choice.spark:
        return settle_spread.derive_pending(lake)
    groups = settle.derive_pending(lake, pool, token)
    if groups is not None:
        return groups
    if lake.tell:
        lake.tell("Spark derives the scenes: very many items are versions of others, or of scenes.")
    return settle_spread.derive_pending(lake)


@dataclass(frozen=True)
class Holdings:
    """What the lake holds: kept items, scenes by sensor, superseded and withdrawn items, tiles."""

    kept: int
    scenes: dict[str, int]
    superseded: int
    taken_out: int
    tiles: int


def check_sums(lake: Lake, *, spark: bool = True) -> Holdings:
    """Return what the lake holds.

    Args:
        lake: The lake.
        spark: Whether Spark counts what was withdrawn.

    Raises:
        GeoSRError: If a kept item is neither in a scene nor withdrawn, which is a bug.
    """
    holds = _holdings(lake, spark=spark)
    accounts.check_lake(
        holds.kept,
        sum(holds.scenes.values()),
        holds.superseded,
        str(lake.root),
        taken_out=holds.taken_out,
    )
    return holds


def _holdings(lake: Lake, *, spark: bool) -> Holdings:
    """Count by the data files, each of which is read once and never again."""
    versions = {
        name: version
        for name in ("items", "scenes", "tiles")
        if (version := ledger.version_of(lake.root, name)) is not None
    }
    summary.keep_up(lake.root, versions, versions)
    items, scenes, tiles = (
        summary.of_version(lake.root, name, versions.get(name))
        for name in ("items", "scenes", "tiles")
    )
    by_outcome: Counter[str] = Counter()
    for row in items:
        by_outcome[row["outcome"]] += row[summary.ROWS]
    kept, taken_out = by_outcome[KEPT], 0
    if by_outcome[WITHDRAWN]:
        taken_out = _taken_out(lake, kept, spark=spark)
    return Holdings(
        kept=kept,
        scenes={row["sensor"]: row[summary.ROWS] for row in scenes},
        superseded=sum(row["superseded"] or 0 for row in scenes),
        taken_out=taken_out,
        tiles=sum(row[summary.ROWS] for row in tiles),
    )


def _taken_out(lake: Lake, kept: int, *, spark: bool) -> int:
    """Return how many of the `kept` items withdrawals have taken out.

    What the last run counted is added to, where that will do.
    """
    if (version := lake.versions.get("items")) is not None:
        where = [("status", "=", runs.DONE), ("stage", "in", ["scenes ingest", "scenes withdraw"])]
        rows = ledger.read(lake.root, "runs", columns=["counts", "versions_out"], filters=where)
        counted = {
            dict(row["versions_out"] or []).get("items"): dict(row["counts"]).get("taken_out")
            for row in rows.to_pylist()
        }
        # Maintenance makes versions too, and changes no row.
        since = max((v for v in counted if v is not None and v <= version), default=None)
        if since is not None and (before := counted[since]) is not None:
            more = touched.taken_out_since(lake.root, since)
            if more is not None:
                return int(before) + more
    return settle_spread.taken_out(lake, kept) if spark else touched.taken_out(lake.root)


def _summary(
    run_id: str, counts: tuple[FileCounts, ...], groups: int, holds: Holdings
) -> IngestSummary:
    reasons: dict[str, int] = {}
    for of_file in counts:
        for reason, number in of_file.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + number
    return IngestSummary(
        run_id=run_id,
        files=counts,
        read=sum(c.read for c in counts),
        kept=sum(c.kept for c in counts),
        repeated=sum(c.repeated for c in counts),
        unsupported=sum(c.unsupported for c in counts),
        quarantined=sum(c.quarantined for c in counts),
        withdrawn=sum(c.withdrawn for c in counts),
        left_out=sum(c.left_out for c in counts),
        reasons=dict(sorted(reasons.items())),
        groups_derived=groups,
        scenes=sum(holds.scenes.values()),
        scenes_by_sensor=holds.scenes,
        superseded=holds.superseded,
        taken_out=holds.taken_out,
        tiles=holds.tiles,
    )
