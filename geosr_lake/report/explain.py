"""What one id of the lake stands for and why: lineage and verdicts, read without a JVM."""

from collections.abc import Callable

from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake
from geosr_lake.report.acquisitions import explain_pair, explain_scene
from geosr_lake.report.explanation import Explanation
from geosr_lake.report.selections import explain_manifest, explain_sample, explain_site

_Explainer = Callable[[Lake, str], Explanation | None]
_KINDS: dict[str, tuple[str, str, _Explainer]] = {
    "scn-": ("scene", "scenes", explain_scene),
    "par-": ("pair", "pairs", explain_pair),
    "sit-": ("site", "sites", explain_site),
    "smp-": ("sample", "manifest", explain_sample),
    "man-": ("manifest", "manifests", explain_manifest),
}
"""Prefix of the id: what it is, the table it is found in, and who explains it."""


def explain(lake: Lake, name: str) -> Explanation:
    """Explain the scene, pair, site, sample or manifest of this id.

    Raises:
        UsageError: If `name` is no such id, or the lake does not hold it.
    """
    if (known := _KINDS.get(name[:4])) is None:
        prefixes = ", ".join(f"{prefix}... ({kind})" for prefix, (kind, *_) in _KINDS.items())
        raise UsageError(
            f"{name[:80]!r} is no id that can be explained", next_step=f"Ids: {prefixes}."
        )
    kind, table, explainer = known
    if (found := explainer(lake, name)) is None:
        raise UsageError(
            f"The lake holds no {kind} {name[:80]}",
            where=str(lake.root),
            next_step=f"The table {table} has the ids that there are: see `geosr sql`.",
        )
    return found
