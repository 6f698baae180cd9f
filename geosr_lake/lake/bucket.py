"""A lake in a bucket of an S3-compatible object store.

Who may do what, and where the store is, stands in the environment (`AWS_ENDPOINT_URL`,
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ALLOW_HTTP`),
or with the machine's own identity; nothing of it is ever stored.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store
from pyarrow.fs import FileSystem, S3FileSystem, SubTreeFileSystem

from geosr_lake import s3_env
from geosr_lake.errors import EnvironmentProblemError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_JARS = ("org.apache.hadoop:hadoop-aws:3.4.1",)
"""Hadoop's version is that of the Hadoop client inside pyspark 4.0.5."""
SPARK_JARS_MB = 560
"""Nearly all of it is the AWS SDK, which Hadoop takes as one jar."""
OWN_SESSION = "spark.geosr.own"
"""Set in the sessions that geosr_lake makes: only those are changed later."""

_URL = re.compile(r"s3a?://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_SEGMENT = re.compile(r"[A-Za-z0-9_.=-]+")
_RETRY: Any = {"max_retries": 6, "retry_timeout": timedelta(seconds=30)}


@dataclass(frozen=True)
class Bucket:
    """A bucket and the prefix of a lake in it, without slashes at its ends; maybe empty."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> "Bucket":
        """Return the place that ``s3://bucket/prefix`` (or ``s3a://``) names.

        Raises:
            UsageError: If it is no such URL, or a part of the prefix is no plain name.
        """
        found = _URL.fullmatch(text)
        parts = (found[2] or "").strip("/").split("/") if found else []
        plain = all(_SEGMENT.fullmatch(p) and p not in {".", ".."} for p in parts if p)
        if found is None or not plain or ("" in parts and len(parts) > 1):
            raise UsageError(
                "This is no place in an object store",
                where=text[:200],
                next_step="Write s3://BUCKET/PREFIX, with letters, digits, `_`, `-`, `.` and `=`.",
            )
        return cls(found[1], "/".join(parts))

    def __str__(self) -> str:
        return self.delta_url()

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells this place from others of the same name in other stores."""
        return (s3_env.endpoint() or "", str(self))

    def key(self, *segments: str) -> str:
        """Return the name of an object of the lake in its bucket."""
        return "/".join([self.prefix, *segments] if self.prefix else segments)

    def delta_url(self, *segments: str) -> str:
        """Return the URL of a table, or of the lake, for deltalake."""
        return f"s3://{self.bucket}/{self.key(*segments)}"

    def spark_url(self, *segments: str) -> str:
        """Return the URL of a table for Spark, whose file system for S3 is called s3a."""
        return f"s3a://{self.bucket}/{self.key(*segments)}"

    def delta_options(self) -> dict[str, str]:
        """Return what deltalake must know besides the environment.

        A commit is one conditional put: of two writers of one version one is refused.
        """
        return {"aws_region": s3_env.region(), "aws_conditional_put": "etag"}

    def files(self, *segments: str) -> FileSystem:
        """Return Arrow's file system below the prefix."""
        store = S3FileSystem(endpoint_override=s3_env.endpoint(), region=s3_env.region())
        return SubTreeFileSystem(f"{self.bucket}/{self.key(*segments)}", store)

    def any_object(self, *segments: str, suffix: str = "") -> bool:
        """Tell whether an object lies below the prefix (whose name ends so)."""
        with self._said():
            pages = obstore.list(self._store(), prefix=self.key(*segments) or None, chunk_size=50)
            return any(o["path"].endswith(suffix) for page in pages for o in page)

    def remove_below(self, *segments: str) -> None:
        """Delete every object below a prefix; it is no error if there is none."""
        with self._said():
            for page in obstore.list(self._store(), prefix=self.key(*segments)):
                obstore.delete(self._store(), [o["path"] for o in page])

    def get(self, *segments: str) -> tuple[bytes, str] | None:
        """Return an object's bytes and its entity tag; None if there is none."""
        with self._said():
            try:
                found = obstore.get(self._store(), self.key(*segments))
            except FileNotFoundError:
                return None
            return bytes(found.bytes()), str(found.meta["e_tag"])

    def put(self, *segments: str, data: bytes, e_tag: str | None = None) -> bool:
        """Write an object in the place of the one with `e_tag`; with None, where there is none.

        The store compares and writes in one step.

        Returns:
            Whether it was written.
        """
        mode: Any = "create" if e_tag is None else {"e_tag": e_tag}
        with self._said():
            try:
                # One whole body: a multipart upload has no condition.
                obstore.put(
                    self._store(), self.key(*segments), data, mode=mode, use_multipart=False
                )
            except (AlreadyExistsError, PreconditionError):
                return False
            except FileNotFoundError:
                if e_tag is None:  # no bucket, not no object
                    raise
                return False
            return True

    def delete(self, *segments: str) -> None:
        """Delete an object."""
        with self._said():
            obstore.delete(self._store(), self.key(*segments))

    def connect(self, session: "SparkSession") -> None:
        """See that `session` can open the bucket.

        A session that geosr_lake made is told where the store is and who asks; one that others
        made stays as it is. The keys go into Hadoop's settings, which no command line, web page or
        file shows.

        Raises:
            EnvironmentProblemError: If Hadoop's file system for S3 is not in the session.
        """
        context: Any = session.sparkContext
        loader = context._jvm.java.lang.Thread.currentThread().getContextClassLoader()  # noqa: SLF001 - the only way to ask the JVM
        try:
            loader.loadClass("org.apache.hadoop.fs.s3a.S3AFileSystem")
        except Exception as error:  # py4j wraps ClassNotFoundException
            raise EnvironmentProblemError(
                "This Spark session was started without Hadoop's file system for S3",
                where=str(self),
                next_step="Open the lake before any other in a new process, or start Spark with "
                f"`--packages {','.join(SPARK_JARS)}` besides the other jars.",
            ) from error
        if session.conf.get(OWN_SESSION, None) != "true":
            return
        hadoop = context._jsc.hadoopConfiguration()  # noqa: SLF001 - no other way after the start
        for name, value in self._hadoop_settings().items():
            hadoop.set(f"fs.s3a.bucket.{self.bucket}.{name}", value)

    def _hadoop_settings(self) -> dict[str, str]:
        asked = {
            "endpoint.region": s3_env.region(),
            "endpoint": s3_env.endpoint(),
            "path.style.access": "true" if s3_env.endpoint() else None,
            "access.key": os.environ.get("AWS_ACCESS_KEY_ID"),
            "secret.key": os.environ.get("AWS_SECRET_ACCESS_KEY"),
            "session.token": os.environ.get("AWS_SESSION_TOKEN"),
        }
        return {name: value for name, value in asked.items() if value}

    def _store(self) -> S3Store:
        return S3Store(self.bucket, region=s3_env.region(), retry_config=_RETRY)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn what the store refuses into words, without what it was asked with."""
        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError) as error:
            raise s3_env.refused(error, str(self)) from error
