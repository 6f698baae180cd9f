"""In what two manifests of one lake differ: their recipes, what they were made from, their rows."""

import json
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.manifest.samples import recipe_of
from geosr_lake.recipe import Changed, changed, flat

_COMPARED = ("role", "split", "stratum", "rank", "block")
"""Columns in which a sample of both can differ; all others follow from its id."""


@dataclass(frozen=True)
class Difference:
    """In what two manifests differ.

    Attributes:
        a: The one.
        b: The other.
        recipe: Keys of the recipes that differ.
        versions: Tables of which other Delta versions were read; empty if `runs` does not know.
        in_both: Samples and reserves that both hold.
        only_a: Those that only the one holds.
        only_b: Those that only the other holds.
        moved: Of those in both, how many differ in which column.
        sites_in_both: Sites that both use.
        examples: Some ids that only one of them holds.
    """

    a: str
    b: str
    recipe: tuple[Changed, ...]
    versions: tuple[Changed, ...]
    in_both: int
    only_a: int
    only_b: int
    moved: dict[str, int]
    sites_in_both: int
    examples: dict[str, tuple[str, ...]]

    @property
    def same_rows(self) -> bool:
        """Whether both hold the same rows."""
        return not (self.only_a or self.only_b or any(self.moved.values()))


def diff(lake: Lake, a: str, b: str, *, examples: int = 5) -> Difference:
    """Compare two manifests of a lake.

    Raises:
        UsageError: If the lake does not hold one of them.
    """
    recipes = [flat(recipe_of(lake, name).written()) for name in (a, b)]
    one, two = (_rows(lake, name) for name in (a, b))
    both = one.keys() & two.keys()
    only_a, only_b = sorted(one.keys() - both), sorted(two.keys() - both)
    return Difference(
        a=a,
        b=b,
        recipe=changed(*recipes),
        versions=changed(*(read_versions(lake, name) for name in (a, b))),
        in_both=len(both),
        only_a=len(only_a),
        only_b=len(only_b),
        moved={
            name: n
            for name in _COMPARED
            if (n := sum(one[sample][name] != two[sample][name] for sample in both))
        },
        sites_in_both=len(
            {row["site_id"] for row in one.values()} & {row["site_id"] for row in two.values()}
        ),
        examples={a: tuple(only_a[:examples]), b: tuple(only_b[:examples])},
    )


def read_versions(lake: Lake, manifest_id: str) -> dict[str, int]:
    """Return the Delta version of every table that the first build of a manifest read.

    Returns:
        Table to version; empty where `runs` does not know.
    """
    wanted = [("stage", "=", "manifest build"), ("status", "=", "done")]
    rows = lake.arrow("runs", columns=["started_at", "detail", "versions_in"], filters=wanted)
    made = [
        r for r in rows.to_pylist() if json.loads(r["detail"]).get("manifest_id") == manifest_id
    ]
    if not made:
        return {}
    first = min(made, key=lambda row: row["started_at"])
    return dict(first["versions_in"] or ())


def _rows(lake: Lake, manifest_id: str) -> dict[str, dict[str, Any]]:
    columns = ["sample_id", "site_id", *_COMPARED]
    wanted = [("manifest_id", "=", manifest_id)]
    rows = lake.arrow("manifest", columns=columns, filters=wanted).to_pylist()
    return {row["sample_id"]: row for row in rows}
