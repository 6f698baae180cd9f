"""Signatures: made late, held in memory, never stored.

Hrefs are unsigned wherever they rest. Just before a request the URL of a Planetary Computer storage
account gets its short-lived token from the `planetary-computer` package; all other hosts are read
as they are.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from geosr_lake.net.policy import PLANETARY_COMPUTER_HOSTS

Signer = Callable[[str, bool], str]
"""Takes an unsigned URL and whether a token from memory has just been refused; returns the URL to
request."""


def sign(url: str, refused: bool = False) -> str:
    """Return `url` with what its host wants to see.

    Args:
        url: Unsigned.
        refused: A first signature was refused: tokens in memory are dropped and asked for anew.
    """
    if urlsplit(url).netloc.lower() not in PLANETARY_COMPUTER_HOSTS:
        return url
    from planetary_computer import sas

    if refused:
        sas.TOKEN_CACHE.clear()
    return str(sas.sign_url(url))
