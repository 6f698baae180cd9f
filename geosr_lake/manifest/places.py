"""Where sites of the subsets may lie: bounds, extents, chips and regions, from anybody's files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer

from geosr_lake.arrays import Bools, Floats, Ints
from geosr_lake.errors import UsageError
from geosr_lake.ids import files_version
from geosr_lake.manifest.cells import UTM_NORTH_DEG, UTM_SOUTH_DEG
from geosr_lake.manifest.polygons import Geometries, read_polygons
from geosr_lake.manifest.sites import Cells, lonlat, squares
from geosr_lake.recipe import SelectRule, Subset
from geosr_lake.resources import resource_dir
from geosr_lake.sensors import grid
from geosr_lake.sensors.tasks import Task

REGION_NAMES = ("ecoregion", "ECO_NAME", "US_L3NAME", "NA_L3NAME", "name", "NAME")
"""Columns that are taken for a region's name, the first that is there."""


@dataclass(frozen=True)
class Files:
    """Files that a recipe does not name, since they lie elsewhere on every machine.

    Attributes:
        chips: Chips of a label product, by subset.
        extents: Polygons in which a subset's sites lie, by subset.
        ecoregions: Polygons with a name.
    """

    chips: Mapping[str, Path] = field(default_factory=dict)
    extents: Mapping[str, Path] = field(default_factory=dict)
    ecoregions: Path | None = None


NO_FILES = Files()


class Places:
    """Where sites of each subset may lie.

    Args:
        task: Gives the frames.
        rule: The subsets.
        files: What is read.

    Raises:
        UsageError: If a file cannot be used, belongs to no subset, or is asked for and lacking.
    """

    def __init__(self, task: Task, rule: SelectRule, files: Files = NO_FILES) -> None:
        self._task, self.subsets = task, rule.parts
        _belong(files, self.subsets)
        extents = {s.name: _outline(s.extent) for s in self.subsets if s.extent} | {**files.extents}
        self._areas = [_area(subset, extents.get(subset.name)) for subset in self.subsets]
        read = {
            number: read_chips(task, files.chips[subset.name])
            for number, subset in enumerate(self.subsets)
            if subset.name in files.chips
        }
        self.chips: dict[int, Cells] = {number: cells for number, (cells, _) in read.items()}
        self._chip_rows = {
            (number, *corner): row
            for number, (cells, rows) in read.items()
            for corner, row in zip(cells.corners(), rows.tolist(), strict=True)
        }
        self._regions = _Regions(files.ecoregions) if files.ecoregions else None
        if self._regions and files.ecoregions:
            _are_known(self.subsets, self._regions.names, files.ecoregions)
        named = {f"chips {name}": path for name, path in files.chips.items()}
        named |= {f"extent {name}": path for name, path in extents.items()}
        named |= {"ecoregions": files.ecoregions} if files.ecoregions else {}
        self.versions = {name: files_version([path]) for name, path in sorted(named.items())}

    @property
    def on_grid(self) -> list[int]:
        """Numbers of the subsets that draw from the task's grid."""
        return [i for i, subset in enumerate(self.subsets) if subset.sites == "grid"]

    def chip_row(self, subset: int, epsg: int, x_m: int, y_m: int) -> int | None:
        """Return which row of its file the chip of a frame stands in; None for sites of the grid.

        Of several chips with one frame it is the first.
        """
        return self._chip_rows.get((subset, epsg, x_m, y_m))

    def inside(self, cells: Cells, subset: int) -> Bools:
        """Tell which frames lie wholly where a subset's sites may, shape (n,)."""
        area = self._areas[subset]
        if area is None:
            return np.ones(len(cells), dtype=bool)
        west, south, east, north = shapely.bounds(area)
        found: Bools = (cells.lon >= west) & (cells.lon <= east)
        found &= (cells.lat >= south) & (cells.lat <= north)
        near = np.flatnonzero(found)
        found[near] = shapely.covers(area, squares(cells.take(near), self._task.site_size_m))
        return found

    def reached(self, boxes: Floats, subsets: Collection[int]) -> Bools:
        """Tell which boxes (west, south, east, north, shape (b, 4)) meet the area of a subset."""
        areas = [self._areas[number] for number in subsets]
        if any(area is None for area in areas):
            return np.ones(len(boxes), dtype=bool)
        shapes = shapely.box(*boxes.T)
        found = np.zeros(len(boxes), dtype=bool)
        for area in areas:
            found |= shapely.intersects(area, shapes)
        return found

    def bands(self, cells: Cells, subset: int) -> list[str | None]:
        """Return the part of a subset's spread that each site is in, where the site decides that.

        None where it is in none, or where the month of its pair decides.
        """
        spread = self.subsets[subset].spread
        if spread is None or spread.months:
            return [None] * len(cells)
        if spread.latitudes:
            at = np.searchsorted(spread.latitudes, cells.lat, side="right") - 1
            names = [*spread.bands, None]
            return [names[i] if 0 <= i < len(names) else None for i in at.tolist()]
        found = self._regions.of(cells) if self._regions else []
        return [name if name in spread.ecoregions else None for name in found]


def _belong(files: Files, subsets: tuple[Subset, ...]) -> None:
    """Check that every file is for a subset that can use it, and that none is lacking."""
    of_name = {subset.name: subset for subset in subsets}
    for option, given in (("--chips", files.chips), ("--extent", files.extents)):
        for name in given:
            if name not in of_name:
                raise UsageError(
                    f"The recipe has no subset {name!r}",
                    where=option,
                    next_step=f"It has {', '.join(of_name)}.",
                )
            if option == "--chips" and of_name[name].sites != "chips":
                raise UsageError(
                    f"The subset {name} takes its sites from the grid, not from chips", where=option
                )
    by_region = [s.name for s in subsets if s.spread is not None and s.spread.ecoregions]
    if by_region and files.ecoregions is None:
        raise UsageError(
            f"The subset {by_region[0]} is spread over ecoregions, and none are given",
            next_step="Name their polygons: --ecoregions FILE.",
        )


