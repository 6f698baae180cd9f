"""In what two manifests of one lake differ: their recipes, what they were made from, their rows."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from geosr_lake.lake import Lake
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.pins import manifest_inputs
from geosr_lake.manifest.samples import Head, manifest_head
from geosr_lake.recipe import Changed, changed, flat

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DifferentRow:
    """A sample or reserve that is not the same in both manifests.

    Attributes:
        sample_id: Its id.
        a: Its row in the one; None where it is not there.
        b: Its row in the other.
    """

    sample_id: str
    a: Row | None
    b: Row | None


@dataclass(frozen=True)
class Difference:
    """In what two manifests differ.

    Attributes:
        a: The one.
        b: The other.
        recipe: Keys of the recipes that differ.
        files: Files that differ: the land cover, chips, extents, ecoregions, by SHA-256.
        versions: Tables of which other Delta versions were read; empty if `runs` does not know.
        in_both: Samples and reserves that both hold.
        only_a: Those that only the one holds.
        only_b: Those that only the other holds.
        moved: Of those in both, how many differ in which column.
        sites_in_both: Sites that both use.
        rows: Every row that only one of them holds or that differs, by `sample_id`.
    """

    a: str
    b: str
    recipe: tuple[Changed, ...]
    files: tuple[Changed, ...]
    versions: tuple[Changed, ...]
    in_both: int
    only_a: int
    only_b: int
    moved: dict[str, int]
    sites_in_both: int
    rows: tuple[DifferentRow, ...]

    @property
    def same_rows(self) -> bool:
        """Whether both hold the same rows: then they have the same content hash."""
        return not self.rows

    def examples(self, most: int = 5) -> dict[str, tuple[str, ...]]:
        """Return some ids that only one of them holds, by manifest."""
        only = {
            self.a: [row.sample_id for row in self.rows if row.b is None],
            self.b: [row.sample_id for row in self.rows if row.a is None],
        }
        return {name: tuple(ids[:most]) for name, ids in only.items()}


def diff(lake: Lake, a: str, b: str) -> Difference:
    """Compare two manifests of a lake.

    Raises:
        UsageError: If the lake does not hold one of them.
    """
    heads = [manifest_head(lake, name) for name in (a, b)]
    one, two = (_rows(lake, name) for name in (a, b))
    both, made_from = one.keys() & two.keys(), manifest_inputs(lake.root)
    moved = Counter(
        name for sample in both for name, value in one[sample].items() if two[sample][name] != value
    )
    return Difference(
        a=a,
        b=b,
        recipe=changed(*(flat(head.recipe.written()) for head in heads)),
        files=changed(*map(_files, heads)),
        versions=changed(*(made_from.get(name, {}) for name in (a, b))),
        in_both=len(both),
        only_a=len(one) - len(both),
        only_b=len(two) - len(both),
        moved=dict(sorted(moved.items())),
        sites_in_both=len(
            {row["site_id"] for row in one.values()} & {row["site_id"] for row in two.values()}
        ),
        rows=tuple(
            DifferentRow(sample, one.get(sample), two.get(sample))
            for sample in sorted(one.keys() | two.keys())
            if one.get(sample) != two.get(sample)
        ),
    )


def _files(head: Head) -> Row:
    return {"land cover": head.layer_version} | head.files


def _rows(lake: Lake, manifest_id: str) -> dict[str, Row]:
    """Return a manifest's rows, without its id, by `sample_id`."""
    columns = [name for name in contract("manifest").names if name != "manifest_id"]
    wanted = [("manifest_id", "=", manifest_id)]
    rows = lake.arrow("manifest", columns=columns, filters=wanted).to_pylist()
    return {row.pop("sample_id"): row for row in rows}
