"""Which samples are shown, and that the pictures are the Zarr's pixels."""

from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image

from geosr_lake.errors import CorruptDataError
from geosr_lake.lake import Lake
from geosr_lake.lake.progress import Silent
from geosr_lake.report import pixels, strips
from geosr_lake.report.members import Measured, Member, members
from geosr_lake.report.strips import FLAGS, choose, opening
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP, TASKS


def member(i: int, split: str = "train", stratum: str = "urban", clear: float = 1.0) -> Member:
    measured = Measured(
        cube="c", index=0, replaces=None, lr_valid_frac=1.0, hr_valid_frac=1.0,
        lr_clear_frac=clear, hr_clear_frac=1.0, shift_px=None, correlation=0.5 + i / 100,
        lr_item="l", hr_item="h", lr_dn_offset=None,
    )  # fmt: skip
    return Member(
        sample_id=f"smp-{i:03}", role="sample", rank=i, stratum=stratum, split=split, size_m=600,
        lon=0.0, lat=0.0, footprint_wkb=b"", gap_s=0.0, lr_scene_id="l", hr_scene_id="h",
        lr=None, hr=None, lr_cloud_frac=None, hr_cloud_frac=None, measured=measured,
    )  # fmt: skip


def decoded(uri: str) -> np.ndarray:
    """Red, green, blue, opacity of every pixel of a data URI."""
    content = b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(BytesIO(content)).convert("RGBA")).astype(int)


def of_task(full: tuple[Lake, Any], task: str) -> tuple[Lake, list[Member]]:
    lake, world = full
    name = next(r["manifest_id"] for r in world.rows["manifests"] if r["task"] == task)
    return lake, [m for m in members(lake, name) if m.measured]


def seen(full: tuple[Lake, Any], task: str, *, flagged: bool) -> tuple[Member, pixels.Pixels]:
    lake, found = of_task(full, task)
    wanted = next(m for m in found if m.measured and (m.measured.lr_clear_frac < 1) == flagged)
    assert wanted.measured is not None
    return wanted, pixels.read(lake.root, TASKS[task], wanted.measured)


def test_every_split_and_stratum_is_shown_before_a_second_of_any() -> None:
    kinds = [(s, t) for s in ("train", "val", "test") for t in ("urban", "non_urban")]
    everyone = [member(6 * i + j, *kind) for i in range(4) for j, kind in enumerate(kinds)]
    chosen = choose(everyone, 6)
    assert {(m.split, m.stratum) for m in chosen} == set(kinds)
    assert all(m.rank < 6 for m in chosen)
    assert choose(list(reversed(everyone)), 6) == chosen


def test_the_sample_with_most_flags_is_shown() -> None:
    everyone = [member(i) for i in range(20)] + [member(50, clear=0.7), member(51, clear=0.9)]
    assert [m.rank for m in choose(everyone, 4)] == [0, 1, 2, 50]
    assert [m.rank for m in choose(everyone[:20], 4)] == [0, 1, 2, 3]


def test_only_what_is_in_a_cube_is_shown() -> None:
    there, absent = member(1), replace(member(0), measured=None)
    assert choose([absent, there], 5) == [there]
    assert choose([there], 0) == []
    assert choose([], 5) == []
    assert opening([absent]) is None


def test_a_clear_urban_well_correlated_sample_opens() -> None:
    cloudy, rural = member(9, clear=0.5), member(8, stratum="non_urban")
    assert opening([cloudy, rural, member(2), member(5)]) == member(5)
    assert opening([cloudy, rural]) == rural


@pytest.mark.parametrize("task", ["s2_naip", "modis_landsat8"])
def test_pixels_are_the_stores_numbers_scaled(full: tuple[Lake, Any], task: str) -> None:
    _, world = full
    m, found = seen(full, task, flagged=False)
    lr, hr, lr_mask, hr_mask = world.pixels[m.sample_id]
    sides = {"s2_naip": (S2_NAIP, [3, 2, 1], [0, 1, 2]),
             "modis_landsat8": (MODIS_LANDSAT8, [0, 3, 2], [3, 2, 1])}  # fmt: skip
    facts, lr_bands, hr_bands = sides[task]
    lr_scale, hr_scale = facts.lr.data_bands[0], facts.hr.data_bands[0]
    np.testing.assert_allclose(found.lr, lr[lr_bands] * lr_scale.scale + lr_scale.offset)
    np.testing.assert_allclose(found.hr, hr[hr_bands] * hr_scale.scale + hr_scale.offset)
    assert (found.lr_mask == lr_mask).all()
    assert (found.hr_mask == hr_mask).all()


