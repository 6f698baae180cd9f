"""Signatures: made late, held in memory, never stored.

Hrefs are unsigned wherever they rest. Just before a request the URL of a Planetary Computer storage
account gets its short-lived token from the optional `planetary-computer` package; all other hosts
are read as they are. The tokens' service cannot be reached from a test machine, so what is tested
here is the decision who gets a token, not the service.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.net.policy import PLANETARY_COMPUTER_HOSTS

Signer = Callable[[str, bool], str]
"""Takes an unsigned URL and whether a token from memory has just been refused; returns the URL to
request."""


def sign(url: str, refused: bool = False) -> str:
    """Return `url` with what its host wants to see.

    Args:
        url: Unsigned.
        refused: A first signature was refused: tokens in memory are dropped and asked for anew.

    Raises:
        EnvironmentProblemError: If the host needs a signature and the package that makes it is
            not installed.
    """
    if urlsplit(url).netloc.lower() not in PLANETARY_COMPUTER_HOSTS:
        return url
    try:
        from planetary_computer import sas
    except ModuleNotFoundError as error:
        raise EnvironmentProblemError(
            "This archive signs its reads and the package planetary-computer is not installed",
            next_step="Run `pip install planetary-computer`.",
        ) from error
    if refused:
        sas.TOKEN_CACHE.clear()
    return str(sas.sign_url(url))
