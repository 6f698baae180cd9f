"""STAC items of the four sensors in several dialects, hand-made after real ones."""

import copy
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely

from geosr_lake.archives import Record, find_files, normalise, plan_units, read_unit
from geosr_lake.archives.record import parse
from geosr_lake.lake.ledger import arrow_schema
from geosr_lake.scenes.reading import item_schema

Item = dict[str, Any]
FOLDER = "/archive/items"
S2_HOST = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2"
S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
EARTH_SEARCH_KEYS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir22": "B12",
    "scl": "SCL",
}


def box(west: float, south: float, east: float, north: float) -> Item:
    """Return a GeoJSON rectangle."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def frame(item_id: str, collection: str, geometry: Any, **properties: Any) -> Item:
    """Return an item without assets."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": collection,
        "geometry": geometry,
        "properties": properties,
        "links": [],
        "assets": {},
    }


def naip(
    quad: str = "4110264", quarter: str = "sw", day: str = "20220827", state: str = "co"
) -> Item:
    """Return a NAIP item as Planetary Computer serves it."""
    item = frame(
        f"{state}_m_{quad}_{quarter}_13_060_{day}",
        "naip",
        box(-102.131, 40.995, -102.055, 41.067),
        datetime=f"{day[:4]}-{day[4:6]}-{day[6:]}T16:00:00Z",
        gsd=0.6,
        **{"proj:epsg": 26913, "proj:transform": [0.6, 0.0, 741276.0, 0.0, -0.6, 4550210.4]},
    )
    host = "https://naipeuwest.blob.core.windows.net/naip/v002"
    item["assets"]["image"] = {"href": f"{host}/{state}/m_{quad}_{quarter}_{day}.tif"}
    return item


def landsat(
    *,
    mission: str = "LC08",
    tile: str = "033032",
    day: str = "20240908",
    processed: str = "20240914",
    usgs: bool = False,
) -> Item:
    """Return a Landsat item as Planetary Computer serves it, or as USGS does."""
    product = f"{mission}_L2SP_{tile}_{day}_{processed}_02_T1"
    short = f"{mission}_L2SP_{tile}_{day}_02_T1"
    host = "landsatlook.usgs.gov/data" if usgs else "landsateuwest.blob.core.windows.net/landsat-c2"
    item = frame(
        f"{product}_SR" if usgs else short,
        "landsat-c2l2-sr" if usgs else "landsat-c2-l2",
        box(-106.2, 39.2, -103.4, 41.4),
        datetime=f"{day[:4]}-{day[4:6]}-{day[6:]}T17:37:11.903003Z",
        platform=f"LANDSAT_{mission[3]}" if usgs else f"landsat-{mission[3]}",
        **{
            "eo:cloud_cover": 12.5,
            "proj:epsg": 32613,
            "proj:transform": [30, 0, 448785, 0, -30, 4581915],
            "landsat:wrs_path": tile[:3],
            "landsat:wrs_row": tile[3:],
        },
    )
    roles = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
    files = {role: f"SR_B{n}" for n, role in enumerate(roles, start=1)}
    files |= {"qa_pixel": "QA_PIXEL", "qa_radsat": "QA_RADSAT"}
    item["assets"] = {
        role: {"href": f"https://{host}/{product}/{product}_{end}.TIF"}
        for role, end in files.items()
    }
    return item


def modis(
    product: str = "MOD09A1",
    day: str = "2022033",
    tile: str = "h09v05",
    collection: str = "061",
    produced: str = "2022042043514",
) -> Item:
    """Return a MODIS item; its ring is not the tile."""
    granule = f"{product}.A{day}.{tile}.{collection}"
    item_id = f"{granule}.{produced}" if produced else granule
    item = frame(
        item_id,
        f"modis-{product[3:]}-{collection}",
        box(-117.5, 29.9, -92.3, 40.1),
        datetime=None,
        start_datetime="2022-02-02T00:00:00Z",
        end_datetime="2022-02-09T23:59:59Z",
    )
    names = [*(f"sur_refl_b0{n}" for n in range(1, 8)), "sur_refl_state_500m"]
    host = "https://modiseuwest.blob.core.windows.net/modis-061-cogs"
    item["assets"] = {
        name: {"href": f"{host}/{item_id}_{name}.tif", "roles": ["data"]}
        for name in [*names, "sur_refl_day_of_year"]
    }
    return item


