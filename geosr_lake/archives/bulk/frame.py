"""A batch of items in columns, read with suspicion: the accessors of `archives.item` for columns.

Each accessor does for all items what the one of the same name does for an item, where the value is
plain; where it is not, the item's mark `ok` is cleared and what is returned does not matter.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from geosr_lake.archives.bulk import values
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import (
    ARCHIVES,
    MAX_HREF_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    archive_at,
)
from geosr_lake.archives.projection import MAX_PIXEL_M, code_of

# What `unsigned`, `absolute` and JSON leave as it is.
_PLAIN_HREF = r'^(?:[A-Za-z][A-Za-z0-9+.-]*:|/)[^\x00-\x1f\x7f"\\?@#&;]*$'
_PLAIN_TEXT = r"^[!#-\[\]-~](?:[ !#-\[\]-~]*[!#-\[\]-~])?$"
_HOST_PART = r"^(?P<host>[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:-]*)(?:/|$)"
_NO_HOST = r"^(?:[A-Za-z0-9_.-]+(?:/|$)|/(?:[^/]|$))[^:]*$"
_PLAIN_NUMBER = r"^[0-9]{1,15}(?:\.[0-9]{1,15})?$"
_OWN_LINKS = pa.array(["self", "collection", "parent", "root"])


@dataclass
class Assets:
    """The assets of one key, over all items.

    Attributes:
        href: As served; null where an item has no such asset, or one without href.
        fields: What items say about it, by the field's name.
    """

    href: pa.Array
    fields: dict[str, pa.Array] = field(default_factory=dict)


@dataclass
class Frame:
    """Items in columns whose frames are sound where `ok`.

    Attributes:
        ok: Items that are plain as far as they were looked at.
        version: STAC version as served.
        item_id: As served.
        collection: As served; empty where there is none.
        properties: By name: those that any item has, or those that were asked for.
        assets: By key; all that any item has, or those that were asked for.
        rel: Relation of each link of all items, one after the other.
        link: Href of each link.
        link_item: The item that each link belongs to.
        shapes: Geometries, None where there is none.
        closed: Items of which `assets` holds all with an href.
    """

    ok: Mask
    version: pa.Array
    item_id: pa.Array
    collection: pa.Array
    properties: dict[str, pa.Array]
    assets: dict[str, Assets]
    rel: pa.Array
    link: pa.Array
    link_item: NDArray[np.int64]
    shapes: NDArray[np.object_]
    closed: Mask

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.ok)

    def select(self, rows: Mask) -> "Frame":
        """Return the frame of some of the items."""
        if rows.all():
            return self
        keep = pa.array(rows)
        links = rows[self.link_item]
        new_number = np.cumsum(rows) - 1
        return replace(
            self,
            ok=self.ok[rows],
            version=self.version.filter(keep),
            item_id=self.item_id.filter(keep),
            collection=self.collection.filter(keep),
            properties={name: column.filter(keep) for name, column in self.properties.items()},
            assets={
                key: Assets(
                    asset.href.filter(keep),
                    {name: column.filter(keep) for name, column in asset.fields.items()},
                )
                for key, asset in self.assets.items()
            },
            rel=self.rel.filter(pa.array(links)),
            link=self.link.filter(pa.array(links)),
            link_item=new_number[self.link_item[links]],
            shapes=self.shapes[rows],
            closed=self.closed[rows],
        )

    def need(self, condition: Mask) -> None:
        """Leave to the reference what does not fulfil the condition."""
        self.ok &= condition

    def has(self, name: str) -> Mask:
        """Tell which items have a property that is not null."""
        column = self.properties.get(name)
        return np.zeros(len(self), bool) if column is None else values.valid(column)

    def text(self, *names: str) -> pa.Array:
        """Return the first of these properties that is there; null where none is."""
        found = values.nulls(len(self))
        for name in names:
            column = self.properties.get(name)
            if column is None or column.null_count == len(column):
                continue
            if pa.types.is_large_string(column.type):
                column = column.cast(pa.string())
            if not pa.types.is_string(column.type):
                self.need(~values.valid(column))
                continue
            there = values.valid(column)
            short = values.mask(pc.less_equal(pc.binary_length(column), MAX_TEXT_CHARACTERS))
            self.need(~there | (short & values.matches(column, _PLAIN_TEXT)))
            found = pc.coalesce(found, column)
        return found

    def number(self, name: str) -> tuple[NDArray[np.float64], Mask]:
        """Return a property as numbers, also those in a text, and where there is one."""
        column = self.properties.get(name)
        if column is None or column.null_count == len(column):
            return np.zeros(len(self)), np.zeros(len(self), bool)
        there = values.valid(column)
        return self._numbers(column, there), there

    def _numbers(self, column: pa.Array, there: Mask) -> NDArray[np.float64]:
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            sound = values.matches(column, _PLAIN_NUMBER)
            column = values.only(sound, column)
            self.need(sound | ~there)
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            self.need(~there)
            return np.zeros(len(self))
        numbers = pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy()
        self.need(np.isfinite(numbers))
        return np.where(np.isfinite(numbers), numbers, 0.0)

    def frac(self, *names: str) -> tuple[NDArray[np.float64], Mask]:
        """Return a percentage as a fraction, and where there is one."""
        found, seen = np.zeros(len(self)), np.zeros(len(self), bool)
        for name in names:
            percent, there = self.number(name)
            found, seen = np.where(seen, found, percent), seen | there
        self.need(~seen | ((found >= 0) & (found <= 100)))
        return found / 100, seen

    def moment(self, *names: str) -> tuple[NDArray[np.int64], Mask]:
        """Return the first of these properties that is there as microseconds, and where one is."""
        found, seen = np.zeros(len(self), np.int64), np.zeros(len(self), bool)
        for name in names:
            column = self.properties.get(name)
            if column is None or column.null_count == len(column):
                continue
            there = values.valid(column)
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                us, sound = values.parse_times(column.cast(pa.string()))
            elif pa.types.is_timestamp(column.type) and column.type.unit != "ns":
                us, sound = values.in_range(column.cast(pa.timestamp("us", column.type.tz)), there)
            else:
                us, sound = found, np.zeros(len(self), bool)
            self.need(sound | ~there)
            found, seen = np.where(seen, found, us), seen | there
        return found, seen

    def stamp(self, *names: str) -> pa.Array:
        """Return the first of these times as `archives.times.stamp` writes it."""
        us, there = self.moment(*names)
        return values.where(
            there, values.format_times(us, "%Y%m%dT%H%M%S"), values.same("", len(self))
        )

    def asset(self, *keys: str) -> Assets:
        """Return, for each item, the asset of the first of these keys that it has."""
        found = None
        for key in keys:
            other = self.assets.get(key)
            if other is None or other.href.null_count == len(self):
                continue
            self._check_href(other.href)
            if found is None:
                found = Assets(other.href, dict(other.fields))
                continue
            mine = values.valid(found.href)
            found.href = pc.coalesce(found.href, other.href)
            for name in {*found.fields, *other.fields}:
                one, two = found.fields.get(name), other.fields.get(name)
                some = one if one is not None else two
                nothing = pa.nulls(len(self), some.type if some is not None else pa.string())
                one, two = one if one is not None else nothing, two if two is not None else nothing
                if one.type != two.type:
                    self.need(~values.valid(one) & ~values.valid(two))
                    continue
                found.fields[name] = values.where(mine, one, two)
        if found is None:
            return Assets(values.nulls(len(self)))
        there = values.valid(found.href)
        return Assets(found.href, {name: values.only(there, f) for name, f in found.fields.items()})

    def _check_href(self, href: pa.Array) -> None:
        short = values.mask(pc.less_equal(pc.binary_length(href), MAX_HREF_CHARACTERS))
        self.need(~values.valid(href) | (short & values.matches(href, _PLAIN_HREF)))

    def archive(self) -> pa.Array:
        """Return who served each item, by its own links; where they do not tell it is not plain."""
        own = values.mask(pc.is_in(self.rel, value_set=_OWN_LINKS)) & values.valid(self.link)
        hrefs, items = self.link.filter(pa.array(own)), self.link_item[own]
        part = pc.struct_field(pc.extract_regex(hrefs, _HOST_PART), "host")
        odd = ~values.valid(part) & ~values.matches(hrefs, _NO_HOST)
        self.ok[items[odd]] = False
        known = values.each_distinct(part, archive_at)
        told = values.valid(known)
        first, at = np.unique(items[told], return_index=True)
        index = np.full(len(self), -1, np.int64)
        index[first] = np.flatnonzero(told)[at]
        self.need(index >= 0)
        return known.take(pa.array(index, mask=index < 0))

    def licence(self, sensor_licence: str) -> pa.Array:
        """Return the licence as the item states it, else the sensor's."""
        return pc.fill_null(self.text("license"), sensor_licence)

    def epsg(self) -> tuple[NDArray[np.int64], Mask]:
        """Return the EPSG code that the properties state, and where they do."""
        found, seen = np.zeros(len(self), np.int64), np.zeros(len(self), bool)
        for name in ("proj:epsg", "proj:code"):
            column = self.properties.get(name)
            if column is None or column.null_count == len(column):
                continue
            there = values.valid(column)
            codes = values.each_distinct(column, code_of, pa.int64())
            self.need(values.valid(codes) | ~there)
            found = np.where(seen, found, pc.fill_null(codes, 0).to_numpy())
            seen |= there
        return found, seen

    def transform(self, *assets: Assets) -> tuple[NDArray[np.float64], Mask]:
        """Return the first affine of these assets, then of the item: (item, 6), and where."""
        found, seen = np.zeros((len(self), 6)), np.zeros(len(self), bool)
        columns = [asset.fields.get("proj:transform") for asset in assets]
        for column in (*columns, self.properties.get("proj:transform")):
            if column is None or column.null_count == len(column):
                continue
            affine, sound = _affines(column)
            self.need(seen | sound | ~values.valid(column))
            found = np.where(seen[:, np.newaxis], found, affine)
            seen |= sound
        return found, seen


