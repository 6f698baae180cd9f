"""What is planted in the demo's archive, and when.

Orbits, days and tiles are those that the satellites had in September 2021 over this piece of
Colorado; the clouds are made up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from geosr_lake.demo.plan import (
    CELL_COLUMNS,
    CELL_ROWS,
    Composite,
    LandsatPass,
    Pass,
    Photo,
    Plan,
    photo_window,
)
from geosr_lake.demo.sketch import Box, grown
from geosr_lake.demo.weather import Weather, bank, scattered

_SEP_15, _SEP_13, _SEP_09, _SEP_19 = (date(2021, 9, day) for day in (15, 13, 9, 19))

PHOTOS = (
    Photo("3810409", "nw", (502_800, 4_299_000), _SEP_15),
    Photo("3810411", "nw", (522_000, 4_299_000), _SEP_13),
    Photo("3810412", "ne", (538_200, 4_299_000), _SEP_19),
    Photo("3810402", "nw", (511_800, 4_310_400), _SEP_15),
    Photo("3810403", "ne", (529_200, 4_310_400), _SEP_13),
    Photo("3810405", "nw", (546_000, 4_310_400), _SEP_09),
    Photo("3910457", "sw", (502_800, 4_321_200), _SEP_15),
    Photo("3910459", "sw", (522_000, 4_321_200), _SEP_15),
    Photo("3910460", "se", (538_200, 4_321_200), _SEP_19, states=("co", "ne")),
    Photo("3910450", "sw", (511_800, 4_332_000), _SEP_15),
    Photo("3910451", "se", (529_200, 4_332_000), _SEP_09, shift_m=0.3),
    Photo("3910453", "sw", (546_000, 4_332_600), _SEP_13),
    Photo("3910451", "nw", (522_000, 4_341_600), _SEP_13, missing=True),
)
"""Thirteen quarter quadrangles, each within a square of 0.1 degree of its own."""

_OLD_PHOTO = Photo("3910457", "sw", (503_400, 4_321_800), date(2019, 9, 21), sites=2)


def strips_meet_at(x_m: float) -> float:
    """Northing of the line between the two datastrips of 20 September, at an easting."""
    return 4_317_600.0 - 0.06 * (x_m - 525_000.0)


def make_plan(*, small: bool = False, tasks: tuple[str, ...], seed: int = 0) -> Plan:
    """Choose what the archive holds.

    Args:
        small: A few sites of each task, for tests.
        tasks: ``s2_naip``, ``modis_landsat8`` or both.
        seed: Of the landscape; clouds follow it as well.

    Raises:
        ValueError: An unknown task, or none.
    """
    unknown = set(tasks) - {"s2_naip", "modis_landsat8"}
    if unknown or not tasks:
        named = ", ".join(sorted(unknown)) or "none at all"
        raise ValueError(f"the demo has the tasks s2_naip and modis_landsat8, not {named}")
    photos = tuple(_shrunk(PHOTOS[k]) for k in _SMALL) if small else PHOTOS
    columns = (17, 18) if small else CELL_COLUMNS
    rows = (143, 144) if small else CELL_ROWS
    fine, coarse = "s2_naip" in tasks, "modis_landsat8" in tasks
    scenes = _scenes(seed, small=small)
    return Plan(
        photos=(*photos, _OLD_PHOTO) if fine else (),
        passes=_passes(photos, seed) if fine else (),
        crop=_around([photo_window(photo) for photo in photos]),
        scenes=scenes if coarse else (),
        composites=_composites(seed, small=small) if coarse else (),
        columns=columns,
        rows=rows,
    )


_SMALL = (4, 7, 8, 10, 12)


def _shrunk(photo: Photo) -> Photo:
    return Photo(
        photo.quad,
        photo.quarter,
        (photo.corner_m[0] + 600, photo.corner_m[1] + 600),
        photo.day,
        photo.states,
        2,
        photo.shift_m,
        photo.missing,
    )


def _passes(photos: tuple[Photo, ...], seed: int) -> tuple[Pass, ...]:
    at = {photo.name: photo for photo in photos}
    # Whole windows under a cloud or snow, and clouds over a part of a photograph.
    over = [grown(photo_window(photo), 900.0) for photo in photos]
    cloudy = [box for k, box in enumerate(over) if k % 3 != 2]
    snowy = [box for k, box in enumerate(over) if k % 2 == 0]
    mixed, town, edge, hills = (PHOTOS[k].name for k in (10, 7, 8, 3))
    beside = [grown(photo_window(at[hills]), 900.0)] if hills in at else []
    partly = Weather.of(
        [*bank(_part(at[mixed].box, (0.05, 0.5, 0.55, 0.98)), seed), *beside],
        shadow_shift_m=(-420.0, 310.0),
        cirrus=bank(_part(at[PHOTOS[4].name].box, (0.1, 0.2, 0.6, 0.7)), seed + 1),
    )
    corner = (0.62, 0.04, 0.97, 0.35)
    # A site may keep one of the small clouds and one of their shadows: 32 of its 3,600 pixels.
    small = [cloud for photo in photos for cloud in scattered(photo_window(photo), 1_500.0, 40.0)]
    few = Weather.of(
        [*bank(_part(at[town].box, corner), seed + 2, puffs=9), *small],
        shadow_shift_m=(-380.0, 280.0),
    )
    north = Weather.of(
        bank(_part(at[edge].box, corner), seed + 3, puffs=9), shadow_shift_m=(-300.0, 260.0)
    )
    return (
        Pass(
            "S2A",
            _at(5, 17, 39, 11),
            _at(5, 17, 46, 3),
            _made(7),
            "05.00",
            32416,
            Weather.of(cloudy),
        ),
        Pass("S2B", _at(10, 17, 39, 9), _at(10, 17, 45, 58), _made(9), "05.00", 23579, partly),
        Pass(
            "S2A", _at(15, 17, 39, 11), _at(15, 17, 46, 1), _at(16, 2, 14, 40), "03.01", 32559, few
        ),
        Pass("S2A", _at(15, 17, 39, 11), _at(15, 17, 46, 1), _made(14), "05.00", 32559, few),
        Pass(
            "S2B",
            _at(20, 17, 39, 9),
            _at(20, 17, 45, 50),
            _made(15),
            "05.00",
            23722,
            north,
            "north",
        ),
        Pass(
            "S2B",
            _at(20, 17, 39, 9),
            _at(20, 17, 52, 27),
            _made(16),
            "05.00",
            23722,
            Weather(),
            "south",
        ),
        Pass(
            "S2A",
            _at(25, 17, 41, 1),
            _at(25, 17, 46, 6),
            _made(18),
            "05.00",
            32702,
            Weather.of(snow=snowy),
        ),
        Pass(
            "S2B",
            datetime(2021, 10, 30, 17, 44, 9, tzinfo=UTC),
            datetime(2021, 10, 30, 17, 46, 10, tzinfo=UTC),
            _made(20),
            "05.00",
            24294,
            Weather(),
            only=(0, 1),
        ),
    )


def _scenes(seed: int, *, small: bool) -> tuple[LandsatPass, ...]:
    rows = (143, 144) if small else CELL_ROWS
    clouds = [
        *bank((512_000, 4_334_000, 521_000, 4_341_000), seed + 10),
        *bank((459_000, 4_303_000, 470_000, 4_311_500), seed + 11),
        *bank((530_500, 4_283_000, 536_500, 4_288_500), seed + 12),
    ]
    later = bank((543_500, 4_337_500, 551_500, 4_345_000), seed + 13)
    overcast = [
        *bank((449_000, 4_290_000, 474_000, 4_318_000), seed + 14, puffs=30),
        *bank((455_000, 4_318_000, 481_000, 4_351_000), seed + 15, puffs=30),
    ]
    main = LandsatPass(
        33,
        33,
        _at(16, 17, 33, 37),
        date(2021, 9, 25),
        (17, 17) if small else (15, 17),
        rows,
        Weather.of(clouds, shadow_shift_m=(-1_350.0, 1_020.0)),
    )
    second = LandsatPass(
        33,
        33,
        datetime(2021, 10, 2, 17, 33, 40, tzinfo=UTC),
        date(2021, 10, 13),
        (18, 18) if small else (17, 18),
        rows,
        Weather.of(
            later,
            shadow_shift_m=(-1_200.0, 950.0),
            cirrus=bank((556_500, 4_300_500, 561_000, 4_304_000), seed + 16),
        ),
    )
    if small:
        return (main, second)
    cloudy = LandsatPass(
        34, 33, _at(23, 17, 39, 50), date(2021, 9, 30), (15, 15), (143, 144), Weather.of(overcast)
    )
    outside = LandsatPass(
        33,
        33,
        datetime(2021, 7, 30, 17, 33, 21, tzinfo=UTC),
        date(2021, 8, 10),
        (16, 16),
        (143, 143),
        Weather(),
    )
    return (outside, main, cloudy, second)


def _composites(seed: int, *, small: bool) -> tuple[Composite, ...]:
    clouds = bank((488_000, 4_345_000, 497_500, 4_352_500), seed + 20, puffs=8)
    south = 4_300_000 if small else 4_270_000  # over one of the sites there are
    later = bank((549_000, south, 557_500, south + 7_500), seed + 21, puffs=8)
    return (
        Composite(date(2021, 8, 13), "2021234061518", Weather()),
        Composite(
            date(2021, 9, 14),
            "2021266042315",
            Weather.of(clouds, shadow_shift_m=(-2_600.0, 1_900.0)),
        ),
        Composite(
            date(2021, 9, 22),
            "2021274050410",
            Weather.of(later, shadow_shift_m=(-2_400.0, 1_700.0)),
            early_frac=0.08,
        ),
    )


def _at(day: int, hour: int, minute: int, second: int) -> datetime:
    return datetime(2021, 9, day, hour, minute, second, tzinfo=UTC)


def _made(day: int) -> datetime:
    """A day of the campaign in which old products were made again."""
    return datetime(2023, 1, day, 3, 20 + day, 7 + day, tzinfo=UTC)


def _around(boxes: list[Box]) -> Box:
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))


def _part(box: Box, part: tuple[float, float, float, float]) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    return (
        box[0] + part[0] * width,
        box[1] + part[1] * height,
        box[0] + part[2] * width,
        box[1] + part[3] * height,
    )
