"""STAC items for the generated files, in the shape in which Planetary Computer serves them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyproj
import shapely

from geosr_lake.demo import places
from geosr_lake.demo.plan import (
    MODIS_TILE,
    S2_TILE,
    Composite,
    LandsatPass,
    Pass,
    Photo,
)
from geosr_lake.demo.render import Grid
from geosr_lake.demo.schedule import strips_meet_at
from geosr_lake.demo.sketch import Box
from geosr_lake.sensors import landsat, modis, sentinel2

Item = dict[str, Any]
Files = Mapping[str, PurePosixPath]
"""Role of an asset -> path relative to the item file's folder."""

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_EXTENSIONS = "https://stac-extensions.github.io"
_EO, _PROJECTION, _RASTER = (
    f"{_EXTENSIONS}/eo/v1.0.0/schema.json",
    f"{_EXTENSIONS}/projection/v1.0.0/schema.json",
    f"{_EXTENSIONS}/raster/v1.1.0/schema.json",
)
DAMAGED_ID = f"S2A_MSIL2A_20210918T174911_R141_T{S2_TILE}_20210919T021755"
_MODIS_WKT = (
    'PROJCS["unnamed",GEOGCS["Unknown datum based upon the custom spheroid",DATUM["Not specified '
    '(based on custom spheroid)",SPHEROID["Custom spheroid",6371007.181,0]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]]],PROJECTION["Sinusoidal"],'
    'PARAMETER["longitude_of_center",0],PARAMETER["false_easting",0],PARAMETER["false_northing",0],'
    'UNIT["Meter",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
)


def naip_item(photo: Photo, state: str, grid: Grid, files: Files) -> Item:
    """An item of collection ``naip``."""
    ground = _degrees(shapely.box(*grid.bounds))
    center = ground.centroid
    properties = {
        "gsd": 0.6,
        "datetime": f"{photo.day:%Y-%m-%d}T16:00:00Z",
        "naip:year": str(photo.day.year),
        "naip:state": state,
        "proj:epsg": 26900 + 13,
        "proj:bbox": [round(v, 1) for v in grid.bounds],
        "proj:shape": [grid.height, grid.width],
        "proj:transform": _transform(grid),
        "proj:centroid": {"lat": round(center.y, 5), "lon": round(center.x, 5)},
        "providers": [
            {"name": "USDA Farm Service Agency", "roles": ["producer", "licensor"]},
        ],
    }
    bands = (("Red", "red"), ("Green", "green"), ("Blue", "blue"), ("NIR", "nir"))
    image = _asset(files["image"], "RGBIR COG tile", ["data"])
    image["eo:bands"] = [{"name": name, "common_name": common} for name, common in bands]
    return _item(
        f"{state}_{photo.name}", "naip", ground, properties, {"image": image}, [_EO, _PROJECTION]
    )


def sentinel2_item(
    product: Pass, grids: Mapping[str, Grid], files: Files, shares: Mapping[str, float]
) -> Item:
    """An item of collection ``sentinel-2-l2a``.

    Args:
        product: The pass.
        grids: Role -> pixels.
        files: Role -> file.
        shares: Percentages by property name, measured in the pixels.
    """
    short = product.platform
    baseline, generated = product.baseline, f"{product.generated:%Y%m%dT%H%M%S}"
    sensed = f"{product.sensed:%Y%m%dT%H%M%S}"
    strip = f"{product.strip_start:%Y%m%dT%H%M%S}"
    properties: dict[str, Any] = {
        "datetime": f"{product.sensed:%Y-%m-%dT%H:%M:%S}.024000Z",
        "platform": f"Sentinel-{short[1:]}",
        "constellation": "Sentinel 2",
        "instruments": ["msi"],
        "proj:epsg": places.EPSG,
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 98,
        "s2:mgrs_tile": S2_TILE,
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": f"{safe_name(product)}.SAFE",
        "s2:processing_baseline": baseline,
        "s2:generation_time": f"{product.generated:%Y-%m-%dT%H:%M:%S}.000000Z",
        "s2:datatake_id": f"G{short}_{sensed}_{product.orbit:06d}_N{baseline}",
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": f"{short}_OPER_MSI_L2A_DS_S2RP_{generated}_S{strip}_N{baseline}",
        "s2:granule_id": (
            f"{short}_OPER_MSI_L2A_TL_S2RP_{generated}_A{product.orbit:06d}_T{S2_TILE}_N{baseline}"
        ),
        "s2:mean_solar_zenith": 38.2,
        "s2:mean_solar_azimuth": 157.4,
        **shares,
    }
    assets = {}
    for role, path in files.items():
        band = sentinel2.SENSOR.band(role)
        asset = _asset(path, f"{role} - {band.name} - {band.gsd_m:.0f}m", ["data"])
        grid = grids[role]
        asset |= {
            "gsd": band.gsd_m,
            "proj:bbox": list(grid.bounds),
            "proj:shape": [grid.height, grid.width],
            "proj:transform": _transform(grid)[:6],
        }
        if role != "SCL":
            asset["eo:bands"] = [{"name": role, "center_wavelength": band.wavelength_um}]
        assets[role] = asset
    ground = _degrees(sentinel2_ground(product, grids["B02"].bounds))
    extensions = [_EO, f"{_EXTENSIONS}/sat/v1.0.0/schema.json", _PROJECTION]
    return _item(product.item_id, "sentinel-2-l2a", ground, properties, assets, extensions)