def _affines(column: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """Return the first six numbers of each list, and which lists are sound affines."""
    count = len(column)
    out = np.zeros((count, 6))
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    ):
        return out, np.zeros(count, bool)
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    plain = values.valid(column) & ((sizes == 6) | (sizes == 9))
    flat = column.flatten()
    ends = np.cumsum(sizes)
    if flat.null_count or ends[-1] != len(flat):
        return out, np.zeros(count, bool)
    numbers = flat.cast(pa.float64(), safe=False).to_numpy()
    out[plain] = numbers[(ends - sizes)[plain, np.newaxis] + np.arange(6)]
    a, b, _, d, e, _ = out.T
    sound = plain & np.isfinite(out).all(axis=1) & (a > 0) & (a <= MAX_PIXEL_M)
    return out, sound & (e >= -MAX_PIXEL_M) & (e < 0) & (b == 0) & (d == 0)


def archive_rank(archives: pa.Array) -> pa.Array:
    """Return the rank of each archive among `ARCHIVES` as a text."""
    return values.each_distinct(archives, lambda name: str(ARCHIVES.index(name)))


def no_shapes(count: int) -> NDArray[np.object_]:
    """Return `count` geometries that are missing."""
    return np.full(count, None, dtype=object)


def polygons(coordinates: pa.Array, is_polygon: Mask) -> tuple[NDArray[np.object_], Mask]:
    """Return GeoJSON coordinates of polygons as geometries, and which of them are plain.

    Plain are rings of at least four points, closed, of two finite coordinates each.
    """
    count = len(coordinates)
    shapes, plain = no_shapes(count), is_polygon & values.valid(coordinates)
    rings = pc.fill_null(pc.list_value_length(coordinates), 0).to_numpy()
    ring_list = coordinates.flatten()
    points = pc.fill_null(pc.list_value_length(ring_list), 0).to_numpy()
    point_list = ring_list.flatten()
    sizes = pc.fill_null(pc.list_value_length(point_list), 0).to_numpy()
    numbers = point_list.flatten()
    if numbers.null_count or not (sizes == 2).all() or not len(numbers):
        return shapes, np.zeros(count, bool)
    xy = numbers.to_numpy().reshape(-1, 2)
    ring_ends = np.cumsum(points)
    poly_ends = np.cumsum(rings)
    if ring_ends[-1] != len(xy) or poly_ends[-1] != len(points) or not (points >= 4).all():
        return shapes, np.zeros(count, bool)
    starts = ring_ends - points
    closed = (xy[starts] == xy[ring_ends - 1]).all(axis=1)
    open_rings = np.concatenate([[0], np.cumsum(~closed)])
    bad = open_rings[poly_ends] - open_rings[poly_ends - rings]
    plain &= (bad == 0) & (rings > 0)
    if not closed.all():
        return shapes, np.zeros(count, bool)
    made = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        xy,
        (np.concatenate([[0], ring_ends]), np.concatenate([[0], poly_ends])),
    )
    shapes[plain] = made[plain]
    return shapes, plain
