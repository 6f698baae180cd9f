"""The manifest stage: from a rule's pairs to a manifest that is committed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake import verdicts
from geosr_lake.arrays import Ints
from geosr_lake.lake import Lake, Progress, changes
from geosr_lake.lake.contracts import contract
from geosr_lake.lake.progress import Silent
from geosr_lake.manifest.choose import KEPT, RESERVE, Choice, choose
from geosr_lake.manifest.inputs import Pairs, Scenes, read
from geosr_lake.manifest.judge import pair_names, sample_ids
from geosr_lake.manifest.layer import Where, open_layer
from geosr_lake.manifest.places import NO_FILES, Files, Places
from geosr_lake.manifest.reasons import Reasons
from geosr_lake.manifest.select import content_hash, manifest_id, manifest_rows
from geosr_lake.manifest.summary import ManifestSummary, by_split, cell_counts, funnel
from geosr_lake.manifest.write import Draft, write
from geosr_lake.recipe import Recipe, SelectRule
from geosr_lake.sensors.tasks import TASKS


def build(
    lake: Lake,
    recipe: Recipe,
    land_cover: Where | Sequence[Where],
    *,
    files: Files = NO_FILES,
    progress: Progress | None = None,
) -> ManifestSummary:
    """Choose the samples of a recipe among the sites that its pairs show, and commit them.

    The same recipe, seed and tables give the same manifest, however the tables' rows lie; if the
    lake holds it already, nothing is written but the row of `runs`.

    Args:
        lake: Holds the pairs of `recipe.pairs`.
        recipe: With `task` and `select`.
        land_cover: Rasters of one band of class numbers, the layer that `select.urban` names: a
            file, an address, or several that lie beside each other.
        files: Chips, extents and regions of the recipe's subsets.
        progress: Told about each step.

    Raises:
        RecipeError: If the recipe ends at pairs.
        UsageError: If the raster or one of the files cannot be used.
        IncompleteError: If the lake has no pairs of this rule, or one names a scene that is gone.
    """
    task_name, rule = recipe.selection
    task, told = TASKS[task_name], progress or Silent()
    with (
        open_layer(land_cover) as layer,
        lake.stage("manifest", "build") as run,
    ):
        layer_version = layer.version
        run.rule_id, run.recipe = rule.rule_id, recipe.canonical()
        run.detail = {"recipe": recipe.name, "pairs_rule": recipe.pairs.rule_id}
        places = Places(task, rule, files)
        told.start("Reading pairs and scenes")
        pairs = read(lake, recipe)
        choice = choose(pairs, task, rule, layer, places, told)
        rows = manifest_rows(chosen(pairs, choice, recipe, places), rule)
        counts, steps = _verdicts(choice, rule), verdicts.asked(rule.verdicts)
        quotas = cell_counts(choice.cells, choice.found, Reasons(choice, places, pairs).of)
        rows_hash = content_hash(rows, hashed_columns())
        name = manifest_id(recipe, rows_hash)
        draft = Draft(
            manifest_id=name,
            content_hash=rows_hash,
            recipe=recipe,
            layer_version=layer_version,
            rows=rows,
            funnels={name: funnel(of, steps) for name, of in counts.items()},
            quotas=quotas,
            files=places.versions,
            draws=_draws(pairs, choice, name),
            sites=choice.sites,
            candidates=_with_splits(_candidates(pairs, choice, recipe, name), rows),
        )
        told.start("Writing the manifest")
        unchanged = not write(lake, draft)
        roles_found = Counter(row["role"] for row in rows)
        summary = ManifestSummary(
            manifest_id=draft.manifest_id,
            content_hash=rows_hash,
            task=task.name,
            unchanged=unchanged,
            tile_pairs=len(pairs.tiles),
            sites_found=sum(int(draws.n_sites.sum()) for draws in choice.draws),
            sites_drawn=pc.count_distinct(choice.sites["site_id"]).as_py(),
            sites_per_tile_pair=choice.per_tile_pair,
            widened=choice.per_tile_pair > rule.sites_per_tile_pair,
            pairs=len(pairs),
            candidates=len(choice.verdict),
            samples=roles_found["sample"],
            reserves=roles_found["reserve"],
            funnel=funnel(sum(map(Counter, counts.values()), Counter()), steps),
            quotas=quotas,
            splits=by_split(rows),
            pairs_outdated=_outdated(lake, recipe),
            cover_pixel_m=layer.pixel_m,
            urban_seen=_urban_seen(choice, rule),
        )
        run.counts = summary.counts
        run.reasons = {step.rule: step.n_dropped for step in summary.funnel if step.n_dropped}
        run.detail |= {"manifest_id": summary.manifest_id, "unchanged": unchanged}
        run.pins = True
    return summary


def _urban_seen(choice: Choice, rule: SelectRule) -> bool:
    """Tell whether any drawn site holds a class that counts as urban."""
    classes = pc.struct_field(pc.list_flatten(choice.sites["cover"].combine_chunks()), "class")
    urban = pa.array(rule.urban.classes, classes.type)
    return bool(pc.any(pc.is_in(classes, value_set=urban)).as_py())


_ROWS_AT_ONCE = 1_000_000
_NAMES = {KEPT: verdicts.KEPT, RESERVE: verdicts.RESERVE} | dict(enumerate(verdicts.RULE_NAMES))


def _verdicts(choice: Choice, rule: SelectRule) -> dict[str, dict[str, int]]:
    """Return the number of candidates of each verdict, by subset."""
    codes = np.stack([choice.subset[choice.site], choice.verdict])
    (subset, verdict), counts = np.unique(codes, axis=1, return_counts=True)
    found: dict[str, dict[str, int]] = {part.name: {} for part in rule.parts}
    for s, v, n in zip(subset.tolist(), verdict.tolist(), counts.tolist(), strict=True):
        found[rule.parts[s].name][_NAMES[v]] = n
    return found


def _pair_columns(pairs: Pairs, pair: Ints) -> dict[str, Any]:
    """Return the columns that name pairs, in both tables that have them."""
    lr, hr = (
        scenes.ids.take(pa.array(of_pair[pair]))
        for scenes, of_pair in ((pairs.lr_scenes, pairs.lr), (pairs.hr_scenes, pairs.hr))
    )
    return {
        "pair_id": pa.array(pair_names(pairs, pair), pa.string()),
        "lr_scene_id": lr.cast(pa.string()),
        "hr_scene_id": hr.cast(pa.string()),
        "gap_s": pairs.gap_s[pair],
    }


def chosen(pairs: Pairs, choice: Choice, recipe: Recipe, places: Places) -> list[dict[str, Any]]:
    """Return samples and reserves, as `manifest_rows` takes them."""
    at = np.flatnonzero(np.isin(choice.verdict, (KEPT, RESERVE)))
    site, pair = choice.site[at], choice.pair[at]
    sites = choice.sites.take(pa.array(site))
    names = sites["site_id"].to_numpy(zero_copy_only=False)
    subsets = _subset_names(recipe)[choice.subset[site]]
    kept = choice.verdict[at] == KEPT
    rows: list[dict[str, Any]] = pa.table(
        {
            "sample_id": pa.array(sample_ids(subsets, names, pair, pairs), pa.string()),
            "subset": pa.array(subsets, pa.string()),
            "role": pa.array(np.where(kept, "sample", "reserve"), pa.string()),
            **_pair_columns(pairs, pair),
            **{
                name: sites[name]
                for name in ("site_id", "stratum", "block", "split", "size_m", "epsg", "x_m", "y_m")
            },
            "chip_row": pa.array(
                map(
                    places.chip_row,
                    choice.subset[site].tolist(),
                    *(sites[name].to_pylist() for name in ("epsg", "x_m", "y_m")),
                ),
                pa.int64(),
            ),
        }
    ).to_pylist()
    return rows


def _candidates(pairs: Pairs, choice: Choice, recipe: Recipe, manifest: str) -> pa.Table:
    """Return the rows of `candidates`, made in parts: their texts are long."""
    parts = range(0, max(1, len(choice.site)), _ROWS_AT_ONCE)
    return pa.concat_tables(
        _some_candidates(pairs, choice, slice(start, start + _ROWS_AT_ONCE), recipe, manifest)
        for start in parts
    )


def _with_splits(candidates: pa.Table, rows: list[dict[str, Any]]) -> pa.Table:
    """Return candidates with the split that the chosen sites got where it is not by blocks."""
    of_site = {row["site_id"]: row["split"] for row in rows}
    at = pc.index_in(candidates["site_id"], value_set=pa.array([*of_site], pa.string()))
    chosen = pa.array([*of_site.values()], pa.string()).take(at.combine_chunks())
    place = candidates.schema.get_field_index("split")
    return candidates.set_column(
        place, "split", pc.coalesce(candidates["split"], chosen).cast(pa.string())
    )


def _some_candidates(
    pairs: Pairs, choice: Choice, some: slice, recipe: Recipe, manifest: str
) -> pa.Table:
    site, pair = choice.site[some], choice.pair[some]
    sites = choice.sites.select(["site_id", "stratum", "split"]).take(pa.array(site))
    codes, at = np.unique(choice.verdict[some], return_inverse=True)
    tile_pair = np.searchsorted(pairs.first, pair, side="right") - 1
    columns = {
        "manifest_id": pa.repeat(manifest, len(site)),
        "subset": pa.array(_subset_names(recipe)[choice.subset[site]], pa.string()),
        "site_id": sites["site_id"],
        **_pair_columns(pairs, pair),
        "lr_tile": pairs.tiles.lr_tile.take(pa.array(tile_pair)),
        "hr_tile": pairs.tiles.hr_tile.take(pa.array(tile_pair)),
        "verdict": pa.array([_NAMES[int(c)] for c in codes], pa.string()).take(pa.array(at)),
        "stratum": sites["stratum"],
        "split": sites["split"],
        **_shares("lr", pairs.lr_scenes, pairs.lr[pair]),
        **_shares("hr", pairs.hr_scenes, pairs.hr[pair]),
    }
    return pa.table({name: columns[name] for name in contract("candidates").names})


def _shares(side: str, scenes: Scenes, scene: Ints) -> dict[str, pa.Array]:
    return {
        f"{side}_{name}": pa.array(getattr(scenes, name)[scene], from_pandas=True)
        for name in ("cloud_frac", "snow_frac")
    }


def _draws(pairs: Pairs, choice: Choice, manifest: str) -> pa.Table:
    """Return how many sites each tile pair holds and how many of them were drawn."""
    n = len(pairs.tiles)
    return pa.concat_tables(
        pa.table(
            {
                "manifest_id": pa.repeat(manifest, n),
                "subset": pa.repeat(draws.name, n),
                "lr_tile": pc.cast(pairs.tiles.lr_tile, pa.string()),
                "hr_tile": pc.cast(pairs.tiles.hr_tile, pa.string()),
                "n_sites": draws.n_sites,
                "n_drawn": draws.n_drawn,
            }
        )
        for draws in choice.draws
    )


def _subset_names(recipe: Recipe) -> NDArray[np.object_]:
    return np.array([subset.name for subset in recipe.selection[1].parts], dtype=object)


def _outdated(lake: Lake, recipe: Recipe) -> bool:
    """Tell whether scenes came, changed or went since the pairs were made, if that is known."""
    pairs, scenes = (lake.versions.get(table) for table in ("pairs", "scenes"))
    what = changes.pairs_of(recipe.pairs.rule_id)
    since = changes.made_from(lake.root, "pairs", "scenes", what, pairs)
    if since is None or scenes is None:
        return False
    return changes.between(lake.root, "scenes", since, scenes) != {}


def hashed_columns() -> list[str]:
    """Return the columns that a manifest's hash covers: all that was chosen.

    Not where a chip stands in its file: the same chips in another order are the same choice.
    """
    return [n for n in contract("manifest").names if n not in ("manifest_id", "chip_row")]
