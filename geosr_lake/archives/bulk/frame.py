"""A batch of items in columns, read with suspicion: the accessors of `archives.item` for columns.

Each accessor does for all items what the one of the same name does for an item, where the value is
plain; where it is not, the item's mark `ok` is cleared and what is returned does not matter.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from geosr_lake.archives.bulk import texts, values
from geosr_lake.archives.bulk.values import Mask
from geosr_lake.archives.item import archive_at
from geosr_lake.archives.projection import MAX_PIXEL_M, code_of
from geosr_lake.redact import redact

_HOST_PART = r"^(?P<host>[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._:-]*)(?:/|$)"
_NO_HOST = r"^(?:[A-Za-z0-9_.-]+(?:/|$)|/(?:[^/]|$))[^:]*$"
_PLAIN_NUMBER = r"^[0-9]{1,15}(?:\.[0-9]{1,15})?$"
OWN_LINKS = frozenset(("self", "collection", "parent", "root"))
"""Relations of links that lead to the archive which serves an item."""
TRANSFORM = "proj:transform"


@dataclass
class Assets:
    """The assets of one key, over all items.

    Attributes:
        href: As served; null where an item has no such asset, or one without href.
        is_data: Whether the item gives it the role `data`.
        transform: Lists of doubles; None where no item has one.
    """

    href: pa.Array
    is_data: Mask
    transform: pa.Array | None = None


@dataclass
class Frame:
    """Items in columns whose frames are sound where `ok`.

    Attributes:
        ok: Items that are plain as far as they were looked at.
        version: STAC version as served.
        item_id: As served.
        collection: As served; empty where there is none.
        properties: By name: those that any item has, or those that were asked for.
        assets: By key; all that any item has.
        link: Href of each link with one of `OWN_LINKS`, item after item.
        link_item: The item that each link belongs to.
        shapes: Geometries, None where there is none that is plain.
    """

    ok: Mask
    version: pa.Array
    item_id: pa.Array
    collection: pa.Array
    properties: dict[str, pa.Array]
    assets: dict[str, Assets]
    link: pa.Array
    link_item: NDArray[np.int64]
    shapes: NDArray[np.object_]

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
                    asset.is_data[rows],
                    None if asset.transform is None else asset.transform.filter(keep),
                )
                for key, asset in self.assets.items()
            },
            link=self.link.filter(pa.array(links)),
            link_item=new_number[self.link_item[links]],
            shapes=self.shapes[rows],
        )

    def need(self, condition: Mask) -> None:
        """Leave to the reference what does not fulfil the condition."""
        self.ok &= condition

    def has(self, name: str) -> Mask:
        """Tell which items have a property that is not null."""
        column = self.properties.get(name)
        return np.zeros(len(self), bool) if column is None else values.valid(column)

    def text(self, *names: str) -> pa.Array:
        """Return the first of these properties that says something; null where none does."""
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
            plain = texts.is_plain_text(column)
            if not plain.all():
                column = values.only(values.mask(pc.not_equal(column, "")), column)
                self.need(~values.valid(column) | plain)
            found = pc.coalesce(found, column)
        return found

    def begins(self, prefix: str, *names: str) -> Mask:
        """Tell which items have a text among these that begins so, whatever its case."""
        found = np.zeros(len(self), bool)
        for name in names:
            plain = pc.replace_substring(pc.utf8_lower(self.text(name)), " ", "-")
            found |= values.mask(pc.starts_with(plain, prefix))
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

    def sun_elevation(self, *zeniths: str) -> tuple[NDArray[np.float64], Mask]:
        """Return the sun's height in degrees: `archives.item.sun_elevation_of` for columns."""
        found, seen = self.number("view:sun_elevation")
        for name in zeniths:
            zenith_deg, there = self.number(name)
            found, seen = np.where(seen, found, 90 - zenith_deg), seen | there
        return found, seen & (np.abs(found) <= 90)

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

    def interval(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Mask]:
        """Return start and end as stated, in microseconds, and where they are: an instant first."""
        moment, is_instant = self.moment("datetime")
        start, has_start = self.moment("start_datetime")
        end, has_end = self.moment("end_datetime")
        self.need(is_instant | ((has_start == has_end) & (start <= end)))
        start, end = np.where(is_instant, moment, start), np.where(is_instant, moment, end)
        return start, end, is_instant | has_start

    def stamp(self, *names: str) -> pa.Array:
        """Return the first of these times as `archives.times.stamp` writes it."""
        us, there = self.moment(*names)
        found = texts.stamps(us)
        return found if there.all() else values.where(there, found, values.same("", len(self)))

    def asset(self, *keys: str) -> Assets:
        """Return, for each item, the asset of the first of these keys that it has."""
        found = None
        for key in keys:
            other = self.assets.get(key)
            if other is None or other.href.null_count == len(self):
                continue
            self._check_href(other.href)
            found = other if found is None else self._first(found, other)
        return found or Assets(values.nulls(len(self)), np.zeros(len(self), bool))

    def _first(self, one: Assets, other: Assets) -> Assets:
        """Return the one asset where an item has it, else the other."""
        mine = values.valid(one.href)
        transform = one.transform
        if other.transform is not None:
            nothing = pa.scalar(None, other.transform.type)
            transform = pc.if_else(
                pa.array(mine), nothing if transform is None else transform, other.transform
            )
        elif transform is not None:
            transform = values.only(mine, transform)
        href = pc.coalesce(one.href, other.href)
        return Assets(href, np.where(mine, one.is_data, other.is_data), transform)

    def _check_href(self, href: pa.Array) -> None:
        self.need(~values.valid(href) | texts.is_plain_href(href))

    def archive(self) -> pa.Array:
        """Return who served each item, by its own links; where they do not tell it is not plain."""
        hrefs, items = self.link, self.link_item
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
        return values.each_distinct(pc.fill_null(self.text("license"), sensor_licence), redact)

    def epsg(self) -> tuple[NDArray[np.int64], Mask]:
        """Return the EPSG code that the properties state, and where they do."""
        found, seen = np.zeros(len(self), np.int64), np.zeros(len(self), bool)
        for name in ("proj:epsg", "proj:code"):
            column = self.properties.get(name)
            if column is None or column.null_count == len(column):
                continue
            there = values.valid(column)
            if pa.types.is_nested(column.type):
                self.need(~there)
                continue
            codes = values.each_distinct(column, code_of, pa.int64())
            self.need(values.valid(codes) | ~there)
            found = np.where(seen, found, pc.fill_null(codes, 0).to_numpy())
            seen |= there
        return found, seen

    def transform(self, *assets: Assets) -> tuple[NDArray[np.float64], Mask]:
        """Return the first affine of these assets, then of the item: (item, 6), and where."""
        found, seen = np.zeros((len(self), 6)), np.zeros(len(self), bool)
        columns = [
            values.only(values.valid(asset.href), asset.transform)
            for asset in assets
            if asset.transform is not None
        ]
        for column in (*columns, self.properties.get(TRANSFORM)):
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