def test_the_offset_of_the_scene_is_added_before_scaling(full: tuple[Lake, Any]) -> None:
    lake, found = of_task(full, "s2_naip")
    assert found[0].measured is not None
    plain = pixels.read(lake.root, S2_NAIP, found[0].measured)
    moved = replace(found[0].measured, lr_dn_offset=-1000)
    shifted = pixels.read(lake.root, S2_NAIP, moved)
    np.testing.assert_allclose(plain.lr - shifted.lr, 0.1, atol=1e-12)
    assert (plain.hr == shifted.hr).all()


def test_pictures_have_the_colours_of_the_pixels(full: tuple[Lake, Any]) -> None:
    m, found = seen(full, "s2_naip", flagged=False)
    shown = strips.strip(found, m, size=250)
    lr, hr = decoded(shown.lr), decoded(shown.hr)
    assert lr.shape == (60, 60, 4)
    assert hr.shape == (250, 250, 4)
    (lr_low, lr_high), (low, high) = found.spans
    for got, values, a, b in (
        (lr, found.lr, lr_low, lr_high),
        (hr, found.hr.reshape(3, 250, 4, 250, 4).mean(axis=(2, 4)), low, high),
    ):
        wanted = 255 * np.clip((values - a) / (b - a), 0, 1) ** (1 / 1.25)
        error = got[..., :3] - np.moveaxis(wanted, 0, -1)
        assert np.abs(error.mean(axis=(0, 1))).max() < 2  # the mean colour
        assert np.abs(error).mean() < 6
        assert (got[..., 3] == 255).all()


def test_two_sides_in_reflectance_share_a_stretch(full: tuple[Lake, Any]) -> None:
    lr, hr = seen(full, "modis_landsat8", flagged=False)[1].spans
    assert lr == hr
    lr, hr = seen(full, "s2_naip", flagged=False)[1].spans
    assert lr[1] < 1 < hr[1]  # reflectance and bytes


def test_missing_pixels_are_holes_and_do_not_set_the_stretch(full: tuple[Lake, Any]) -> None:
    m, found = seen(full, "s2_naip", flagged=True)
    assert (found.hr_mask[:40] == 1).all()
    shown = strips.strip(found, m, size=250)
    opacity = decoded(shown.hr)[..., 3]
    assert (opacity[:10] == 0).all()
    assert (opacity[10:] == 255).all()
    assert found.spans[1][0] > 0


def test_masks_are_drawn_flag_by_flag(full: tuple[Lake, Any]) -> None:
    m, found = seen(full, "s2_naip", flagged=True)
    shown = strips.strip(found, m)
    assert shown.lr_mask.flags == ("cloud", "cloud shadow")
    assert shown.hr_mask.flags == ("no data", "snow or ice")
    assert set(shown.flags) == {"cloud", "cloud shadow", "no data", "snow or ice"}
    got = decoded(shown.lr_mask.uri)
    colours = {flag.words: flag.rgb for flag in FLAGS}
    assert tuple(got[6, 45, :3]) == colours["cloud"]
    assert tuple(got[24, 24, :3]) == colours["cloud shadow"]
    assert (got[..., 3] > 0).sum() == (found.lr_mask != 0).sum()


def test_flags_that_meet_are_drawn_by_their_order() -> None:
    mask = np.array([[0, 2 | 4, 1 | 2, 255, 64 | 2, 32 | 16]], dtype=np.uint8)
    got = decoded(strips.mask_picture(mask).uri)[0]
    colours = {flag.rgb: flag.words for flag in FLAGS}
    words = [colours.get(tuple(pixel[:3])) if pixel[3] else None for pixel in got]
    assert words == [None, "cloud", "no data", "unknown", "outside the time window", "snow or ice"]


def test_every_flag_has_a_colour_of_its_own() -> None:
    assert len({flag.rgb for flag in FLAGS}) == len(FLAGS) == 8
    assert sorted(flag.bit for flag in FLAGS) == [0, 1, 2, 4, 8, 16, 32, 64]
    assert FLAGS[0].colour == "#7e848a"


