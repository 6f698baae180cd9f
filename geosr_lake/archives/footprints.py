"""Footprints: GeoJSON or WKB in, normalised polygons in EPSG:4326 out.

All at once where nothing is wrong, one by one where something is. What comes out is valid, has
finite coordinates within 180 and 90 degrees, and no part wider than 180 degrees: a ring that goes
over the antimeridian is split there.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import antimeridian
import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from geosr_lake import ids
from geosr_lake.archives.reasons import Rejected
from geosr_lake.archives.record import require

MAX_VERTICES = 20_000
MAX_AREA_CHANGE = 0.01
"""Share of a footprint's area by which a repair may change it."""
MIN_AREA_DEG2 = 1e-12
"""Less (about a square decimetre) is no area."""
MAX_LON_DEG = 360.0
_OTHER_TYPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "GeometryCollection")
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, slots=True)
class Footprint:
    """A normalised footprint.

    Attributes:
        footprint_id: Hash of `wkb`.
        wkb: Little-endian WKB of a polygon or multipolygon, longitude and latitude in degrees.
        bounds: (xmin, ymin, xmax, ymax); -180 to 180 where it lies on both sides of 180 degrees.
    """

    footprint_id: str
    wkb: bytes
    bounds: tuple[float, float, float, float]


Outcome = Footprint | str
"""A footprint, or the code of the reason why there is none."""


def from_geojson(geometries: Sequence[Any]) -> list[Outcome]:
    """Return the footprint, or the reason, of each GeoJSON geometry."""
    texts = np.array([_polygon_text(geometry) for geometry in geometries], dtype=object)
    found = footprints(shapely.from_geojson(texts, on_invalid="ignore"))
    return [
        outcome if text is not None else _why_no_text(geometry)
        for geometry, text, outcome in zip(geometries, texts, found, strict=True)
    ]


def from_wkb(texts: Sequence[bytes | None]) -> list[Outcome]:
    """Return the footprint, or the reason, of each WKB geometry."""
    with np.errstate(invalid="ignore"):  # NaN is looked for afterwards
        try:
            parsed = shapely.from_wkb(np.array(texts, dtype=object), on_invalid="ignore")
        except NotImplementedError:
            parsed = np.array([_parsed(text) for text in texts], dtype=object)
    found = footprints(parsed)
    return [
        "geometry_missing" if text is None else outcome
        for text, outcome in zip(texts, found, strict=True)
    ]


def _parsed(text: bytes | None) -> shapely.Geometry | None:
    """Return one WKB geometry; for curves, which shapely does not have, a point: no polygon."""
    try:
        return shapely.from_wkb(text, on_invalid="ignore")
    except NotImplementedError:
        return shapely.Point()


def _polygon_text(geometry: Any) -> str | None:
    """Return type and coordinates as JSON; None where this is no polygon."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return None
    try:
        kept = {"type": geometry["type"], "coordinates": geometry.get("coordinates")}
        return orjson.dumps(kept).decode()
    except orjson.JSONEncodeError:
        return None


def _why_no_text(geometry: Any) -> str:
    if geometry is None:
        return "geometry_missing"
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    return "geometry_not_polygon" if kind in _OTHER_TYPES else "geometry_malformed"


def of_polygon(polygon: shapely.Geometry) -> Footprint:
    """Return the footprint of a polygon that is known to be sound.

    Raises:
        ValueError: If it is not.
    """
    (outcome,) = footprints(np.array([polygon], dtype=object))
    if isinstance(outcome, Footprint):
        return outcome
    raise ValueError(f"this is no footprint: {outcome}")


def footprints(geometries: NDArray[np.object_]) -> list[Outcome]:
    """Return the footprint, or the reason, of each parsed geometry; None could not be parsed."""
    flat = shapely.force_2d(geometries)
    sound = is_sound(flat)
    out: list[Outcome] = [""] * len(flat)
    for i in np.flatnonzero(~sound):
        try:
            flat[i] = _repaired(flat[i])
        except Rejected as rejected:
            out[i] = rejected.reason.code
            flat[i] = None
    good = np.flatnonzero(~shapely.is_missing(flat))
    texts, boxes = encoded(flat[good])
    for i, text, box in zip(good, texts, boxes, strict=True):
        west, south, east, north = (float(value) for value in box)
        out[i] = Footprint(ids.footprint_id(text), text, (west, south, east, north))
    return out


def encoded(
    geometries: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Return the WKB and the bounds of sound geometries, normalised."""
    normal = shapely.normalize(geometries)
    texts = shapely.to_wkb(normal, byte_order=1, output_dimension=2, include_srid=False)
    return np.asarray(texts, dtype=object), shapely.bounds(normal)


