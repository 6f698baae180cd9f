"""Renders one acquisition after the other into files and items."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from geosr_lake.demo import items, places
from geosr_lake.demo.landscape import Landscape
from geosr_lake.demo.plan import (
    MODIS_TILE,
    S2_TILE,
    Composite,
    LandsatPass,
    Pass,
    Photo,
)
from geosr_lake.demo.raster import write_cog
from geosr_lake.demo.render import (
    Grid,
    ModisPixels,
    Patch,
    landsat_bands,
    landsat_quality,
    modis_composite,
    photograph,
    sentinel2_classes,
    sentinel2_dn,
    sentinel2_patch,
)
from geosr_lake.demo.schedule import strips_meet_at
from geosr_lake.demo.sketch import Box, uniform
from geosr_lake.demo.weather import Weather
from geosr_lake.sensors import landsat, modis, naip, sentinel2
from geosr_lake.sensors.quality import SCL_CLOUDY

ZONE_CRS = f"EPSG:{places.EPSG}"
PHOTO_CRS = "EPSG:26913"
PIXELS = PurePosixPath("../pixels")
"""Where the rasters lie, seen from the folder of the item files."""
_SPARSE_BLOCK_PX = 256
"""Small tiles for files with data around a few places only."""
_LANDSAT_AT_ONCE = 3
"""Bands of a Landsat scene in memory at a time."""

_SCL_PROPERTIES = {
    "s2:saturated_defective_pixel_percentage": (1,),
    "s2:dark_features_percentage": (2,),
    "s2:cloud_shadow_percentage": (3,),
    "s2:vegetation_percentage": (4,),
    "s2:not_vegetated_percentage": (5,),
    "s2:water_percentage": (6,),
    "s2:unclassified_percentage": (7,),
    "s2:medium_proba_clouds_percentage": (8,),
    "s2:high_proba_clouds_percentage": (9,),
    "s2:thin_cirrus_percentage": (10,),
    "s2:snow_ice_percentage": (11,),
    "eo:cloud_cover": SCL_CLOUDY,
}


@dataclass(frozen=True, slots=True, eq=False)
class MadeScene:
    """One acquisition as it was written.

    Attributes:
        item: The STAC item, hrefs relative to the folder of the item files.
        sensor: Its sensor.
        files: Role of an asset -> file; a planted missing file is named as well.
        grids: Role -> the file's pixels.
        weather: What hides the ground.
        windows: The ground that has data, metres of the zone; empty for MODIS.
    """

    item: items.Item
    sensor: str
    files: Mapping[str, Path]
    grids: Mapping[str, Grid]
    weather: Weather = field(default_factory=Weather)
    windows: tuple[Box, ...] = ()

    @property
    def item_id(self) -> str:
        """The item's id."""
        return str(self.item["id"])


def make_photo(folder: Path, landscape: Landscape, photo: Photo) -> list[MadeScene]:
    """Write a photograph, once for each state that publishes it.

    Args:
        folder: Where the item files will lie.
        landscape: The ground.
        photo: What to make.
    """
    grid = Grid.over(photo.box, naip.GSD_M, PHOTO_CRS)
    made: list[MadeScene] = []
    for state in photo.states:
        year, block = photo.day.year, photo.quad[:5]
        path = PurePosixPath("naip/v002", state, str(year), f"{state}_060cm_{year}", block)
        files = {naip.IMAGE: PIXELS / path / f"{photo.name}.tif"}
        target = _local(folder, files)[naip.IMAGE]
        if made:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made[0].files[naip.IMAGE], target)
        elif not photo.missing:
            write_cog(target, photograph(landscape.within(grid.bounds), grid), grid, nodata=None)
        item = items.naip_item(photo, state, grid, files)
        grids = {naip.IMAGE: grid}
        made.append(MadeScene(item, "naip", {naip.IMAGE: target}, grids, windows=(photo.box,)))
    return made


def make_sentinel2(
    folder: Path, grounds: Sequence[Landscape], product: Pass, crop: Box
) -> MadeScene:
    """Write the twelve bands and the classes of a Sentinel-2 product.

    Args:
        folder: Where the item files will lie.
        grounds: The ground of each window that has data; their extents are on the 60 m grid.
        product: What to make.
        crop: The ground of the files, on the 60 m grid.
    """
    chosen = grounds if product.only is None else [grounds[k] for k in product.only]
    chosen = [ground for ground in chosen if _on_strip(product, ground.extent)]
    grids = {band.role: Grid.over(crop, band.gsd_m, ZONE_CRS) for band in sentinel2.SENSOR.bands}
    files = {role: _sentinel2_path(product, role) for role in grids}
    targets = _local(folder, files)
    offset = sentinel2.dn_offset(product.baseline)
    for gsd_m in (10.0, 20.0, 60.0):
        roles = [b.role for b in sentinel2.SENSOR.data_bands if b.gsd_m == gsd_m]
        grid = grids[roles[0]]
        patches = [sentinel2_patch(ground, product.weather, grid, roles) for ground in chosen]
        for k, role in enumerate(roles):
            image = np.zeros((grid.height, grid.width), dtype=np.uint16)
            for patch in patches:
                image[patch.rows, patch.columns] = sentinel2_dn(patch.seen[k], offset)
            write_cog(targets[role], image, grid, nodata=0, block_px=_SPARSE_BLOCK_PX)
    grid = grids["SCL"]
    classes = np.zeros((grid.height, grid.width), dtype=np.uint8)
    for ground in chosen:
        patch = sentinel2_patch(ground, product.weather, grid, ("B04", "B8A"))
        classes[patch.rows, patch.columns] = _classes(patch)
    write_cog(targets["SCL"], classes, grid, nodata=0, block_px=_SPARSE_BLOCK_PX)
    item = items.sentinel2_item(product, grids, files, _scl_shares(classes))
    windows = tuple(ground.extent for ground in chosen)
    return MadeScene(item, "sentinel2", targets, grids, product.weather, windows)