def _are_known(subsets: tuple[Subset, ...], names: list[str | None], path: Path) -> None:
    known = sorted({name for name in names if name is not None})
    for subset in subsets:
        for region in subset.spread.ecoregions if subset.spread else ():
            if region not in known:
                near = get_close_matches(region, known, n=1)
                raise UsageError(
                    f"There is no region {region!r}, which the subset {subset.name} names",
                    where=str(path),
                    next_step=f"Did you mean {near[0]!r}?" if near else None,
                )


def _outline(name: str) -> Path:
    return resource_dir("catalog") / "outlines" / f"{name}.geojson"


def _area(subset: Subset, extent: Path | None) -> shapely.Geometry | None:
    """Return where a subset's sites may lie, prepared; None: anywhere."""
    parts = []
    if subset.bounds is not None:
        west, south, east, north = subset.bounds
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        parts.append(shapely.union_all([shapely.box(w, south, e, north) for w, e in spans]))
    if extent is not None:
        parts.append(shapely.union_all(read_polygons(extent).shapes))
    if not parts:
        return None
    area = shapely.intersection_all(parts)
    shapely.prepare(area)
    return area


def read_chips(task: Task, path: Path) -> tuple[Cells, Ints]:
    """Return the frames of chips, each once: centred on the chip, on the grid's pixels.

    Args:
        task: Gives size and pixels of the frames.
        path: Polygons of the chips.

    Returns:
        The frames, and the row of each one's chip in the file, from 0; of several with one frame
        the first.

    Raises:
        UsageError: If the file cannot be used, or a chip is larger than a frame.
    """
    shapes = read_polygons(path).shapes
    if not len(shapes):
        return Cells.joined([]), np.empty(0, np.int64)
    lon, lat = _middles(shapes)
    beyond = np.flatnonzero((lat < UTM_SOUTH_DEG) | (lat > UTM_NORTH_DEG))
    if beyond.size:
        raise UsageError(
            f"Row {int(beyond[0])} lies beyond 80 S or 84 N, where UTM ends", where=str(path)
        )
    codes = np.asarray(
        grid.utm_epsg(lon, lat, northern_zones_only=task.northern_zones_only), dtype=np.int64
    )
    size, corners = task.site_size_m, np.empty((len(shapes), 2))
    for code in np.unique(codes):
        here = np.flatnonzero(codes == code)
        box = _utm_bounds(shapes[here], int(code))
        # A chip of another CRS stands askew in the zone: its box is a little larger than itself.
        too_large = (box[:, 2:] - box[:, :2]).max(axis=1) > size * 1.05
        if too_large.any():
            raise UsageError(
                f"Row {int(here[too_large][0])} is larger than a site of {size:g} m",
                where=str(path),
                next_step="Polygons in which sites of the grid lie are an --extent, not chips.",
            )
        x, y = grid.snapped_corner(
            (box[:, 0] + box[:, 2]) / 2,
            (box[:, 1] + box[:, 3]) / 2,
            epsg=int(code),
            size_m=size,
            step_m=task.snap_m,
            offset_m=task.grid_offset_m,
        )
        corners[here] = np.stack([x, y], axis=1)
    rows, first = np.unique(
        np.column_stack([codes, np.rint(corners).astype(np.int64)]), axis=0, return_index=True
    )
    lon, lat = lonlat(rows[:, 0], rows[:, 1] + size / 2, rows[:, 2] + size / 2)
    return Cells(rows[:, 0], rows[:, 1], rows[:, 2], lon, lat), first


def _middles(shapes: Geometries) -> tuple[Floats, Floats]:
    """Return lon and lat of the middles of shapes, also of those that 180 degrees cuts in two."""
    wide = np.ptp(shapely.bounds(shapes)[:, [0, 2]], axis=1) > 180
    east = np.array([1.0, 0.0])
    shapes = shapes.copy()
    shapes[wide] = shapely.transform(
        shapes[wide], lambda xy: np.where(xy[:, :1] < 0, xy + 360 * east, xy)
    )
    points = shapely.centroid(shapes)
    lon = np.mod(shapely.get_x(points) + 180.0, 360.0) - 180.0
    return lon, shapely.get_y(points)


def _utm_bounds(shapes: Geometries, epsg: int) -> Floats:
    there = Transformer.from_crs(4326, epsg, always_xy=True)
    turned = shapely.transform(
        shapes, lambda xy: np.stack(there.transform(xy[:, 0], xy[:, 1]), axis=1)
    )
    found: Floats = shapely.bounds(turned)
    return found


class _Regions:
    """Polygons with names."""

    def __init__(self, path: Path) -> None:
        found = read_polygons(path)
        names = found.column(REGION_NAMES)
        if names is None:
            raise UsageError(
                "The regions have no name",
                where=str(path),
                next_step=f"One column must be called {' or '.join(REGION_NAMES)}.",
            )
        self.names = [None if name is None else str(name).strip() for name in names]
        self._tree = shapely.STRtree(found.shapes)

    def of(self, cells: Cells) -> list[str | None]:
        """Return the region that holds each centre; of several the least name."""
        found: list[str | None] = [None] * len(cells)
        points = shapely.points(cells.lon, cells.lat)
        for cell, region in self._tree.query(points, predicate="intersects").T.tolist():
            name, before = self.names[region], found[cell]
            if name is not None and (before is None or name < before):
                found[cell] = name
        return found
