"""What `geosr scenes ingest` prints, without a lake."""

import pytest

from geosr_lake.cli import scenes
from geosr_lake.scenes.accounts import FileCounts
from geosr_lake.scenes.ingest import IngestSummary


def summary(files: int) -> IngestSummary:
    counts = tuple(
        FileCounts(f"/data/[{n}].ndjson", 3, 1, 1, 0, 1, {"json_invalid": 1}) for n in range(files)
    )
    return IngestSummary(
        run_id="run-1",
        files=counts,
        read=3 * files,
        kept=files,
        repeated=files,
        unsupported=0,
        quarantined=files,
        reasons={"json_invalid": files},
        groups_derived=files,
        scenes=1234,
        scenes_by_sensor={"naip": 1234},
        superseded=0,
        tiles=5,
    )


def test_files_reasons_and_holdings(capsys: pytest.CaptureFixture[str]) -> None:
    scenes._show(summary(2))
    printed = capsys.readouterr().out
    for text in ("[0].ndjson", "[1].ndjson", "in all", "the text is not JSON", "1,234"):
        assert text in printed


def test_many_files_are_not_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    scenes._show(summary(scenes.MAX_FILES_SHOWN + 7))
    assert "7 files more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sensors", "command"),
    [
        ({"naip", "sentinel2", "modis"}, "pairs build --recipe s2_naip --lake 'my lake'"),
        ({"landsat", "modis"}, "pairs build --recipe modis_landsat8 --lake 'my lake'"),
        ({"landsat", "naip"}, "geosr sql"),
        (set(), "geosr sql"),
    ],
)
def test_the_next_command_fits_what_is_there(sensors: set[str], command: str) -> None:
    assert command in scenes._next(sensors, "my lake")