def make_landsat(folder: Path, landscape: Landscape, scene: LandsatPass) -> MadeScene:
    """Write the seven bands and two quality bands of a Landsat scene."""
    grid = Grid.over(scene.file_box, landsat.GSD_M, ZONE_CRS)
    base = PurePosixPath(
        f"landsat-c2/level-2/standard/oli-tirs/{scene.sensed.year}/{scene.path:03d}/{scene.row:03d}"
    )
    files = {
        role: PIXELS / base / scene.product_id / f"{scene.product_id}_{suffix}.TIF"
        for role, suffix in landsat.FILE_SUFFIX.items()
    }
    targets = _local(folder, files)
    ground = landscape.within(scene.data_box)
    roles = landsat.SENSOR.data_roles
    for first in range(0, len(roles), _LANDSAT_AT_ONCE):
        some = roles[first : first + _LANDSAT_AT_ONCE]
        for role, image in zip(some, landsat_bands(ground, scene.weather, grid, some), strict=True):
            write_cog(targets[role], image, grid, nodata=0)
    quality = landsat_quality(ground, scene.weather, grid)
    write_cog(targets["qa_pixel"], quality, grid, nodata=1)
    write_cog(targets["qa_radsat"], np.zeros_like(quality), grid, nodata=None)
    valid = quality != 1
    percent = round(100.0 * float(((quality & 1 << 3) != 0)[valid].mean()), 2)
    item = items.landsat_item(scene, grid, files, percent)
    grids = dict.fromkeys(files, grid)
    return MadeScene(item, "landsat", targets, grids, scene.weather, (scene.data_box,))


def make_modis(folder: Path, pixels: ModisPixels, composite: Composite, seed: int) -> MadeScene:
    """Write the seven bands, the state and the days of a composite, on the whole tile."""
    west, _, _, north = modis.tile_bounds_m(*MODIS_TILE)
    size = modis.PIXELS_500M
    grid = Grid(modis.SINUSOIDAL, west, north, modis.PIXEL_500M, size, size)
    h, v = MODIS_TILE
    base = PurePosixPath(f"modis-061-cogs/MOD09A1/{h:02d}/{v:02d}/{composite.start:%Y%j}")
    names = {"state": "sur_refl_state_500m", "day_of_year": "sur_refl_day_of_year"}
    images = modis_composite(pixels, composite.weather, _days(pixels, composite, seed))
    files = {
        role: PIXELS / base / f"{composite.item_id}_{names.get(role, role)}.tif" for role in images
    }
    targets = _local(folder, files)
    for role, image in images.items():
        write_cog(targets[role], image, grid, nodata=modis.SENSOR.band(role).nodata)
    item = items.modis_item(composite, files)
    return MadeScene(item, "modis", targets, dict.fromkeys(files, grid), composite.weather)


def _days(pixels: ModisPixels, composite: Composite, seed: int) -> NDArray[np.uint16]:
    """Day of year of each pixel, in patches of some kilometres, as orbits and clouds leave them."""
    patch = np.stack([pixels.row // 9, pixels.column // 13], axis=1)
    keys = np.concatenate([patch, patch], axis=1).astype(np.float64)
    early = uniform(keys, seed, 700) < composite.early_frac
    number = uniform(keys, seed, 701)
    day = np.where(early, number * 2, 2 + number * (modis.COMPOSITE_DAYS - 2)).astype(np.int64)
    return (composite.start.timetuple().tm_yday + day).astype(np.uint16)


def _on_strip(product: Pass, box: Box) -> bool:
    """Whether a window belongs to the product's part; none lies on the line between the parts."""
    if product.part == "all":
        return True
    north = (box[1] + box[3]) / 2 > strips_meet_at((box[0] + box[2]) / 2)
    return north == (product.part == "north")


def _classes(patch: Patch) -> NDArray[np.uint8]:
    return sentinel2_classes(patch.seen[0], patch.seen[1], patch.cover)


def _scl_shares(classes: NDArray[np.uint8]) -> dict[str, float]:
    """Percentages of the valid pixels by property, and of the pixels without data."""
    counts = np.bincount(classes.ravel(), minlength=12)
    valid = int(counts[1:].sum())
    shares = {
        name: round(100.0 * float(counts[list(which)].sum()) / valid, 6)
        for name, which in _SCL_PROPERTIES.items()
    }
    shares["s2:nodata_pixel_percentage"] = round(100.0 * float(counts[0]) / classes.size, 6)
    return shares


def _sentinel2_path(product: Pass, role: str) -> PurePosixPath:
    gsd = f"{sentinel2.SENSOR.band(role).gsd_m:.0f}m"
    day = product.sensed
    zone, band, square = S2_TILE[:2], S2_TILE[2], S2_TILE[3:]
    granule = f"L2A_T{S2_TILE}_A{product.orbit:06d}_{product.strip_start:%Y%m%dT%H%M%S}"
    name = f"T{S2_TILE}_{day:%Y%m%dT%H%M%S}_{role}_{gsd}.tif"
    return PIXELS / PurePosixPath(
        f"sentinel2-l2/{zone}/{band}/{square}/{day:%Y/%m/%d}",
        f"{items.safe_name(product)}.SAFE/GRANULE/{granule}/IMG_DATA/R{gsd}",
        name,
    )


def _local(folder: Path, files: Mapping[str, PurePosixPath]) -> dict[str, Path]:
    """Paths of assets on this machine."""
    return {role: (folder / path).resolve() for role, path in files.items()}
