"""Where a lake lies: in a folder of this machine, or in a bucket of an object store."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pyarrow.fs import FileSystem, LocalFileSystem, SubTreeFileSystem

from geosr_lake.errors import UsageError
from geosr_lake.lake.bucket import SPARK_JARS, Bucket

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Root = Path | Bucket
"""The root of a lake."""

TABLES = "tables"
"""What a lake holds first; a folder or prefix without it is none."""


class Place(Protocol):
    """What the tables need to know of where they lie; segments are names below the root."""

    @property
    def spark_jars(self) -> tuple[str, ...]:
        """Jars that Spark needs for this place besides its own."""

    def spark_url(self, *segments: str) -> str:
        """Return the name of a table for Spark."""

    def delta_url(self, *segments: str) -> str:
        """Return the name of a table for deltalake."""

    def delta_options(self) -> dict[str, str] | None:
        """Return what deltalake must know besides."""

    def files(self, *segments: str) -> FileSystem:
        """Return Arrow's file system below there."""

    def has_version(self, *segments: str) -> bool:
        """Tell whether a first version of a table stands, not a folder for it only."""

    def remove_below(self, *segments: str) -> None:
        """Delete all that lies there; it is no error if there is nothing."""

    def is_lake(self) -> bool:
        """Tell whether a lake was made here."""

    def is_free(self) -> bool:
        """Tell whether a lake could be made here: nothing else is there."""

    def make(self) -> None:
        """Make an empty lake."""

    def connect(self, session: "SparkSession") -> None:
        """See that a Spark session can reach the place."""


class _Folder:
    spark_jars: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        self.root = root

    def spark_url(self, *segments: str) -> str:
        return str(self.root.joinpath(*segments))

    def delta_url(self, *segments: str) -> str:
        return str(self.root.joinpath(*segments))

    def delta_options(self) -> dict[str, str] | None:
        return None

    def files(self, *segments: str) -> FileSystem:
        return SubTreeFileSystem(str(self.root.joinpath(*segments).absolute()), LocalFileSystem())

    def has_version(self, *segments: str) -> bool:
        return any(self.root.joinpath(*segments, "_delta_log").glob("*.json"))

    def remove_below(self, *segments: str) -> None:
        shutil.rmtree(self.root.joinpath(*segments), ignore_errors=True)

    def is_lake(self) -> bool:
        return (self.root / TABLES).is_dir()

    def is_free(self) -> bool:
        return not self.root.exists() or (self.root.is_dir() and not any(self.root.iterdir()))

    def make(self) -> None:
        (self.root / TABLES).mkdir(parents=True, exist_ok=True)

    def connect(self, session: "SparkSession") -> None:
        pass


class _Store:
    spark_jars: tuple[str, ...] = SPARK_JARS

    def __init__(self, root: Bucket) -> None:
        self.root = root
        self.spark_url = root.spark_url
        self.delta_url = root.delta_url
        self.files = root.files
        self.remove_below = root.remove_below
        self.connect = root.connect

    def delta_options(self) -> dict[str, str] | None:
        return self.root.delta_options()

    def has_version(self, *segments: str) -> bool:
        return self.root.any_object(*segments, "_delta_log", suffix=".json")

    def is_lake(self) -> bool:
        return self.root.any_object(TABLES)

    def is_free(self) -> bool:
        return not self.root.any_object()

    def make(self) -> None:
        # A bucket has no folders: an object says that a lake begins here.
        self.root.put(TABLES, ".lake", data=b"")


def place(root: Root) -> Place:
    """Return how to reach what lies at `root`."""
    return _Store(root) if isinstance(root, Bucket) else _Folder(root)


def root_of(name: "str | Root") -> Root:
    """Return the root that a user names: a folder, or ``s3://bucket/prefix``.

    Raises:
        UsageError: If it begins like a URL but is none of an object store.
    """
    if isinstance(name, Bucket):
        return name
    if isinstance(name, str) and "://" in name:
        return Bucket.parse(name)
    return Path(name).absolute()


def folder(root: Root) -> Path:
    """Return the root of a lake on this machine, for what writes files of its own.

    Raises:
        UsageError: If the lake lies in a bucket.
    """
    if isinstance(root, Bucket):
        raise UsageError(
            "This step writes files beside the tables in a folder of this machine, and this lake "
            "is in an object store",
            where=str(root),
            next_step=f"Copy it, as with `aws s3 sync {root} DIR`, and name DIR with --lake.",
        )
    return root