def sentinel2(
    *,
    unit: str = "A",
    tile: str = "13TDE",
    sensed: str = "20240803T180011",
    strip: str | None = "20240803T180500",
    generated: str = "20240804T004953",
    baseline: str = "05.11",
    geometry: Item | None = None,
) -> Item:
    """Return a Sentinel-2 item as Planetary Computer serves it; `strip` None: no datastrip id."""
    item_id = f"S2{unit}_MSIL2A_{sensed}_R141_T{tile}_{generated}"
    day = f"{sensed[:4]}-{sensed[4:6]}-{sensed[6:8]}"
    item = frame(
        item_id,
        "sentinel-2-l2a",
        geometry or box(-106.2, 40.5, -104.9, 41.5),
        datetime=f"{day}T{sensed[9:11]}:{sensed[11:13]}:{sensed[13:]}.024Z",
        platform=f"Sentinel-2{unit}",
        **{
            "eo:cloud_cover": 8.1,
            "s2:snow_ice_percentage": 0.5,
            "s2:mgrs_tile": tile,
            "s2:processing_baseline": baseline,
            "s2:product_type": "S2MSI2A",
            "proj:epsg": 32600 + int(tile[:2]),
        },
    )
    if strip is not None:
        name = f"S2{unit}_OPER_MSI_L2A_DS_2APS_{generated}_S{strip}_N{baseline}"
        item["properties"]["s2:datastrip_id"] = name
    item["assets"] = {
        band: {
            "href": f"{S2_HOST}/{item_id}/{band}.tif",
            "proj:transform": [10.0, 0.0, 399960.0, 0.0, -10.0, 4500000.0],
        }
        for band in (*S2_BANDS, "SCL")
    }
    return item


def earth_search(item: Item) -> Item:
    """Return a Sentinel-2 item as Earth Search would serve it: other id, keys and names."""
    other, properties = copy.deepcopy(item), item["properties"]
    tile, day = properties["s2:mgrs_tile"], properties["datetime"][:10].replace("-", "")
    other["id"] = f"S2{item['id'][2]}_{tile}_{day}_0_L2A"
    del other["properties"]["s2:mgrs_tile"]
    other["properties"]["grid:code"] = f"MGRS-{tile}"
    other["properties"]["earthsearch:boa_offset_applied"] = True
    other["properties"]["datetime"] = properties["datetime"].replace(":11.024", ":59.500")
    host = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs"
    other["assets"] = {
        key: {"href": f"{host}/{other['id']}/{band}.tif"} for key, band in EARTH_SEARCH_KEYS.items()
    }
    return other


def linked(item: Item) -> Item:
    """Return an item with what live archives add: its own link, and when it was made."""
    made = {"created": "2024-09-01T01:02:03.5Z", "s2:generation_time": "2024-08-04T00:49:53Z"}
    href = f"https://planetarycomputer.microsoft.com/api/stac/v1/collections/{item['collection']}"
    links = [{"rel": "license", "href": "https://h/l"}, {"rel": "self", "href": href}]
    return {**item, "properties": {**item["properties"], **made}, "links": links}


def records(items: Iterable[Any]) -> list[Record]:
    """Return items as the records that a reader would offer."""
    return [parse(json.dumps(item).encode()) for item in items]


def rows(*items: Any) -> list[dict[str, Any]]:
    """Return the rows of `items` that items become."""
    batch = normalise(records(items), item_schema(), folder=FOLDER)
    return [dict(row) for row in batch.to_pylist()]


def row(item: Any) -> dict[str, Any]:
    """Return the row of one item; its assets as a dictionary."""
    (only,) = rows(item)
    only["assets"] = dict(only["assets"] or [])
    return only


def table(*items: Any) -> pa.Table:
    """Return the kept rows of items, as the derivation of scenes takes them."""
    batch = normalise(records(items), item_schema(), folder=FOLDER)
    found = pa.Table.from_batches([batch])
    return found.filter(pa.compute.equal(found["outcome"], "kept"))


def file_table(*paths: Path) -> pa.Table:
    """Return the rows of whole files."""
    batches = [
        normalise(list(read_unit(unit)), item_schema(), folder=unit.folder)
        for unit in plan_units(find_files(paths))
    ]
    return pa.Table.from_batches(batches)


def write_lines(path: Path, items: Iterable[Any]) -> Path:
    """Write items as newline-delimited JSON, gzipped where the name says so."""
    text = "".join(json.dumps(item) + "\n" for item in items).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)
    return path


def columns(items: Sequence[Item]) -> pa.RecordBatch:
    """Return items as rows of stac-geoparquet: properties beside assets, geometry as WKB."""
    rows = [{**item["properties"], **item, "properties": None} for item in items]
    for row, item in zip(rows, items, strict=True):
        row["geometry"] = shapely.to_wkb(shapely.geometry.shape(item["geometry"]))
    names = dict.fromkeys(name for row in rows for name in row if name != "properties")
    return pa.RecordBatch.from_pydict({name: [row.get(name) for row in rows] for name in names})


SCENES = arrow_schema("scenes")
TILES = arrow_schema("tiles")
