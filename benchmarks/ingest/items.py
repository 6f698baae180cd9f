"""Sentinel-2 items without end, each a scene of its own: real ones elsewhere and at other times.

A copy of the thousand real items lies in another UTM zone or some hundred days later: ids, tiles,
datastrips, hrefs, times, geometry and projection agree with each other as in the real ones.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

ZONES = range(-3, 7)
"""Zones by which copies lie apart; the real items are of zones 12 to 14."""
DAYS = 100
"""Days by which copies lie apart: more than the real items span."""
ODD_EVERY = 1000
"""Of so many items one comes again, and one is broken."""

_DAY = re.compile(rb"20\d\d([-/]?)(?:0[1-9]|1[0-2])\1(?:[0-2]\d|3[01])(?=[T/])")
_TILE = re.compile(r"^(\d\d)([A-Z])([A-Z]{2})$")


@dataclass(frozen=True)
class Template:
    """A real item as text, without its geometry.

    Attributes:
        text: The item; `#GEOMETRY#` and `#BBOX#` stand for where it lies.
        rings: Its rings of coordinates.
        tile: Its tile.
        epsg: Its CRS.
        days: Each spelling of each of its days.
    """

    text: bytes
    rings: list[list[list[float]]]
    tile: str
    epsg: int
    days: frozenset[bytes]


def templates(path: Path) -> list[Template]:
    """Return the real items of a stac-geoparquet file that are polygons."""
    from stac_geoparquet.arrow import stac_table_to_items

    found = []
    for item in stac_table_to_items(pq.read_table(path)):
        if item["geometry"]["type"] != "Polygon":
            continue
        rings, properties = item["geometry"]["coordinates"], item["properties"]
        item["geometry"], item["bbox"] = "#GEOMETRY#", "#BBOX#"
        text = orjson.dumps(item)
        days = frozenset(match.group() for match in _DAY.finditer(text))
        tile, epsg = properties["s2:mgrs_tile"], properties["proj:epsg"]
        found.append(Template(text, rings, tile, epsg, days))
    return found


def _shifted(day: bytes, days: int) -> bytes:
    sign = b"-" if b"-" in day else b"/" if b"/" in day else b""
    year, month, rest = (int(p) for p in re.findall(rb"^\d{4}|\d\d", day.replace(sign, b"")))
    moved = date(year, month, rest) + timedelta(days=days)
    return sign.join([b"%04d" % moved.year, b"%02d" % moved.month, b"%02d" % moved.day])


def copy_of(of: Template, zones: int, days: int, shift_deg: float) -> bytes:
    """Return the item `zones` further east and `days` later, its outline moved a little."""
    zone, band, square = _TILE.match(of.tile).groups()
    other = f"{int(zone) + zones:02}"
    east = 6.0 * zones + shift_deg
    rings: Any = [[[round(x + east, 7), round(y + shift_deg, 7)] for x, y in r] for r in of.rings]
    xs, ys = zip(*rings[0], strict=True)
    text = of.text
    for day in of.days if days else ():
        text = text.replace(day, _shifted(day, days))
    text = text.replace(of.tile.encode(), f"{other}{band}{square}".encode())
    text = text.replace(f"/{zone}/{band}/".encode(), f"/{other}/{band}/".encode())
    text = text.replace(b'"proj:epsg":%d' % of.epsg, b'"proj:epsg":%d' % (of.epsg + zones))
    geometry = orjson.dumps({"type": "Polygon", "coordinates": rings})
    bbox = orjson.dumps([min(xs), min(ys), max(xs), max(ys)])
    return text.replace(b'"#GEOMETRY#"', geometry).replace(b'"#BBOX#"', bbox)


def items(known: list[Template], count: int, *, odd: bool = True, seed: int = 1) -> Iterator[bytes]:
    """Yield `count` lines: distinct items.

    With `odd`, one in `ODD_EVERY` came before, and one in so many is broken. The peers read no
    file with a line that is broken.
    """
    rng = random.Random(seed)
    before = b""
    for i in range(count):
        turn, at = divmod(i, len(known))
        later, zone = divmod(turn, len(ZONES))
        line = copy_of(known[at], ZONES[zone], later * DAYS, round(rng.uniform(0, 1e-3), 6))
        if odd and i % ODD_EVERY == ODD_EVERY // 2:
            yield before
        elif odd and i % ODD_EVERY == ODD_EVERY // 3:
            yield rng.choice([line[:-200], re.sub(rb'"coordinates":\[\[', b'"no":[[', line)])
        else:
            yield line
            before = line


def write(source: Path, target: Path, count: int, *, odd: bool = True) -> int:
    """Write `count` items as NDJSON and return the bytes."""
    known = templates(source)
    with target.open("wb") as file:
        for line in items(known, count, odd=odd):
            file.write(line)
            file.write(b"\n")
    return target.stat().st_size
