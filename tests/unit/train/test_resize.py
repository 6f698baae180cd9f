"""The declared resize: sizes, geometry, and masks that never grow."""

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from geosr_lake.train.resize import (  # noqa: E402
    enlarge_valid,
    paper_px,
    resize_image,
    resize_valid,
)

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("native", "side", "paper"),
    [(60, 0, 64), (15, 0, 16), (30, 0, 32), (1000, 1, 1024), (250, 1, 256), (500, 1, 512)],
)
def test_paper_sizes(native: int, side: int, paper: int) -> None:
    assert paper_px(native, side) == paper


def test_a_crop_without_a_whole_paper_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole"):
        paper_px(12, 0)


def test_a_ramp_keeps_its_place() -> None:
    """Pixel centres of 60 on the grid of 64: (i + 0.5) * 60 / 64 - 0.5, edges clamped."""
    ramp = torch.arange(60, dtype=torch.float64).expand(1, 60, 60)
    wanted = ((torch.arange(64) + 0.5) * 60 / 64 - 0.5).clamp(0, 59)
    assert torch.allclose(resize_image(ramp, 64)[0, 17], wanted.to(torch.float64))


def test_the_same_size_is_left_alone() -> None:
    image = torch.rand(2, 60, 60)
    assert resize_image(image, 60) is image
    valid = torch.rand(60, 60) > 0.5
    assert resize_valid(valid, 60) is valid


def test_a_pixel_made_of_an_invalid_one_is_invalid() -> None:
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(250, 250, generator=generator) > 0.02
    image = torch.where(valid, 1.0, 1e6).unsqueeze(0)
    after = resize_image(image, 256)[0]
    kept = resize_valid(valid, 256)
    assert bool((after[kept] == 1).all())
    assert bool((after[~kept] != 1).all())


def test_lr_masks_enlarge_to_whole_blocks() -> None:
    valid = torch.ones(1, 16, 16, dtype=torch.bool)
    valid[0, 3, 5] = False
    grown = enlarge_valid(valid, 256)[0]
    assert int((~grown).sum()) == 256
    assert not grown[48:64, 80:96].any()
    # 60 to 1000 has a ratio of 50 to 3: each HR pixel takes the LR pixel under its centre.
    valid = torch.ones(1, 60, 60, dtype=torch.bool)
    valid[0, 0, 1] = False
    columns = torch.nonzero(~enlarge_valid(valid, 1000)[0, 0]).flatten()
    centres = (columns + 0.5) * 60 / 1000
    assert bool(((centres >= 1) & (centres < 2)).all())
    assert len(columns) in (16, 17)