def safe_name(product: Pass) -> str:
    """Name of a Sentinel-2 product as ESA writes it."""
    head, tail = product.item_id.split("_R098_")
    return f"{head}_N{product.baseline.replace('.', '')}_R098_{tail}"


def sentinel2_ground(product: Pass, crop: Box) -> shapely.Polygon:
    """The ground that a product covers, metres of the zone: the files' or its side of the line."""
    if product.part == "all":
        return shapely.box(*crop)
    west, south, east, north = crop
    line = [(west, strips_meet_at(west)), (east, strips_meet_at(east))]
    far = north if product.part == "north" else south
    return shapely.Polygon([*line, (east, far), (west, far)])


def landsat_item(scene: LandsatPass, grid: Grid, files: Files, cloud_percent: float) -> Item:
    """An item of collection ``landsat-c2-l2``."""
    properties = {
        "datetime": f"{scene.sensed:%Y-%m-%dT%H:%M:%S}.512000Z",
        "created": f"{scene.processed:%Y-%m-%d}T09:22:01.776000Z",
        "description": "Landsat Collection 2 Level-2",
        "platform": "landsat-8",
        "instruments": ["oli", "tirs"],
        "gsd": 30,
        "eo:cloud_cover": cloud_percent,
        "landsat:cloud_cover_land": cloud_percent,
        "landsat:collection_category": "T1",
        "landsat:collection_number": "02",
        "landsat:correction": "L2SP",
        "landsat:scene_id": f"LC8{scene.path:03d}{scene.row:03d}{scene.sensed:%Y%j}LGN00",
        "landsat:wrs_path": f"{scene.path:03d}",
        "landsat:wrs_row": f"{scene.row:03d}",
        "landsat:wrs_type": "2",
        "proj:epsg": places.EPSG,
        "proj:shape": [grid.height, grid.width],
        "proj:transform": _transform(grid)[:6],
        "view:off_nadir": 0,
        "view:sun_azimuth": 148.5,
        "view:sun_elevation": 49.4,
    }
    assets = {}
    for role, path in files.items():
        band = landsat.SENSOR.band(role)
        asset = _asset(path, band.name, ["data"])
        facts: dict[str, Any] = {"data_type": band.dtype, "spatial_resolution": 30}
        if band.nodata is not None:
            facts["nodata"] = band.nodata
        if role in landsat.SENSOR.data_roles:
            asset["roles"] = ["data", "reflectance"]
            asset["eo:bands"] = [
                {
                    "name": f"OLI_{landsat.FILE_SUFFIX[role][3:]}",
                    "common_name": role,
                    "center_wavelength": band.wavelength_um,
                }
            ]
            facts |= {"scale": band.scale, "offset": band.offset}
        asset["raster:bands"] = [facts]
        assets[role] = asset
    ground = _degrees(shapely.box(*scene.data_box))
    extensions = [
        _RASTER,
        _EO,
        f"{_EXTENSIONS}/view/v1.0.0/schema.json",
        f"{_EXTENSIONS}/projection/v1.1.0/schema.json",
        "https://landsat.usgs.gov/stac/landsat-extension/v1.1.1/schema.json",
    ]
    return _item(scene.item_id, "landsat-c2-l2", ground, properties, assets, extensions)


def modis_item(composite: Composite, files: Files) -> Item:
    """An item of collection ``modis-09A1-061``; no datetime, and a coarse ring as archives have."""
    last = composite.start + timedelta(days=modis.COMPOSITE_DAYS - 1)
    names = {"state": "sur_refl_state_500m", "day_of_year": "sur_refl_day_of_year"}
    assets = {}
    for role, path in files.items():
        band = modis.SENSOR.band(role)
        key = names.get(role, role)
        asset = _asset(path, band.name, ["data"])
        facts: dict[str, Any] = {"data_type": band.dtype, "spatial_resolution": 500}
        if role in modis.SENSOR.data_roles:
            asset["roles"] = ["data", "reflectance"]
            asset["eo:bands"] = [{"name": key, "center_wavelength": band.wavelength_um}]
            facts["scale"] = band.scale
        asset["raster:bands"] = [facts]
        assets[key] = asset
    return modis_frame(
        composite.item_id,
        "modis-09A1-061",
        {
            "start_datetime": f"{composite.start}T00:00:00Z",
            "end_datetime": f"{last}T23:59:59Z",
            "created": f"{last + timedelta(days=9)}T04:35:14Z",
        },
        assets,
    )