def is_sound(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which geometries need nothing: one look at all of them."""
    with np.errstate(invalid="ignore"):  # NaN compares as False, which is right
        west, south, east, north = shapely.bounds(geometries).T
        inside = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
        narrow = east - west <= 180
    polygonal = np.isin(shapely.get_type_id(geometries), _POLYGONAL)
    small = shapely.get_num_coordinates(geometries) <= MAX_VERTICES
    sound: NDArray[np.bool_] = polygonal & inside & narrow & small
    sound[sound] = shapely.is_valid(geometries[sound]) & (
        shapely.area(geometries[sound]) >= MIN_AREA_DEG2
    )
    return sound


def _repaired(geometry: shapely.Geometry | None) -> shapely.Geometry:
    """Return what is left of a geometry after the checks and repairs.

    Raises:
        Rejected: With the reason why it is no footprint.
    """
    if geometry is None:
        raise Rejected("geometry_malformed")
    require(shapely.get_type_id(geometry) in _POLYGONAL, "geometry_not_polygon")
    require(shapely.get_num_coordinates(geometry) <= MAX_VERTICES, "too_many_vertices")
    coordinates = shapely.get_coordinates(geometry)
    require(len(coordinates) > 0, "geometry_not_polygon")
    require(np.isfinite(coordinates).all(), "geometry_not_finite")
    in_range = np.abs(coordinates).max(axis=0) <= (MAX_LON_DEG, 90.0)
    require(in_range.all(), "geometry_out_of_range")
    polygons = [
        part
        for polygon in shapely.get_parts(geometry)
        if not polygon.is_empty
        for part in shapely.get_parts(_within_180(polygon))
    ]
    return _valid(polygons)


def _within_180(polygon: shapely.Polygon) -> shapely.Geometry:
    """Return a polygon split where it crosses the antimeridian; edges stay straight in lon/lat.

    Two vertices more than 180 degrees apart are neighbours over the antimeridian.
    """
    lon = shapely.get_coordinates(polygon.exterior)[:, 0]
    if np.abs(lon).max() <= 180 and np.abs(np.diff(lon)).max() <= 180:
        return polygon
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", antimeridian.FixWindingWarning)
        try:
            fixed = antimeridian.fix_polygon(polygon, great_circle=False)
        except (ValueError, IndexError, AssertionError, shapely.errors.GEOSException):
            # So the library says that a ring makes no sense: it asserts as well as raises.
            raise Rejected("geometry_invalid") from None
    return fixed


def _valid(polygons: list[shapely.Polygon]) -> shapely.Geometry:
    """Return the polygons as one valid geometry.

    Raises:
        Rejected: If that changes their area by more than `MAX_AREA_CHANGE`, leaves nothing, or
            leaves a part wider than 180 degrees.
    """
    require(polygons, "geometry_not_polygon")
    before = float(sum(polygon.area for polygon in polygons))
    whole: shapely.Geometry = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    if not shapely.is_valid(whole):
        try:
            with np.errstate(all="ignore"):
                parts = shapely.get_parts(shapely.make_valid(whole))
            whole = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
        except shapely.errors.GEOSException:
            raise Rejected("geometry_invalid") from None
    after = float(shapely.area(whole))
    require(after >= MIN_AREA_DEG2 and shapely.is_valid(whole), "geometry_not_polygon")
    require(shapely.get_type_id(whole) in _POLYGONAL, "geometry_not_polygon")
    require(abs(after - before) <= MAX_AREA_CHANGE * max(after, before), "geometry_invalid")
    box = shapely.bounds(shapely.get_parts(whole))
    require((box[:, 2] - box[:, 0] <= 180).all(), "geometry_too_wide")
    inside = (np.abs(box[:, [0, 2]]) <= 180).all() and (np.abs(box[:, [1, 3]]) <= 90).all()
    require(inside, "geometry_out_of_range")
    return whole
