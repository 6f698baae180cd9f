"""Items to scenes: who wins, who joins, and that the order of arrival does not matter."""

import random
from typing import Any

import pyarrow as pa
import pytest
from stac_items import SCENES, box, earth_search, landsat, modis, naip, sentinel2, table

from geosr_lake import ids
from geosr_lake.scenes.derive import derive


def scenes(*items: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in derive(table(*items), SCENES).to_pylist()]


def test_one_item_is_one_scene() -> None:
    (found,) = scenes(landsat())
    assert found["scene_id"] == ids.scene_id("landsat", "LC08", "033032", "2024-09-08")
    assert (found["superseded"], found["standalone"]) == ([], False)
    assert dict(found["assets"])["red"].endswith("SR_B4.TIF")


def test_no_item_is_no_scene() -> None:
    empty = table(landsat()).slice(0, 0)
    assert derive(empty, SCENES).num_rows == 0
    assert derive(empty, SCENES).schema == SCENES


@pytest.mark.parametrize(
    ("best", "other"),
    [
        (landsat(), landsat(usgs=True)),
        (landsat(processed="20250101", usgs=True), landsat()),
        (modis(), modis(produced="")),
        (sentinel2(), sentinel2(baseline="02.12", generated="20240901T000000")),
    ],
)
def test_the_best_item_wins_and_the_other_stays(best: Any, other: Any) -> None:
    for items in ((best, other), (other, best)):
        (found,) = scenes(*items)
        assert found["item_id"] == best["id"]
        assert [loser["item_id"] for loser in found["superseded"]] == [other["id"]]
        assert found["superseded"][0]["assets"]


def test_losers_stand_best_first() -> None:
    items = [landsat(processed=f"2024091{n}", usgs=True) for n in range(4, 9)]
    random.Random(0).shuffle(items)
    (found,) = scenes(*items)
    order = [found["item_id"], *(loser["item_id"] for loser in found["superseded"])]
    assert order == sorted(order, reverse=True)


def test_different_things_are_different_scenes() -> None:
    items = [
        naip(),
        naip(day="20220828"),
        naip(quarter="se"),
        landsat(),
        landsat(mission="LC09"),
        landsat(tile="033033"),
        landsat(day="20240924"),
        modis(),
        modis("MYD09A1"),
        modis(collection="006"),
        modis(tile="h10v05"),
        modis(day="2022041"),
        sentinel2(),
        sentinel2(unit="B"),
        sentinel2(tile="13TDF"),
        sentinel2(strip="20240803T180459"),
    ]
    found = scenes(*items)
    assert len({scene["scene_id"] for scene in found}) == len(items)


def test_an_item_without_datastrip_joins_and_never_wins() -> None:
    lone = earth_search(sentinel2(strip=None, baseline="09.99"))
    for items in ((sentinel2(), lone), (lone, sentinel2())):
        (found,) = scenes(*items)
        assert (found["item_id"], found["standalone"]) == (sentinel2()["id"], False)
        assert [loser["item_id"] for loser in found["superseded"]] == [lone["id"]]


def test_it_joins_the_datastrip_whose_ground_it_shows() -> None:
    north, south = box(-106.2, 41.1, -104.9, 41.5), box(-106.2, 40.5, -104.9, 41.05)
    upper = sentinel2(geometry=north, strip="20240803T180459")
    lower = sentinel2(geometry=south, strip="20240803T180512")
    lone = earth_search(sentinel2(geometry=south, strip=None))
    found = scenes(upper, lower, lone)
    assert len(found) == 2
    (joined,) = (scene for scene in found if scene["superseded"])
    assert joined["ymax"] == 41.05


def test_an_item_that_shows_other_ground_stands_alone() -> None:
    lone = sentinel2(strip=None, geometry=box(-106.2, 40.5, -105.5, 41.5))
    found = scenes(sentinel2(generated="20240804T100000"), lone)
    assert [scene["standalone"] for scene in found].count(True) == 1


def test_versions_of_a_lone_item_are_one_scene_other_items_others() -> None:
    one, newer = sentinel2(strip=None), sentinel2(strip=None)
    newer["properties"]["updated"] = "2025-01-01T00:00:00Z"
    other = sentinel2(strip=None, generated="20250101T000000")
    found = scenes(one, newer, other)
    assert [len(scene["superseded"]) for scene in found] in ([0, 1], [1, 0])
    assert all(scene["standalone"] for scene in found)


def test_a_lone_scene_goes_when_its_datastrip_arrives() -> None:
    lone = earth_search(sentinel2(strip=None))
    (before,) = scenes(lone)
    (after,) = scenes(lone, sentinel2())
    assert before["standalone"]
    assert not after["standalone"]
    assert before["scene_id"] != after["scene_id"]


def test_scenes_of_a_group_do_not_depend_on_other_groups() -> None:
    mine, others = [sentinel2(), earth_search(sentinel2(strip=None))], [naip(), landsat(), modis()]
    together = {scene["scene_id"]: scene for scene in scenes(*others, *mine)}
    for scene in scenes(*mine):
        assert together[scene["scene_id"]] == scene


def test_the_order_of_arrival_does_not_matter() -> None:
    north, south = box(-106.2, 41.1, -104.9, 41.5), box(-106.2, 40.5, -104.9, 41.05)
    items = [
        *(landsat(usgs=usgs, processed="20240914") for usgs in (True, False)),
        landsat(usgs=True, processed="20250101"),
        *(naip(state=state) for state in ("co", "ne", "wy")),
        modis(),
        modis(produced=""),
        sentinel2(geometry=north, strip="20240803T180459"),
        sentinel2(geometry=south, strip="20240803T180512", generated="20240804T000000"),
        earth_search(sentinel2(geometry=south, strip=None)),
        earth_search(sentinel2(geometry=north, strip=None, unit="B")),
        sentinel2(strip=None, generated="20240901T000000"),
    ]
    wanted = derive(table(*items), SCENES)
    rows = table(*items)
    shuffler = random.Random(3)
    for _ in range(200):
        order = list(range(rows.num_rows))
        shuffler.shuffle(order)
        assert derive(rows.take(pa.array(order)), SCENES).equals(wanted)