def modis_frame(
    item_id: str, collection: str, times: Mapping[str, str], assets: Mapping[str, Item]
) -> Item:
    """An item of any MODIS product of the demo's tile."""
    h, v = MODIS_TILE
    west, south, east, north = modis.tile_bounds_m(h, v)
    size = modis.PIXEL_500M
    corners = [[east, south], [east, north], [west, north], [west, south], [east, south]]
    properties: dict[str, Any] = {
        "datetime": None,
        **times,
        "platform": "terra",
        "instruments": ["modis"],
        "modis:horizontal-tile": h,
        "modis:vertical-tile": v,
        "modis:tile-id": f"51{h:03d}{v:03d}",
        "proj:epsg": None,
        "proj:wkt2": _MODIS_WKT,
        "proj:geometry": {"type": "Polygon", "coordinates": [corners]},
        "proj:shape": [modis.PIXELS_500M, modis.PIXELS_500M],
        "proj:transform": [size, 0.0, west, 0.0, -size, north],
    }
    # Archives draw four corners and join them by straight lines, a little off the tile.
    polygon = modis.tile_polygon(h, v)
    lon, lat = np.asarray(polygon.exterior.coords).T
    top, bottom = lat > lat.max() - 1e-6, lat < lat.min() + 1e-6
    ring = [
        (float(lon[bottom].min()), 29.93),
        (float(lon[top].min()), 39.94),
        (float(lon[top].max()), 40.08),
        (float(lon[bottom].max()), 30.06),
    ]
    extensions = [_EO, _PROJECTION, _RASTER]
    return _item(item_id, collection, shapely.Polygon(ring), properties, assets, extensions)


def collection(collection_id: str, members: list[Item]) -> Item:
    """The STAC collection of some items, as small as the specification allows."""
    boxes = np.array([item["bbox"] for item in members])
    west, south = boxes[:, :2].min(axis=0).tolist()
    east, north = boxes[:, 2:].max(axis=0).tolist()
    facts = [item["properties"] for item in members]
    first = min(p["datetime"] or p["start_datetime"] for p in facts)
    last = max(p["datetime"] or p["end_datetime"] for p in facts)
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": collection_id,
        "description": f"Generated imagery in the form of {collection_id}",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[west, south, east, north]]},
            "temporal": {"interval": [[first, last]]},
        },
        "links": [],
    }


def damaged_item(like: Item) -> Item:
    """An item whose ring has two points, as they occur in the wild."""
    properties = like["properties"] | {
        "datetime": "2021-09-18T17:49:11.024000Z",
        "s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_S2RP_20210919T021755_S20210918T175600_N03.01",
        "s2:product_uri": f"{DAMAGED_ID}.SAFE",
        "s2:processing_baseline": "03.01",
        "sat:relative_orbit": 141,
    }
    ring = like["geometry"]["coordinates"][0][:2]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return like | {"id": DAMAGED_ID, "properties": properties, "geometry": geometry}


def unpaired_item() -> Item:
    """A granule of a product that no task uses: land surface temperature."""
    h, v = MODIS_TILE
    item_id = f"MOD11A2.A2021257.h{h:02d}v{v:02d}.061.2021266050512"
    times = {"start_datetime": "2021-09-14T00:00:00Z", "end_datetime": "2021-09-21T23:59:59Z"}
    path = (
        PurePosixPath("../pixels/modis-061-cogs/MOD11A2/09/05/2021257")
        / f"{item_id}_LST_Day_1km.tif"
    )
    assets = {"LST_Day_1km": _asset(path, "Daytime temperature", ["data"])}
    return modis_frame(item_id, "modis-11A2-061", times, assets)


def _item(
    item_id: str,
    collection: str,
    ground: shapely.Polygon,
    properties: Mapping[str, Any],
    assets: Mapping[str, Item],
    extensions: list[str],
) -> Item:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": extensions,
        "id": item_id,
        "collection": collection,
        "bbox": [round(v, 6) for v in ground.bounds],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[round(x, 7), round(y, 7)] for x, y in ground.exterior.coords]],
        },
        "properties": dict(properties),
        "links": [
            {
                "rel": "collection",
                "href": f"../collections/{collection}.json",
                "type": "application/json",
            }
        ],
        "assets": dict(assets),
    }


def _asset(path: PurePosixPath, title: str, roles: list[str]) -> Item:
    return {"href": str(path), "type": COG, "title": title, "roles": roles}


def _transform(grid: Grid) -> list[float]:
    return [grid.pixel_m, 0.0, grid.west, 0.0, -grid.pixel_m, grid.north, 0.0, 0.0, 1.0]


def _degrees(ground: shapely.Polygon, step_m: float = 10_000.0) -> shapely.Polygon:
    """A polygon of the zone in longitude and latitude, with a vertex at least every 10 km."""
    to_degrees = pyproj.Transformer.from_crs(places.EPSG, 4326, always_xy=True)
    ring = shapely.segmentize(ground.exterior, step_m)
    x, y = shapely.get_coordinates(ring).T
    lon, lat = to_degrees.transform(x, y)
    return shapely.orient_polygons(shapely.Polygon(np.column_stack([lon, lat])))
