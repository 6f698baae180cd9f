"""Which hrefs may be opened. Everything here is a string that an item could hold."""

from pathlib import Path

import pytest

from geosr_lake.errors import UnsafeInputError, UsageError
from geosr_lake.net.policy import (
    ALLOW_HOSTS_VARIABLE,
    ARCHIVE_HOSTS,
    LocalFile,
    RemoteFile,
    SourcePolicy,
    without_query,
)

ALLOWED = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/a/b/B02.tif"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a b.tif").write_bytes(b"II*\x00")
    (tmp_path / "secret.tif").write_bytes(b"II*\x00")
    return folder


@pytest.mark.parametrize(
    "spelling",
    [
        "{root}/deep/a b.tif",
        "deep/a b.tif",
        "deep/x/../a b.tif",
        "file://{root}/deep/a%20b.tif",
        "file://localhost{root}/deep/a%20b.tif",
    ],
)
def test_files_below_a_root_are_opened(root: Path, spelling: str) -> None:
    located = SourcePolicy.of([root]).locate(spelling.format(root=root))
    assert located == LocalFile(root / "deep" / "a b.tif")


def test_a_relative_path_is_looked_for_below_each_root(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    (second / "x.tif").write_bytes(b"II*\x00")
    policy = SourcePolicy.of([first, second])
    assert policy.locate("x.tif") == LocalFile(second / "x.tif")
    assert policy.locate("nowhere.tif") == LocalFile(first / "nowhere.tif")


@pytest.mark.parametrize(
    "href",
    [
        "",
        "/etc/passwd",
        "../secret.tif",
        "deep/../../secret.tif",
        "file:///etc/passwd",
        "file://{root}/../secret.tif",
        "file://{root}/%2e%2e/secret.tif",
        "file://evil.example{root}/deep/x.tif",
        "file:{root}/deep/x.tif",
        "/vsicurl/https://evil.example/x.tif",
        "/vsizip/{root}/x.zip/x.tif",
        "GTIFF_RAW:{root}/deep/x.tif",
        "GTIFF_DIR:1:{root}/deep/x.tif",
        "zip+file://{root}/x.zip!x.tif",
        "ftp://sentinel-cogs.s3.us-west-2.amazonaws.com/x.tif",
        "s3://sentinel-cogs/x.tif",
        "gopher://x/",
        "javascript:alert(1)",
        "deep\\..\\..\\secret.tif",
        "{root}/deep/x.tif\x00.png",
        "{root}/deep/x.tif\n",
        "x" * 5000,
    ],
)
def test_other_places_of_the_machine_are_refused(root: Path, href: str) -> None:
    policy = SourcePolicy.of([root])
    with pytest.raises(UnsafeInputError):
        policy.locate(href.format(root=root) if "{" in href else href)


def test_a_link_out_of_the_root_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "link.tif").symlink_to(tmp_path / "secret.tif")
    (root / "folder").symlink_to(tmp_path)
    policy = SourcePolicy.of([root])
    for href in (f"{root}/link.tif", "link.tif", "folder/secret.tif"):
        with pytest.raises(UnsafeInputError, match="outside"):
            policy.locate(href)


def test_without_a_root_no_file_is_opened(root: Path) -> None:
    with pytest.raises(UnsafeInputError, match="--source-root"):
        SourcePolicy.of([]).locate(f"{root}/deep/x.tif")


def test_hosts_of_the_archives_are_opened_over_https() -> None:
    policy = SourcePolicy.of([])
    assert policy.locate(ALLOWED) == RemoteFile(ALLOWED)
    for host in ARCHIVE_HOSTS:
        assert isinstance(policy.locate(f"https://{host}/x.tif"), RemoteFile)


@pytest.mark.parametrize(
    "href",
    [
        ALLOWED.replace("https", "http"),
        ALLOWED.replace("amazonaws.com", "amazonaws.com.evil.example"),
        ALLOWED.replace("https://", "https://user@"),
        ALLOWED.replace("https://", "https://evil.example#@"),
        ALLOWED.replace("amazonaws.com", "amazonaws.com:444"),
        ALLOWED + "#fragment",
        ALLOWED + "?sig=abc",
        ALLOWED + "?se=2024&sv=1",
        ALLOWED + "?X-Amz-Signature=abc",
        "https://127.0.0.1/x.tif",
        "https://[::1]/x.tif",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x.tif",
        "https:///x.tif",
        "https://xn--sentinel-cogs.example/x.tif",
        "HTTPS://evil.example/x.tif",
        "http://2130706433/x.tif",
    ],
)
def test_other_addresses_are_refused(href: str) -> None:
    with pytest.raises(UnsafeInputError):
        SourcePolicy.of([]).locate(href)


def test_the_environment_adds_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_HOSTS_VARIABLE, " Mirror.example , 127.0.0.1:8080 ")
    policy = SourcePolicy.of([])
    assert isinstance(policy.locate("https://mirror.example/x.tif"), RemoteFile)
    assert isinstance(policy.locate("http://127.0.0.1:8080/x.tif"), RemoteFile)
    with pytest.raises(UnsafeInputError, match="https only"):
        policy.locate("http://mirror.example/x.tif")


def test_a_host_with_a_port_must_be_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_HOSTS_VARIABLE, "mirror.example:8080")
    with pytest.raises(UsageError, match="not of this machine"):
        SourcePolicy.of([])


def test_a_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        SourcePolicy.of([tmp_path / "nowhere"])


def test_a_refusal_shows_no_secret() -> None:
    for href in (f"{ALLOWED}?sig=CANARY", "https://user:CANARY@evil.example/x.tif"):
        with pytest.raises(UnsafeInputError) as caught:
            SourcePolicy.of([]).locate(href)
        assert "CANARY" not in str(caught.value)
    assert without_query("https://h/x.tif?sig=a#b") == "https://h/x.tif"
