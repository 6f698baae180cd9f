"""Histograms, strata and subsets of a manifest, and the land cover under it, by other counts."""

from datetime import UTC, datetime

import numpy as np
import pytest
from report_members import member

from geosr_lake.report import distributions, landcover
from geosr_lake.report.charts import HEIGHT, Histogram
from geosr_lake.report.legends import class_name
from geosr_lake.report.members import Measured, Member, Scene

RULE = ((13,), 0.25)


MEASURED = Measured(
    cube="c", index=0, replaces=None, lr_valid_frac=1.0, hr_valid_frac=1.0, lr_clear_frac=1.0,
    hr_clear_frac=1.0, shift_px=(0.0, 0.0), correlation=0.9, lr_item="l", hr_item="h",
    lr_dn_offset=None,
)  # fmt: skip


def counts(h: Histogram) -> int:
    return round(sum(bar.height for bar in h.bars) / HEIGHT * int(h.levels[-1].label))


def world(n: int) -> list[Member]:
    """Samples and reserves of three subsets, with values from a generator."""
    rng = np.random.default_rng(5)
    out = []
    for i in range(n):
        when = datetime(2020, int(rng.integers(1, 13)), 3, tzinfo=UTC)
        out.append(
            member(
                ("train", "val", "test")[int(rng.integers(3))],
                subset=("sr", "river", "cdl")[i % 3],
                site_id=f"sit-{i}",
                role="reserve" if i % 7 == 6 else "sample",
                stratum=("urban", "non_urban")[i % 2],
                lat=float(rng.uniform(-50, 60)),
                gap_s=float(rng.normal(0, 3e5)),
                lr_cloud_frac=None if i % 5 == 0 else float(rng.uniform(0, 0.2)),
                hr=None if i % 11 == 0 else Scene("naip", "t", when, when, None, "i"),
            )
        )
    return out


def test_every_chart_counts_every_sample_once() -> None:
    members = world(200)
    n = sum(m.role == "sample" for m in members)
    shares = {m.site_id: {13: 0.4, 10: 0.5} for m in members[::2]}
    cover = landcover.summed("demo_igbp", [m.site_id for m in members], shares, RULE)
    found = {h.name: h for h in distributions.of_manifest(members, "Sentinel-2", "NAIP", cover)}
    assert list(found) == [
        "Gap, NAIP minus Sentinel-2", "Month of NAIP", "Cloud of the Sentinel-2 scene",
        "Cloud of the NAIP scene", "Latitude", "Urban share",
    ]  # fmt: skip
    assert {counts(h) for h in found.values()} == {n}
    samples = [m for m in members if m.role == "sample"]
    assert found["Month of NAIP"].unknown == sum(m.hr is None for m in samples)
    assert found["Cloud of the NAIP scene"].unknown == n
    known = [100 * m.lr_cloud_frac for m in samples if m.lr_cloud_frac is not None]
    cloud = found["Cloud of the Sentinel-2 scene"]
    assert cloud.unknown == n - len(known)
    assert f"median {np.median(known):.1f} %" in cloud.words
    assert found["Urban share"].unknown == sum(m.site_id not in shares for m in samples)


def test_a_manifest_without_samples_has_no_chart() -> None:
    assert distributions.of_manifest([], "MODIS", "Landsat") == ()
    assert distributions.of_manifest([member(role="reserve")], "MODIS", "Landsat") == ()


def test_pixels_are_counted_for_reserves_in_cubes_as_well() -> None:
    members = [
        member(measured=MEASURED),
        member(role="reserve", measured=MEASURED),
        member(role="reserve"),
    ]
    by_name = {h.name: h for h in distributions.of_manifest(members, "MODIS", "Landsat")}
    assert counts(by_name["Gap, Landsat minus MODIS"]) == 1
    assert counts(by_name["Clear pixels of MODIS"]) == 2
    assert by_name["Clear pixels of MODIS"].unknown == 0
    assert "2 samples and reserves in cubes" in by_name["Clear pixels of MODIS"].words


