"""Reading an object by ranges, from a host that serves it well or badly."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from range_server import Host, serving

from geosr_lake.errors import PermanentSourceError, SourceError, TransientSourceError
from geosr_lake.net import retry
from geosr_lake.net.errors import MissingSourceError
from geosr_lake.net.policy import RemoteFile
from geosr_lake.net.ranges import BLOCK_BYTES, CACHED_BLOCKS, RangeFile, RangeReader

CONTENT = np.random.default_rng(0).bytes(10 * BLOCK_BYTES + 1234)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.0)
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def file(host: Host) -> Iterator[RangeFile]:
    opened = RangeFile(RemoteFile(host.url))
    yield opened
    opened.release()


@pytest.mark.parametrize(
    ("position", "size"),
    [
        (0, 10),
        (0, -1),
        (BLOCK_BYTES - 3, 7),
        (5 * BLOCK_BYTES, 3 * BLOCK_BYTES + 1),
        (len(CONTENT) - 5, 100),
        (len(CONTENT), 5),
        (len(CONTENT) + 99, 5),
    ],
)
def test_reads_what_is_there(file: RangeFile, position: int, size: int) -> None:
    plain = io.BytesIO(CONTENT)
    plain.seek(position)
    assert file.read(position, size) == plain.read(size)
    reader = RangeReader(file)
    plain.seek(position)
    assert reader.seek(position) == position
    assert reader.read(size) == plain.read(size)
    assert reader.tell() == plain.tell()
    assert file.error is None


def test_seeks_as_files_do(file: RangeFile) -> None:
    reader, other = RangeReader(file), RangeReader(file)
    assert reader.seek(-4, io.SEEK_END) == len(CONTENT) - 4
    assert reader.read(9) == CONTENT[-4:]
    reader.seek(10)
    assert reader.seek(5, io.SEEK_CUR) == 15
    assert reader.seekable()
    assert reader.readable()
    other.close()
    assert (other.tell(), reader.read(3)) == (0, CONTENT[15:18])


def test_neighbouring_blocks_are_one_request_and_then_none(host: Host, file: RangeFile) -> None:
    before = len(host.requests)
    file.read(2 * BLOCK_BYTES + 5, 3 * BLOCK_BYTES)
    assert [r for _, r in host.requests[before:]] == [
        f"bytes={2 * BLOCK_BYTES}-{6 * BLOCK_BYTES - 1}"
    ]
    file.read(3 * BLOCK_BYTES, BLOCK_BYTES)
    assert len(host.requests) == before + 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
    monkeypatch.setattr("geosr_lake.net.ranges.CACHED_BLOCKS", 3)
    opened = RangeFile(RemoteFile(host.url))
    assert opened.read(0, -1) == CONTENT
    assert len(opened._blocks) == 3 < CACHED_BLOCKS


@pytest.mark.parametrize("fault", ["429", "500", "503", "short", "reset", "wrong_range"])
def test_what_heals_is_tried_again(host: Host, file: RangeFile, fault: str) -> None:
    host.script = [fault, fault]
    assert file.read(BLOCK_BYTES, 100) == CONTENT[BLOCK_BYTES : BLOCK_BYTES + 100]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("404", MissingSourceError),
        ("410", MissingSourceError),
        ("401", PermanentSourceError),
        ("redirect", PermanentSourceError),
        ("whole", PermanentSourceError),
    ],
)
def test_what_will_not_heal_costs_one_request(
    host: Host, fault: str, kind: type[SourceError]
) -> None:
    host.script = [fault] * 9
    with pytest.raises(kind):
        RangeFile(RemoteFile(host.url))
    assert len(host.requests) == 1


def test_a_host_that_stays_busy_is_given_up(host: Host) -> None:
    host.script = ["503"] * 99
    with pytest.raises(TransientSourceError, match="503"):
        RangeFile(RemoteFile(host.url))
    assert len(host.requests) == retry.ATTEMPTS


def test_a_failure_in_the_middle_is_kept_and_not_raised(host: Host, file: RangeFile) -> None:
    host.script = ["404"]
    assert file.read(4 * BLOCK_BYTES, 10) == b""
    assert isinstance(file.error, MissingSourceError)
    assert file.read(0, 10) == b""


def test_an_object_that_changes_is_not_mixed(host: Host, file: RangeFile) -> None:
    host.script = ["changed"] * 9
    assert file.read(4 * BLOCK_BYTES, 10) == b""
    assert "changed" in str(file.error)


def test_a_refused_signature_is_made_anew_once(host: Host) -> None:
    asked: list[bool] = []

    def signer(url: str, refused: bool) -> str:
        asked.append(refused)
        return f"{url}?sig=CANARY{len(asked)}"

    host.script = ["403"]
    opened = RangeFile(RemoteFile(host.url), signer=signer)
    assert opened.read(0, 4) == CONTENT[:4]
    assert asked == [False, True]
    assert [path.partition("?")[2] for path, _ in host.requests] == ["sig=CANARY1", "sig=CANARY2"]


def test_a_signature_refused_twice_is_permanent_and_not_shown(host: Host) -> None:
    host.script = ["403"] * 9
    with pytest.raises(PermanentSourceError, match="403") as caught:
        RangeFile(RemoteFile(host.url), signer=lambda url, _: f"{url}?sig=CANARY")
    assert len(host.requests) == 2
    assert "CANARY" not in str(caught.value)
