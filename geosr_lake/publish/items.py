"""One sample as a STAC item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import shapely
from shapely.geometry.polygon import orient

from geosr_lake.publish import terms
from geosr_lake.publish.source import Release, SampleFacts, SplitCube
from geosr_lake.sensors.tasks import Task

COORDINATE_DIGITS = 9
"""Digits after the point of degrees: a tenth of a millimetre."""
EXTENSIONS = [terms.GEOSR, terms.ML_AOI, terms.PROJECTION, terms.ZARR]


def cube_asset(cube: SplitCube, up: str, zarr_type: str) -> dict[str, Any]:
    """Return the asset that names a split's store.

    Args:
        cube: The store.
        up: Way from the document's folder to the lake's, as ``../../``.
        zarr_type: Media type.
    """
    return {
        "href": up + cube.href,
        "type": zarr_type,
        "title": f"Cube of the split {cube.split}",
        "roles": ["data"],
        "zarr:consolidated": True,
        "zarr:node_type": "group",
        "zarr:zarr_format": 3,
        "xarray:open_kwargs": {"engine": "zarr", "consolidated": True},
    }


def geometry(sample: SampleFacts) -> tuple[dict[str, Any], list[float]]:
    """Return the site's square as GeoJSON (exterior rings anticlockwise) and its bbox.

    Over the antimeridian the bbox has its west edge east of its east edge, as GeoJSON has it.
    """
    shape = shapely.from_wkb(sample.footprint_wkb)
    shape = shapely.transform(shape, lambda xy: xy.round(COORDINATE_DIGITS))
    parts = [orient(part) for part in getattr(shape, "geoms", [shape])]
    west, south, east, north = shape.bounds
    if len(parts) > 1 and west <= -180 and east >= 180:
        west = min(part.bounds[0] for part in parts if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[2] < 0)
    turned = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    found: dict[str, Any] = shapely.geometry.mapping(turned)
    return _lists(found), [west, south, east, north]


def item(release: Release, sample: SampleFacts, collection_id: str, asset: dict[str, Any]) -> Any:
    """Return the STAC item of a sample, whose document lies two folders below the catalog's."""
    shape, bbox = geometry(sample)
    start = min(sample.lr_time[0], sample.hr_time[0])
    end = max(sample.lr_time[1], sample.hr_time[1])
    return {
        "type": "Feature",
        "stac_version": terms.STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": sample.sample_id,
        "geometry": shape,
        "bbox": bbox,
        "properties": {
            "datetime": None,
            "start_datetime": terms.instant(start),
            "end_datetime": terms.instant(end),
            "gsd": release.task.hr_gsd_m,
            **_projection(release.task, sample),
            "ml-aoi:split": terms.ML_SPLIT[sample.split],
            **_own(release, sample),
        },
        "links": [
            terms.link("root", "../../catalog.json"),
            terms.link("parent", "./catalog.json"),
            terms.link("collection", "../collection.json"),
            {"rel": "store", "href": asset["href"], "type": asset["type"]},
            *(
                terms.link("derived_from", terms.item_address(label), terms.GEOJSON, label)
                for label in (sample.lr_item, sample.hr_item)
            ),
        ],
        "collection": collection_id,
        "assets": {"cube": asset},
    }


def _projection(task: Task, sample: SampleFacts) -> dict[str, Any]:
    """Return CRS, shape and transform of the HR grid: pixel edges, rows from the north."""
    size_m, gsd_m = task.site_size_m, task.hr_gsd_m
    west, south = float(sample.x_m), float(sample.y_m)
    return {
        "proj:code": f"EPSG:{sample.epsg}",
        "proj:bbox": [west, south, west + size_m, south + size_m],
        "proj:shape": [task.hr_px, task.hr_px],
        "proj:transform": [gsd_m, 0.0, west, 0.0, -gsd_m, south + size_m],
    }


def _own(release: Release, sample: SampleFacts) -> dict[str, Any]:
    values: dict[str, Any] = {
        "task": release.task.name,
        "manifest_id": release.manifest_id,
        "subset": sample.subset,
        "split": sample.split,
        "index": sample.index,
        "shard": sample.shard,
        "stratum": sample.stratum,
        "block": sample.block,
        "site_id": sample.site_id,
        "pair_id": sample.pair_id,
        "replaces": sample.replaces,
        "gap_s": sample.gap_s,
        "lr_time": terms.interval(sample.lr_time),
        "hr_time": terms.interval(sample.hr_time),
        "lr_dn_offset": sample.lr_dn_offset,
        **sample.measured,
        "lr_item": sample.lr_item,
        "hr_item": sample.hr_item,
        "lr_licence": sample.lr_licence,
        "hr_licence": sample.hr_licence,
    }
    return {f"geosr:{name}": value for name, value in values.items() if value is not None}


def _lists(value: Any) -> Any:
    """Turn the tuples of a GeoJSON geometry into lists."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_lists(inner) for inner in value]
    return value
