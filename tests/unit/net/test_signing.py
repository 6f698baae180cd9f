"""Who gets a signature. The service that makes them is not reached from tests."""

import importlib.util

import pytest

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.net.policy import ARCHIVE_HOSTS, PLANETARY_COMPUTER_HOSTS
from geosr_lake.net.signing import sign


@pytest.mark.parametrize(
    "url",
    [f"https://{host}/x.tif" for host in sorted(ARCHIVE_HOSTS - PLANETARY_COMPUTER_HOSTS)]
    + ["https://naipeuwest.blob.core.windows.net.evil.example/x.tif", "http://127.0.0.1:80/x.tif"],
)
def test_hosts_without_signatures_are_read_as_they_are(url: str) -> None:
    assert sign(url) == url


@pytest.mark.skipif(
    importlib.util.find_spec("planetary_computer") is not None,
    reason="planetary-computer is installed: it would ask its service",
)
def test_a_missing_package_is_said_in_words() -> None:
    with pytest.raises(EnvironmentProblemError, match="pip install planetary-computer"):
        sign("https://naipeuwest.blob.core.windows.net/naip/x.tif")
