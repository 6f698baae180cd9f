"""The dataset against the numbers that were written: scaling, masks, crops, sizes, order."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from catalog_world import CLOUDED, LABELLED, CatalogWorld, nearest_lr_band  # noqa: E402

from geosr_lake.errors import UsageError  # noqa: E402
from geosr_lake.sensors.tasks import TASKS  # noqa: E402
from geosr_lake.train import SRDataset, batches, epoch_order  # noqa: E402
from geosr_lake.train.store import SplitStore  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize("task", sorted(TASKS))
def test_native_whole_samples_are_the_scaled_numbers(
    catalog_world: CatalogWorld, task: str
) -> None:
    data, facts = SRDataset(catalog_world.catalog, task, "train"), TASKS[task]
    assert len(data) == 3
    sample = data[1]
    lr, hr, _, _ = catalog_world.pixels[task][sample["sample_id"]]
    n_lr, n_hr = len(facts.lr_bands), len(facts.hr_bands)
    assert sample["lr"].shape == (n_lr, 60, 60)
    assert sample["hr"].shape == (n_hr, 1000, 1000)
    dn_offset = -1000 if task == "s2_naip" else 0
    band = facts.lr.band(facts.lr_bands[0])
    wanted_lr = (lr.astype(float) + dn_offset) * band.scale + band.offset
    top = facts.hr.band(facts.hr_bands[0])
    wanted_hr = hr / 255 if task == "s2_naip" else hr * top.scale + top.offset
    np.testing.assert_allclose(sample["lr"].numpy(), wanted_lr, atol=1e-6)
    np.testing.assert_allclose(sample["hr"].numpy(), wanted_hr, atol=1e-6)
    assert bool(sample["lr_valid"].all())
    assert bool(sample["hr_valid"].all())
    # What the world put in: lr is 0.6 times the average of hr plus 0.02, band by band.
    mean_hr = wanted_hr.mean(axis=(1, 2))
    for hr_band, lr_band in enumerate(nearest_lr_band(facts)):
        if nearest_lr_band(facts).count(lr_band) == 1:
            assert wanted_lr[lr_band].mean() == pytest.approx(
                0.6 * mean_hr[hr_band] + 0.02, abs=3e-3
            )


def test_the_papers_scaling(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", scaling="paper")
    lr, hr, _, _ = catalog_world.pixels["s2_naip"]["smp-train-001"]
    np.testing.assert_allclose(data[1]["lr"].numpy(), (lr.astype(float) - 1000) / 3500, atol=1e-6)
    np.testing.assert_allclose(data[1]["hr"].numpy(), hr / 255, atol=1e-6)


def test_numbers_as_stored(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "modis_landsat8", "val", scaling=None)
    lr, hr, _, _ = catalog_world.pixels["modis_landsat8"]["smp-val-000"]
    np.testing.assert_array_equal(data[0]["lr"].numpy(), lr.astype(np.float32))
    np.testing.assert_array_equal(data[0]["hr"].numpy(), hr.astype(np.float32))


def test_flags_make_pixels_invalid_and_filled_with_the_mean(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train")
    assert data.sample_ids[0] == CLOUDED
    sample = data[0]
    _, _, lr_mask, hr_mask = catalog_world.pixels["s2_naip"][CLOUDED]
    np.testing.assert_array_equal(sample["lr_valid"].numpy(), lr_mask == 0)
    np.testing.assert_array_equal(sample["hr_valid"].numpy(), hr_mask == 0)
    means = sample["hr"][:, :900].mean((1, 2))
    filled = sample["hr"][:, 900:]
    assert torch.allclose(filled, means[:, None, None].expand_as(filled), atol=1e-5)


def test_flags_can_be_let_through_but_unknown_never(
    catalog_world: CatalogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", reject=1)
    assert bool(data[0]["lr_valid"].all())  # the cloud is flag 2
    assert not data[0]["hr_valid"][900:].any()
    whole = SplitStore.read

    def unknown(self, i, window=None):
        pixels = whole(self, i, window)
        pixels.lr_mask[:] = 255
        return pixels

    monkeypatch.setattr(SplitStore, "read", unknown)
    sample = SRDataset(catalog_world.catalog, "s2_naip", "train", reject=0)[0]
    assert not sample["lr_valid"].any()
    assert not sample["lr"].any()


@pytest.mark.parametrize(("crop", "px"), [(15, (16, 256)), (30, (32, 512)), (60, (64, 1024))])
def test_paper_sizes(catalog_world: CatalogWorld, crop: int, px: tuple[int, int]) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "val", size="paper", crop=crop)
    assert len(data) == (60 // crop) ** 2
    sample = data[len(data) - 1]
    assert sample["lr"].shape == (12, px[0], px[0])
    assert sample["hr"].shape == (4, px[1], px[1])
    assert sample["hr_valid"].shape == (px[1], px[1])
    assert (sample["row"], sample["column"]) == (60 - crop, 60 - crop)


@pytest.mark.parametrize("crop", [3, 6, 12, 15, 30])
def test_crops_tile_the_frame(catalog_world: CatalogWorld, crop: int) -> None:
    whole = SRDataset(catalog_world.catalog, "s2_naip", "train", hr_bands=["G"])[1]
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", hr_bands=["G"], crop=crop)
    across = 60 // crop
    rows = []
    for row in range(across):
        of_row = [data[across * across + row * across + column] for column in range(across)]
        assert {s["sample_id"] for s in of_row} == {"smp-train-001"}
        assert [s["column"] for s in of_row] == [n * crop for n in range(across)]
        rows.append(torch.cat([s["hr"] for s in of_row], 2))
    assert torch.equal(torch.cat(rows, 1), whole["hr"])


def test_bands_come_in_the_order_asked_for(catalog_world: CatalogWorld) -> None:
    every = SRDataset(catalog_world.catalog, "s2_naip", "val")
    some = SRDataset(
        catalog_world.catalog, "s2_naip", "val", lr_bands=["B08", "B04"], hr_bands=["N", "R"]
    )
    assert torch.equal(some[0]["lr"], every[0]["lr"][[7, 3]])
    assert torch.equal(some[0]["hr"], every[0]["hr"][[3, 0]])
    assert some.skip_bands == [0, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "all"}, "no split 'all'"),
        ({"lr_bands": ["B4"]}, "no bands of the lr side"),
        ({"hr_bands": []}, "no bands of the hr side"),
        ({"hr_bands": ["R", "R"]}, "no bands of the hr side"),
        ({"scaling": "toa"}, "no scaling 'toa'"),
        ({"crop": 17}, "LR pixels, not 17"),
        ({"crop": 12, "size": "paper"}, "no paper size"),
    ],
)
def test_what_there_is_not_is_refused(
    catalog_world: CatalogWorld, options: dict, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        SRDataset(catalog_world.catalog, "s2_naip", **{"split": "train", **options})


def test_an_unknown_number_offset_is_refused_not_guessed(
    catalog_world: CatalogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SplitStore, "dn_offset", lambda *_: None)
    data = SRDataset(catalog_world.catalog, "s2_naip", "val")
    with pytest.raises(UsageError, match="number offset of sample smp-val-000 is not known"):
        data[0]
    assert SRDataset(catalog_world.catalog, "s2_naip", "val", scaling=None)[0]["lr"].max() > 100
    assert len(SRDataset(catalog_world.catalog, "modis_landsat8", "val")[0]["lr"]) == 7


def test_indices(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train")
    assert data[-1]["sample_id"] == "smp-train-002"
    with pytest.raises(IndexError):
        data[3]
    assert [s["sample_id"] for s in data] == list(data.sample_ids)  # type: ignore[attr-defined]


def test_the_order_follows_from_seed_and_epoch() -> None:
    assert epoch_order(5, 0, 0) == [0, 3, 1, 2, 4]
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_batches_do_not_depend_on_the_threads(catalog_world: CatalogWorld, threads: int) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", size="paper", crop=15)
    drawn = list(batches(data, 7, seed=4, epoch=1, threads=threads))
    assert [len(batch["sample_id"]) for batch in drawn] == [7] * 6 + [6]
    order = epoch_order(len(data), 4, 1)
    assert [s for b in drawn for s in b["sample_id"]] == [data[i]["sample_id"] for i in order]
    assert torch.equal(drawn[2]["lr"][3], data[order[17]]["lr"])


def test_a_subset_alone(catalog_world: CatalogWorld) -> None:
    whole = SRDataset(catalog_world.catalog, "s2_naip", "train")
    sr = SRDataset(catalog_world.catalog, "s2_naip", "train", subset="sr")
    labelled = SRDataset(catalog_world.catalog, "s2_naip", "train", subset=LABELLED)
    assert (*sr.sample_ids, *labelled.sample_ids) == whole.sample_ids
    assert len(labelled) == 1
    again = pickle.loads(pickle.dumps(labelled))  # noqa: S301 (our own bytes)
    for data in (labelled, again):
        assert data[0]["sample_id"] == whole[2]["sample_id"]
        assert torch.equal(data[0]["hr"], whole[2]["hr"])
    with pytest.raises(UsageError, match="subset 'roads'") as caught:
        len(SRDataset(catalog_world.catalog, "s2_naip", "train", subset="roads"))
    assert "road, sr" in str(caught.value.next_step)


def test_it_travels_to_workers(catalog_world: CatalogWorld) -> None:
    data = SRDataset(catalog_world.catalog, "s2_naip", "train", size="paper", crop=15)
    assert torch.equal(pickle.loads(pickle.dumps(data))[3]["lr"], data[3]["lr"])  # noqa: S301
    loader = torch.utils.data.DataLoader(
        data, batch_size=24, num_workers=1, multiprocessing_context="spawn"
    )
    drawn = list(loader)
    assert [len(batch["sample_id"]) for batch in drawn] == [24, 24]
    assert torch.equal(drawn[1]["hr"][5], data[29]["hr"])


def test_nothing_but_the_catalog_is_needed(catalog_world: CatalogWorld, tmp_path: Path) -> None:
    """Moved away with its cubes, without tables: the catalog still opens."""
    for name in ("catalog", "cubes"):
        (tmp_path / "moved" / name).parent.mkdir(exist_ok=True)
        import shutil

        shutil.copytree(catalog_world.lake.root / name, tmp_path / "moved" / name)
    data = SRDataset(tmp_path / "moved", "s2_naip", "test")
    assert len(data) == 2
    assert json.dumps(list(data.sample_ids)) == '["smp-test-000", "smp-test-001"]'
