"""The file of a report: written whole or not at all, never over another, never too large."""

from pathlib import Path
from typing import Any

import pytest

from geosr_lake.errors import ResourceError, UsageError
from geosr_lake.lake import Lake
from geosr_lake.report import page
from geosr_lake.report.page import write_report


def test_one_manifest_can_be_asked_for(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake, world = full
    name = next(r["manifest_id"] for r in world.rows["manifests"] if r["task"] == "modis_landsat8")
    summary = write_report(lake, tmp_path / "one.html", manifest_ids=[name])
    html = (tmp_path / "one.html").read_text()
    assert summary.manifests == 1
    assert "Plate I<" in html
    assert "Plate II" not in html


def test_a_manifest_that_is_not_there_is_refused(full: tuple[Lake, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no manifest man-none.*It has: man-"):
        write_report(full[0], tmp_path / "x.html", manifest_ids=["man-none"])
    assert not list(tmp_path.iterdir())


def test_a_page_of_this_command_is_replaced(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    out = tmp_path / "x.html"
    write_report(lake, out)
    before = out.stat().st_ino
    write_report(lake, out)
    assert out.stat().st_ino != before  # a new file in its place, never a half one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake", "x.html"]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"<!doctype html><title>mine</title>"])
def test_another_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    lake = Lake.create(tmp_path / "lake")
    out = tmp_path / "mine"
    out.write_bytes(content)
    with pytest.raises(UsageError, match="something else"):
        write_report(lake, out)
    assert out.read_bytes() == content


def test_a_folder_is_left_alone_and_a_missing_one_named(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(UsageError, match="something else"):
        write_report(lake, tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        write_report(lake, tmp_path / "none" / "x.html")


def test_a_page_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_report(lake, tmp_path / ("x" * 250))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lake"]


def test_a_page_that_would_be_too_large_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_BYTES", 10_000)
    with pytest.raises(ResourceError, match="--manifest"):
        write_report(Lake.create(tmp_path / "lake"), tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 12])
def test_pictures_share_their_room(n: int) -> None:
    strips, stamps = page.shares(n)
    used = strips * page.STRIP_BYTES + stamps * page.STAMP_BYTES
    used += page.OPENING_BYTES if strips else 0
    assert max(n, 1) * used <= page.PICTURE_BYTES
    assert stamps > 0
    if n <= 2:
        assert (strips, stamps) == (page.MAX_STRIPS, page.MAX_STAMPS)


def test_the_report_reads_only(full: tuple[Lake, Any], tmp_path: Path) -> None:
    lake, _ = full

    def files() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in sorted(lake.root.rglob("*"))}

    before = files()
    write_report(lake, tmp_path / "x.html")
    assert files() == before
