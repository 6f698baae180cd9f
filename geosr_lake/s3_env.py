"""Where the S3-compatible object store is, by the environment that its user set."""

import os

from geosr_lake.errors import EnvironmentProblemError

_DEFAULT_REGION = "us-east-1"


def endpoint() -> str | None:
    """Return the URL of the store; None is AWS itself."""
    return os.environ.get("AWS_ENDPOINT_URL") or None


def region() -> str:
    """Return the region, which other stores than AWS mostly do not look at."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or _DEFAULT_REGION


def refused(error: Exception, where: str) -> EnvironmentProblemError:
    """Return what a store refused in words, without what it was asked with."""
    return EnvironmentProblemError(
        f"The object store did not do what it was asked ({type(error).__name__})",
        where=f"{where} at {endpoint() or 'AWS'}",
        next_step="Check that the bucket exists, and AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY, AWS_REGION and, for a store without TLS, AWS_ALLOW_HTTP.",
    )