def test_strata_add_up() -> None:
    members = [
        member("train"), member("val", stratum="non_urban"), member("test"),
        member("train", role="reserve", measured=MEASURED), member("train", measured=MEASURED),
        member("train", subset="river"),
    ]  # fmt: skip
    rows = {(row.subset, row.stratum): row for row in distributions.strata(members)}
    assert rows["sr", "urban"].by_split == (2, 0, 1)
    assert rows["sr", "non_urban"].by_split == (0, 1, 0)
    assert rows["river", "urban"].by_split == (1, 0, 0)
    total = rows["", "all"]
    assert total.by_split == (3, 1, 1)
    assert (total.total, total.reserves, total.materialized) == (5, 1, 2)


def test_medians_by_subset_are_numpys() -> None:
    members = world(200)
    rows = {row.subset: row for row in distributions.subsets(members)}
    assert list(rows) == ["cdl", "river", "sr"]
    for name, row in rows.items():
        mine = [m for m in members if m.subset == name and m.role == "sample"]
        assert row.n == len(mine)
        assert row.gap_days == pytest.approx(np.median([abs(m.gap_s) / 86_400 for m in mine]))
        known = [m.lr_cloud_frac for m in mine if m.lr_cloud_frac is not None]
        assert row.lr_cloud == pytest.approx(np.median(known))
        assert (row.hr_cloud, row.urban) == (None, None)


def test_land_cover_adds_up_to_one() -> None:
    rng = np.random.default_rng(8)
    sites = [f"sit-{i}" for i in range(30)]
    shares = {}
    for site in sites[:25]:  # the layer does not reach the others
        parts = rng.dirichlet(np.ones(14)) * rng.choice([1.0, 0.9])
        shares[site] = {k + 1: float(part) for k, part in enumerate(parts) if k != 4}
    samples = [*sites, *sites[:5]]  # two subsets share five sites
    found = landcover.summed("mcd12c1", samples, shares, RULE)
    assert sum(row.share for row in found.rows) == pytest.approx(1.0)
    assert len(found.rows) == landcover.MAX_CLASSES + 2
    assert [row.name for row in found.rows[-2:]] == ["5 other classes", "unknown"]
    table = np.array([[shares.get(s, {}).get(k, 0.0) for k in range(15)] for s in samples])
    means = table.mean(axis=0)
    named = {row.name: row for row in found.rows}
    for k in np.argsort(-means)[: landcover.MAX_CLASSES]:
        row = named[class_name("mcd12c1", int(k))]
        assert row.share == pytest.approx(means[k])
        assert row.n == (table[:, k] > 0).sum()
        assert row.urban == (k == 13)
    assert named["unknown"].share == pytest.approx(1 - means.sum())
    assert found.urban == pytest.approx({s: shares[s][13] for s in sites[:25]})
    assert "over 35 samples, of which 5 lie outside" in found.words


def test_the_urban_rule_is_read_where_the_recipe_has_one() -> None:
    recipe = '{"select": {"urban": {"classes": [21, 22], "min_frac": 0.3, "layer": "nlcd"}}}'
    assert landcover.urban_rule(recipe) == ((21, 22), 0.3)
    for other in ("", "{}", '{"select": null}', '{"select": {"urban": 3}}'):
        assert landcover.urban_rule(other) is None
    found = landcover.summed("x", ["sit-1"], {"sit-1": {4: 1.0}}, None)
    assert (found.urban, found.least) == ({}, None)
    assert found.rows == (landcover.Ground("class 4", 1.0, 1),)


def test_class_names() -> None:
    assert class_name("demo_igbp", 13) == "urban and built-up (13)"
    assert class_name("ESA_WorldCover_2021", 50) == "built-up (50)"
    assert class_name("nlcd", 24) == "developed, high intensity (24)"
    assert class_name("cdl", 24) == "class 24"