def block_pixels(hr_mask: np.ndarray | None = None, lr_mask: np.ndarray | None = None) -> Any:
    """A sample whose LR is a linear function of HR's means in each band."""
    rng = np.random.default_rng(5)
    hr = rng.uniform(20, 200, (3, 40, 40))
    mean = hr.reshape(3, 4, 10, 4, 10).mean(axis=(2, 4))
    lr = mean * np.array([0.001, 0.002, 0.003])[:, None, None] + 0.05
    clear = np.zeros((40, 40), dtype=np.uint8)
    return pixels.Pixels(
        S2_NAIP,
        lr,
        hr,
        np.zeros((4, 4), dtype=np.uint8) if lr_mask is None else lr_mask,
        clear if hr_mask is None else hr_mask,
    )


def test_a_linear_relation_leaves_no_difference() -> None:
    assert np.abs(block_pixels().difference()).max() < 1e-12


def test_what_differs_shows_where_it_is() -> None:
    found = block_pixels()
    found.lr[:, 2, 1] += 0.3
    difference = found.difference()
    assert np.unravel_index(np.argmax(difference), (4, 4)) == (2, 1)
    assert difference[2, 1] > 0.2


def test_flagged_pixels_have_no_difference() -> None:
    hr_mask, lr_mask = np.zeros((40, 40), dtype=np.uint8), np.zeros((4, 4), dtype=np.uint8)
    hr_mask[0, 0], lr_mask[3, 3] = 2, 4
    missing = np.isnan(block_pixels(hr_mask, lr_mask).difference())
    assert missing.sum() == 2
    assert missing[0, 0]
    assert missing[3, 3]


def test_too_few_pixels_have_no_difference() -> None:
    lr_mask = np.full((4, 4), 2, dtype=np.uint8)
    lr_mask[0, :2] = 0
    assert np.isnan(block_pixels(lr_mask=lr_mask).difference()).all()


def test_differences_are_blue_red_or_grey() -> None:
    got = decoded(strips.difference_picture(np.array([[-9.0, -0.5, 0.0, 0.5, 9.0, np.nan]]), 1.0))
    red, _, blue, opacity = got[0].T
    assert (blue[:2] > red[:2]).all()
    assert (red[3:5] > blue[3:5]).all()
    assert opacity.tolist() == [255, 128, 0, 128, 255, 140]


def test_a_manifest_is_drawn_reading_each_sample_once(full: tuple[Lake, Any]) -> None:
    lake, found = of_task(full, "s2_naip")
    got = strips.draw(lake.root, S2_NAIP, found, n_strips=3, n_stamps=50, progress=Silent())
    assert got.opening is not None
    assert decoded(got.opening.hr).shape == (600, 600, 4)
    assert len(got.strips) == 3
    assert got.opening.member not in [strip.member for strip in got.strips]
    assert [stamp.member for stamp in got.stamps] == found
    assert decoded(got.stamps[0].hr).shape == (100, 100, 4)
    again = strips.draw(lake.root, S2_NAIP, found, n_strips=3, n_stamps=50, progress=Silent())
    assert again == got


def test_no_strips_no_opening(full: tuple[Lake, Any]) -> None:
    lake, found = of_task(full, "s2_naip")
    got = strips.draw(lake.root, S2_NAIP, found, n_strips=0, n_stamps=2, progress=Silent())
    assert (got.opening, got.strips, len(got.stamps)) == (None, (), 2)


def test_what_is_not_materialized_cannot_be_drawn(full: tuple[Lake, Any]) -> None:
    m, found = seen(full, "s2_naip", flagged=False)
    with pytest.raises(ValueError, match="not materialized"):
        strips.strip(found, replace(m, measured=None))


@pytest.mark.parametrize("cube", ["../../elsewhere.zarr", "/etc", "cubes/../../x"])
def test_cubes_outside_the_lake_are_not_opened(tmp_path: Path, cube: str) -> None:
    measured = member(0).measured
    assert measured is not None
    with pytest.raises(CorruptDataError, match="leads out of the lake"):
        pixels.read(tmp_path / "lake", S2_NAIP, replace(measured, cube=cube))


def test_a_cube_that_is_gone_is_named(tmp_path: Path) -> None:
    measured = member(0).measured
    assert measured is not None
    with pytest.raises(CorruptDataError, match=r"not there .*gone\.zarr.*cubes verify"):
        pixels.read(tmp_path, S2_NAIP, replace(measured, cube="cubes/gone.zarr"))


def test_a_cube_without_an_array_is_named(tmp_path: Path) -> None:
    measured = member(0).measured
    assert measured is not None
    zarr.create_group(tmp_path / "c").create_group("lr_mask")
    with pytest.raises(CorruptDataError, match="no array lr_mask"):
        pixels.read(tmp_path, S2_NAIP, replace(measured, cube="c"))
