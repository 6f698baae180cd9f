"""A manifest chosen anew from the versions that it was made from, and held against the old one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from geosr_lake.errors import IncompleteError, UsageError
from geosr_lake.lake import Lake, Progress
from geosr_lake.lake.pins import manifest_inputs
from geosr_lake.lake.progress import Silent
from geosr_lake.manifest.build import chosen, hashed_columns
from geosr_lake.manifest.choose import choose
from geosr_lake.manifest.inputs import read
from geosr_lake.manifest.layer import Where, open_layer
from geosr_lake.manifest.places import NO_FILES, Files, Places
from geosr_lake.manifest.samples import manifest_head
from geosr_lake.manifest.select import content_hash, manifest_rows
from geosr_lake.sensors.tasks import TASKS


@dataclass(frozen=True)
class Rebuilt:
    """How a manifest chosen anew compares with the one in the lake.

    Attributes:
        manifest_id: The manifest.
        versions: The Delta version of each table that was read.
        rows: Rows that were chosen anew.
        equal_rows: How many of them stand in the manifest as they are.
        content_hash: Hash over the rows that were chosen anew.
        same: Whether that is the manifest's.
    """

    manifest_id: str
    versions: dict[str, int]
    rows: int
    equal_rows: int
    content_hash: str
    same: bool


def rebuild(
    lake: Lake,
    manifest_id: str,
    land_cover: Where | Sequence[Where],
    *,
    files: Files = NO_FILES,
    progress: Progress | None = None,
) -> Rebuilt:
    """Choose a manifest anew by its own recipe, from the versions that it was made from.

    Nothing is written.

    Args:
        lake: Holds the manifest; `geosr lake maintain` keeps the versions that it was made from.
        manifest_id: The manifest.
        land_cover: The same rasters as then.
        files: The same files of chips, extents and regions as then.
        progress: Told about each step.

    Raises:
        UsageError: If the lake holds no such manifest, or a file is not the same as then.
        IncompleteError: If the lake does not know from which versions it was made.
    """
    head, told = manifest_head(lake, manifest_id), progress or Silent()
    task_name, rule = head.recipe.selection
    task, versions = TASKS[task_name], manifest_inputs(lake.root).get(manifest_id)
    if not versions:
        raise IncompleteError(
            "The lake does not know from which versions the manifest was made", where=manifest_id
        )
    with open_layer(land_cover) as layer:
        if layer.version != head.layer_version:
            raise UsageError(
                "This is not the land cover that the manifest was made from",
                where=str(land_cover),
                next_step=f"Its SHA-256 is {layer.version}, that of then {head.layer_version}.",
            )
        places = Places(task, rule, files)
        if places.versions != head.files:
            names = {n for n in places.versions | head.files if _differs(n, places, head.files)}
            raise UsageError(
                f"Not the same files as then: {', '.join(sorted(names))}",
                where=manifest_id,
                next_step="Name the files of then with --chips, --extent and --ecoregions; an "
                "outline that ships is that of then in the version of then.",
            )
        told.start("Reading pairs and scenes as they were")
        pairs = read(lake.with_versions(versions), head.recipe)
        choice = choose(pairs, task, rule, layer, places, told)
    rows = manifest_rows(chosen(pairs, choice, head.recipe, places), rule)
    columns = hashed_columns()
    held = lake.arrow("manifest", filters=[("manifest_id", "=", manifest_id)]).to_pylist()
    anew, before = (
        Counter(tuple(row[name] for name in columns) for row in of) for of in (rows, held)
    )
    found = content_hash(rows, columns)
    return Rebuilt(
        manifest_id, versions, len(rows), (anew & before).total(), found, found == head.content_hash
    )


def _differs(name: str, places: Places, then: dict[str, str]) -> bool:
    return places.versions.get(name) != then.get(name)
