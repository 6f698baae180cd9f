"""`geosr pairs build`: bring the pairs of a recipe up to the scenes that the lake has now.

A rule's pairs remember which version of `scenes` they were made from, in the same commit as the
rows (`lake.changes`). So every write is whole, and a run that was killed leaves either the pairs of
before or those of after, which the next run takes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from geosr_lake.lake import Lake, Progress, arrow, changes, ledger, tables
from geosr_lake.lake.progress import Silent
from geosr_lake.lake.tables import Txn
from geosr_lake.pairs import here
from geosr_lake.pairs import scenes as sides
from geosr_lake.pairs.compared import compared, digests
from geosr_lake.pairs.find import find
from geosr_lake.pairs.increment import difference, increment
from geosr_lake.pairs.match import STEPS, Tested
from geosr_lake.pairs.spans import WHOLE, Span
from geosr_lake.pairs.tiles import grow
from geosr_lake.recipe import SIDES, PairRule, Recipe

Engine = Literal["auto", "spark"]
"""What finds all pairs: `auto` chooses by the number of scenes."""


@dataclass(frozen=True)
class PairsSummary:
    """What a build did.

    Attributes:
        rule_id: The rule that keys the pairs.
        lr_sensor: Sensor of low resolution.
        hr_sensor: Sensor of high resolution.
        lr_scenes: Scenes of the LR sensor that pass the rule's filter.
        hr_scenes: Scenes of the HR sensor that pass it.
        tile_pairs: Tiles of the two sensors whose extents meet.
        tile_pairs_new: Those that met in this run.
        scene_pairs_tested: Scene pairs within the window whose boxes meet.
        footprint_pairs_tested: The exact tests: distinct footprint pairs among them, task by task.
        pairs: Pairs of the rule.
        pairs_new: Pairs that the lake did not have.
        pairs_changed: Pairs that it had, but otherwise: a scene was reprocessed.
        pairs_removed: Pairs that it had and that are none any more.
        scenes_new: Scenes of either side that came, or changed, since the pairs were made.
        scenes_gone: Scenes that went, or changed.
        changed: Whether the pairs differ from those that the lake had.
        from_nothing: Whether all scenes were looked at, not only those that changed.
        scenes_version: The version of `scenes` that the pairs are made from.
    """

    rule_id: str
    lr_sensor: str
    hr_sensor: str
    lr_scenes: int
    hr_scenes: int
    tile_pairs: int
    tile_pairs_new: int
    scene_pairs_tested: int
    footprint_pairs_tested: int
    pairs: int
    pairs_new: int
    pairs_changed: int
    pairs_removed: int
    scenes_new: int
    scenes_gone: int
    changed: bool
    from_nothing: bool
    scenes_version: int | None


@dataclass(frozen=True)
class _Outcome:
    """What one way of building did; as in `PairsSummary`, and how the work was cut."""

    did: Tested = field(default_factory=Tested.nothing)
    new: int = 0
    altered: int = 0
    removed: int = 0
    scenes_new: int = 0
    scenes_gone: int = 0
    from_nothing: bool = False
    cut: dict[str, int] = field(default_factory=dict)


def build(
    lake: Lake,
    recipe: Recipe,
    *,
    anew: bool = False,
    engine: Engine = "auto",
    progress: Progress | None = None,
) -> PairsSummary:
    """Make the lake hold the pairs of `recipe` for its present scenes, under the rule's id.

    Only the scenes that came, changed or went since the last build are looked at; the result is
    that of a build from nothing. Pairs of other rules stay. Where nothing changed nothing is
    written.

    Args:
        lake: The lake.
        recipe: Its section `pairs` is the rule.
        anew: Find all pairs again and put them in the place of the former ones if they differ.
        engine: What finds all pairs: `auto` takes Spark where what is near in time, or former pairs
            beside the new ones, are too many for this process (`spans`), and tells why.
        progress: Told of the steps.

    Raises:
        UsageError: If the lake has no scene of one of the sensors and never had pairs of the rule.
        RecipeError: If it has some, but none passes the recipe's filter.
        LockedError: If another process builds pairs in this lake.
    """
    rule, steps = recipe.pairs, progress or Silent()
    with lake.stage("pairs", "build") as run:
        run.rule_id, run.recipe = rule.rule_id, recipe.canonical()
        since = made_from(lake, rule)
        counts = sides.counts(lake, rule)
        for side, count in zip(SIDES, counts, strict=True):
            if since is None and not count:
                raise sides.why_none(lake, rule, side)
        steps.start("Tiles that meet")
        met = grow(lake, rule.lr.sensor, rule.hr.sensor)
        outcome = None
        if since is not None and not anew:
            outcome = _grown(lake, rule, met.rows, since, steps)
        if outcome is None:
            spans = None if engine == "spark" else _spans(lake, rule)
            if spans is not None:
                outcome = _from_nothing(lake, rule, met.rows, since, spans, steps)
            if outcome is None:
                if engine != "spark" and lake.tell:
                    lake.tell(f"Spark does this: {_WHY_SPARK}.")
                outcome = _from_nothing_in_spark(lake, rule, met.rows, since, steps)
        summary = PairsSummary(
            rule_id=rule.rule_id,
            lr_sensor=rule.lr.sensor,
            hr_sensor=rule.hr.sensor,
            lr_scenes=counts[0],
            hr_scenes=counts[1],
            tile_pairs=len(met.rows),
            tile_pairs_new=met.new,
            scene_pairs_tested=outcome.did.scene_pairs,
            footprint_pairs_tested=outcome.did.footprint_pairs,
            pairs=_held(lake, rule),
            pairs_new=outcome.new,
            pairs_changed=outcome.altered,
            pairs_removed=outcome.removed,
            scenes_new=outcome.scenes_new,
            scenes_gone=outcome.scenes_gone,
            changed=bool(outcome.new or outcome.altered or outcome.removed),
            from_nothing=outcome.from_nothing,
            scenes_version=lake.versions.get("scenes"),
        )
        run.counts = {k: v for k, v in asdict(summary).items() if type(v) is int}
        run.detail = {
            "recipe": recipe.name,
            "rule": rule.canonical(),
            "scenes_version": summary.scenes_version,
            **outcome.cut,
            "task_seconds": {k: us / 1e6 for k, us in zip(STEPS, outcome.did.cost_us, strict=True)},
        }
    return summary


def made_from(lake: Lake, rule: PairRule) -> int | None:
    """Return the version of `scenes` that the newest pairs of a rule were made from.

    The newest, committed or not: what a killed run wrote is whole and is taken on.
    """
    return changes.made_from(lake.root, "pairs", "scenes", changes.pairs_of(rule.rule_id))


def _held(lake: Lake, rule: PairRule) -> int:
    """Return how many pairs of a rule the lake has, committed or not."""
    return ledger.row_count(lake.root, "pairs", where=pc.field("rule_id") == rule.rule_id)


def _txn(lake: Lake, rule: PairRule) -> Txn:
    return Txn(
        changes.mark(lake.root, "scenes", changes.pairs_of(rule.rule_id)), lake.versions["scenes"]
    )


def _newer(lake: Lake, rule: PairRule, since: int | None) -> Txn | None:
    """Return the transaction of rows made from the present scenes; None where they are older.

    A version that Delta has seen would make it skip the write in silence.
    """
    txn = _txn(lake, rule)
    return txn if since is None or since < txn.number else None


def _grown(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, since: int, steps: Progress
) -> _Outcome | None:
    """Bring in what changed since a version of `scenes`; None where that cannot be known."""
    if since == lake.versions["scenes"]:
        return _Outcome()
    found = increment(lake, rule, tile_pairs, since, progress=steps)
    if found is None:
        return None
    if arrow.needs_spark(lake.root, "pairs") and lake.tell:
        lake.tell("Spark writes them: the table of pairs is clustered.")
    steps.start("Writing pairs")
    if found.removed or found.changed:
        where = {"rule_id": rule.rule_id}
        arrow.apply(
            *(lake, "pairs", found.rows), where=where, any_of=found.tiles, txn=_txn(lake, rule)
        )
    else:
        # Also where no pair is new: the rows then stand for the newer scenes.
        arrow.append(lake, "pairs", found.rows.drop_columns("_deleted"), txn=_txn(lake, rule))
    return _Outcome(
        did=found.did,
        new=found.new,
        altered=found.changed,
        removed=found.removed,
        scenes_new=found.scenes_new,
        scenes_gone=found.scenes_gone,
    )


_WHY_SPARK = (
    f"more than {here.MOST_SCENES:,} scenes or pairs are held at a time where the lake has pairs "
    "of this rule, or where what is near in time is so much; or the table of pairs is clustered"
)


def _spans(lake: Lake, rule: PairRule) -> list[Span] | None:
    """Return the spans of time that are matched one after the other; None: only Spark can."""
    if arrow.needs_spark(lake.root, "pairs"):
        return None  # rows of a clustered table would all have to go to the JVM
    if held := _held(lake, rule):
        # Former pairs are compared with the new ones, so both are held.
        few = max(sum(sides.counts(lake, rule)), held) <= here.MOST_SCENES
        return [WHOLE] if few else None
    return sides.in_spans(lake, rule, here.MOST_SCENES)


def _from_nothing(
    lake: Lake,
    rule: PairRule,
    tile_pairs: pa.Table,
    since: int | None,
    spans: list[Span],
    steps: Progress,
) -> _Outcome | None:
    """Find all pairs in this process; they take the place of the former ones if they differ.

    None, and nothing is done, if there are former ones and too many new ones to be held beside.
    """
    steps.start("Footprints that intersect")
    did: list[Tested] = []

    def of_spans() -> Iterator[pa.Table]:
        for span in spans:
            lr, hr = (
                sides.read(lake, rule, side, here.NEEDED, also)
                for side, also in zip(SIDES, span, strict=True)
            )
            yield from here.find(lr, hr, tile_pairs, rule, did.append)

    found = of_spans()
    txn, where = _newer(lake, rule, since), {"rule_id": rule.rule_id}
    former = ledger.read(lake.root, "pairs", filters=[("rule_id", "=", rule.rule_id)])
    if len(former):
        parts, held = list[pa.Table](), 0
        for part in found:
            parts.append(part)
            held += len(part)
            if held > here.MOST_SCENES:
                return None
        rows = pa.concat_tables(parts)
        differs = pc.value_counts(difference(rows, former)["kind"]).to_pylist()
        kinds = {one["values"]: one["counts"] for one in differs}
        if kinds or txn is not None:
            steps.start("Writing pairs")
            arrow.replace(lake, "pairs", rows, where=where, txn=txn)
    else:
        # Nothing to compare with: the rows go straight to the table.
        arrow.append(lake, "pairs", found, txn=txn)
        kinds = {"new": sum(part.pairs for part in did)}
    return _Outcome(
        did=sum(did[1:], did[0]),
        new=kinds.get("new", 0),
        altered=kinds.get("changed", 0),
        removed=kinds.get("removed", 0),
        scenes_new=sum(sides.counts(lake, rule)),
        from_nothing=True,
        cut={"spans": len(spans), "tasks": len(did), **evenness(did)},
    )


def evenness(tasks: Sequence[Tested]) -> dict[str, int]:
    """Return what the median and the longest of some tasks cost, in processor time."""
    costs = [sum(task.cost_us) for task in tasks]
    return {"median_task_us": int(median(costs)), "longest_task_us": max(costs)}


def _from_nothing_in_spark(
    lake: Lake, rule: PairRule, tile_pairs: pa.Table, since: int | None, steps: Progress
) -> _Outcome:
    """Find all pairs with Spark; they take the place of the former ones if they differ."""
    scenes, txn = sides.whole(lake), _newer(lake, rule, since)
    first = txn is not None and not _held(lake, rule)
    where = {"rule_id": rule.rule_id}
    # Without former pairs there is nothing to compare with: the rows go straight to the table.
    with find(scenes, scenes, tile_pairs, rule, keep=not first, progress=steps) as found:
        kinds: dict[str, int] = {}
        if first:
            steps.start("Footprints that intersect, and writing pairs")
            tables.append(lake.spark, lake.root, "pairs", found.rows, txn=txn)
            kinds["new"] = found.pairs
        else:
            former = lake.live("pairs").where(f"rule_id = '{rule.rule_id}'")
            after, before = digests(found.rows, former)
            if after != before:
                kinds = compared(found.rows, former) if before.rows else {"new": after.rows}
            if after != before or txn is not None:
                steps.start("Writing pairs")
                tables.replace(lake.spark, lake.root, "pairs", found.rows, where=where, txn=txn)
        return _Outcome(
            did=found.did(),
            new=kinds.get("new", 0),
            altered=kinds.get("changed", 0),
            removed=kinds.get("removed", 0),
            scenes_new=found.lr_scenes + found.hr_scenes,
            from_nothing=True,
            cut=found.layout.said,
        )
