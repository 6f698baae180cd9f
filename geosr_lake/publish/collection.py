"""One manifest as a STAC collection, the catalogs of its splits, and its card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from string import Template
from typing import Any

from geosr_lake.publish import terms
from geosr_lake.publish.cube import datacube, stac_bands
from geosr_lake.publish.items import cube_asset, geometry
from geosr_lake.publish.source import MEASURED, Release, SampleFacts
from geosr_lake.resources import resource_dir

UP = "../../"
"""Way from a collection's folder to the lake's."""
EXTENSIONS = [
    *(terms.DATACUBE, terms.EO, terms.FILE, terms.GEOSR, terms.ML_AOI, terms.PROJECTION),
    *(terms.RASTER, terms.SCIENTIFIC, terms.VERSION, terms.ZARR),
]
_DAY_S = 86400.0


def collection_id(release: Release) -> str:
    """Return the collection's id: the recipe's name and the manifest's first digits."""
    return f"{release.recipe}-{release.manifest_id.rsplit('-', 1)[-1][:8]}"


def title(release: Release) -> str:
    """Return the title for people."""
    return f"{_template(release)['title']} ({release.recipe})"


def collection(release: Release, zarr_type: str, checksums_multihash: str) -> dict[str, Any]:
    """Return the collection document.

    Args:
        release: The manifest.
        zarr_type: Media type of the cubes.
        checksums_multihash: Of ``checksums.sha256``, hexadecimal multihash.
    """
    fixed = _template(release)
    folder = resource_dir("catalog") / release.task.name
    cubes = {cube.split: cube_asset(cube, UP, zarr_type) for cube in release.cubes}
    return {
        "type": "Collection",
        "stac_version": terms.STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": collection_id(release),
        "title": title(release),
        "description": (folder / "description.md").read_text(encoding="utf-8").strip(),
        "keywords": fixed["keywords"],
        "license": fixed["license"],
        "version": release.manifest_id,
        "providers": fixed["providers"],
        "sci:publications": fixed["sci:publications"],
        "geosr:task": release.task.name,
        "geosr:manifest_id": release.manifest_id,
        "geosr:recipe": release.recipe,
        "geosr:sides": fixed["geosr:sides"],
        "geosr:scalings": fixed["geosr:scalings"],
        "extent": _extent(release.samples),
        "summaries": _summaries(release),
        "links": [
            terms.link("root", "../catalog.json"),
            terms.link("parent", "../catalog.json"),
            *(
                terms.link("child", f"./{cube.split}/catalog.json", title=f"Split {cube.split}")
                for cube in release.cubes
            ),
            *(
                {"rel": "store", "href": asset["href"], "type": asset["type"]}
                for asset in cubes.values()
            ),
            terms.link("describedby", "./geosr-extension.json", "application/schema+json"),
            *fixed["links"],
        ],
        "item_assets": {"cube": _item_asset(zarr_type)},
        "assets": {
            **{
                cube.split: {
                    **cubes[cube.split],
                    "file:size": cube.size_bytes,
                    "geosr:split": cube.split,
                    "geosr:samples": cube.n_samples,
                    "bands": stac_bands(release.task),
                    **datacube(cube, release.task),
                }
                for cube in release.cubes
            },
            "items": {
                "href": "./items.parquet",
                "type": terms.PARQUET,
                "title": "All items as stac-geoparquet",
                "roles": ["collection-mirror"],
            },
            "checksums": {
                "href": "./checksums.sha256",
                "type": "text/plain",
                "title": "SHA-256 of every pixel file",
                "roles": ["metadata"],
                "file:checksum": checksums_multihash,
            },
            "card": {
                "href": "./README.md",
                "type": "text/markdown",
                "title": "Card of the data set",
                "roles": ["metadata"],
            },
        },
    }


def split_catalog(release: Release, split: str, sample_ids: Sequence[str]) -> dict[str, Any]:
    """Return the catalog that links the items of one split."""
    return {
        "type": "Catalog",
        "stac_version": terms.STAC_VERSION,
        "id": f"{collection_id(release)}-{split}",
        "title": f"Split {split}",
        "description": f"The {len(sample_ids)} samples of the split {split}, in the cube's order.",
        "links": [
            terms.link("root", "../../catalog.json"),
            terms.link("parent", "../collection.json"),
            *(terms.link("item", f"./{name}.json", terms.GEOJSON) for name in sample_ids),
        ],
    }


def card(release: Release) -> str:
    """Return the data set's card (Markdown), its numbers filled in."""
    text = (resource_dir("catalog") / release.task.name / "card.md").read_text(encoding="utf-8")
    samples = release.samples
    times = _times(samples)
    gaps = [sample.gap_s / _DAY_S for sample in samples]
    strata = Counter(sample.stratum for sample in samples)
    subsets = Counter(sample.subset for sample in samples)
    return Template(text).substitute(
        title=title(release),
        collection_id=collection_id(release),
        recipe=release.recipe,
        manifest_id=release.manifest_id,
        split_rows="\n".join(
            f"| {cube.split} | {cube.n_samples} | {cube.n_slots - cube.n_samples} |"
            for cube in release.cubes
        ),
        start=times[0][:10],
        end=times[1][:10],
        gap_min_days=f"{min(gaps):.1f}",
        gap_max_days=f"{max(gaps):.1f}",
        strata=_counted(strata),
        subsets=_counted(subsets),
        blocks=len({sample.block for sample in samples}),
        apart=release.apart,
        zones=", ".join(f"EPSG:{epsg}" for epsg in sorted({s.epsg for s in samples})),
    )


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items()))


def _template(release: Release) -> dict[str, Any]:
    file = resource_dir("catalog") / release.task.name / "collection.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _item_asset(zarr_type: str) -> dict[str, Any]:
    return {
        "type": zarr_type,
        "title": "Cube of the sample's split",
        "description": "The sample stands at geosr:index along the first dimension",
        "roles": ["data"],
        "zarr:consolidated": True,
        "zarr:node_type": "group",
        "zarr:zarr_format": 3,
    }


def _times(samples: Iterable[SampleFacts]) -> tuple[str, str]:
    bounds = [bound for s in samples for bound in (*s.lr_time, *s.hr_time)]
    return terms.instant(min(bounds)), terms.instant(max(bounds))


def _extent(samples: Sequence[SampleFacts]) -> dict[str, Any]:
    boxes = [geometry(sample)[1] for sample in samples]
    west, south, east, north = zip(*boxes, strict=True)
    box = [min(west), min(south), max(east), max(north)]
    if any(w > e for w, e in zip(west, east, strict=True)):  # over the antimeridian
        box[0], box[2] = -180.0, 180.0
    return {
        "spatial": {"bbox": [box]},
        "temporal": {"interval": [list(_times(samples))]},
    }


def _summaries(release: Release) -> dict[str, Any]:
    samples = release.samples
    ranges: dict[str, Sequence[float | None]] = {
        "gap_s": [sample.gap_s for sample in samples],
        **{name: [sample.measured[name] for sample in samples] for name in MEASURED},
    }
    found: dict[str, Any] = {
        "gsd": [release.task.hr_gsd_m],
        "proj:code": sorted({f"EPSG:{sample.epsg}" for sample in samples}),
        "ml-aoi:split": [terms.ML_SPLIT[cube.split] for cube in release.cubes],
        "geosr:subset": sorted({sample.subset for sample in samples}),
        "geosr:stratum": sorted({sample.stratum for sample in samples}),
    }
    for name, values in ranges.items():
        known = [value for value in values if value is not None]
        if known:
            found[f"geosr:{name}"] = {"minimum": min(known), "maximum": max(known)}
    return {name: value for name, value in found.items() if value}
