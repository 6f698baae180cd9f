"""Entries of a table's log, written without an engine: data files that come and go, in one version.

For tables whose constraints deltalake cannot evaluate. The rows were checked when their files were
written (`geosr_lake.lake.datafiles`); the constraints stand in the table's configuration, where
Spark keeps to them. An entry is written where there is none, in one step: of two writers of one
version one is refused.
"""

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from deltalake import Schema

from geosr_lake import __version__
from geosr_lake.errors import LockedError
from geosr_lake.lake import ledger, tables
from geosr_lake.lake.bucket import Bucket
from geosr_lake.lake.contracts import LABEL, PROPERTIES, contract
from geosr_lake.lake.datafiles import DataFile
from geosr_lake.lake.place import Root
from geosr_lake.lake.tables import Txn, segments

CHECKPOINT_EVERY = 10
"""Versions between two checkpoints, as Delta has it."""
_PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 3}
"""Version 3: writers keep to CHECK constraints."""
_LOG = "_delta_log"


def create(root: Root, table: str) -> None:
    """Make `table` from its contract if it is not there yet, as Spark would, but not clustered."""
    if tables.exists(root, table):
        return
    terms = contract(table)
    schema = json.loads(Schema.from_arrow(ledger.arrow_schema(table)).to_json())
    comments = {column.name: column.comment for column in terms.columns}
    for field in schema["fields"]:
        field["metadata"] = {"comment": comments[field["name"]]}
    constraints = {f"delta.constraints.{n}": text for n, text in terms.constraints.items()}
    metadata = {
        "id": str(uuid4()),
        "description": terms.description,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps(schema, separators=(",", ":")),
        "partitionColumns": [],
        "configuration": {
            "delta.enableDeletionVectors": "false",
            "delta.columnMapping.mode": "none",
            LABEL: terms.label,
            **PROPERTIES,
            **constraints,
        },
        "createdTime": _now_ms(),
    }
    said = _info("CREATE TABLE", {"isManaged": "false", "description": terms.description})
    _write(root, table, 0, [said, {"protocol": _PROTOCOL}, {"metaData": metadata}])


def commit(
    root: Root,
    table: str,
    come: Sequence[DataFile],
    gone: Iterable[str] = (),
    *,
    txn: Txn | None = None,
) -> None:
    """Make one version in which data files come and go; the table is made if it is not there.

    The same transaction a second time does nothing, as with Delta: the files that came for it stay
    without a version. One writer at a time: the caller holds the stage's lock.

    Args:
        root: The lake.
        table: The table.
        come: Files in its folder.
        gone: Names of files of its newest version.
        txn: Written with them.

    Raises:
        LockedError: If another writer made a version in between.
    """
    create(root, table)
    found = ledger.open_table(root, table)
    if found is None:
        raise ValueError(f"there is no table {table}")
    seen = None if txn is None else found.transaction_version(txn.name)
    if txn is not None and seen is not None and seen >= txn.number:
        return
    now = _now_ms()
    version = int(found.version()) + 1
    leaving = list(gone)
    sizes = ledger.files_of(root, table, version - 1) if leaving else {}
    mode = "Overwrite" if leaving else "Append"
    entry = [_info("WRITE", {"mode": mode, "partitionBy": "[]"}, read=version - 1)]
    if txn is not None:
        entry.append({"txn": {"appId": txn.name, "version": txn.number, "lastUpdated": now}})
    entry += [_remove(path, sizes[path], now) for path in leaving]
    entry += [_add(file, now) for file in come]
    _write(root, table, version, entry)
    if version % CHECKPOINT_EVERY == 0:
        found.update_incremental()
        found.create_checkpoint()


def _add(file: DataFile, now: int) -> dict[str, Any]:
    about = {"path": file.path, "partitionValues": {}, "size": file.size, "modificationTime": now}
    return {"add": about | {"dataChange": True, "stats": file.stats}}


def _remove(path: str, size: int, now: int) -> dict[str, Any]:
    about = {"path": path, "deletionTimestamp": now, "dataChange": True}
    return {"remove": about | {"extendedFileMetadata": True, "partitionValues": {}, "size": size}}


def _info(operation: str, parameters: dict[str, str], read: int | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"timestamp": _now_ms(), "operation": operation}
    said |= {"operationParameters": parameters, "engineInfo": f"geosr_lake/{__version__}"}
    if read is not None:
        said |= {"readVersion": read, "isolationLevel": "Serializable", "isBlindAppend": False}
    return {"commitInfo": said}


def _now_ms() -> int:
    return time.time_ns() // 10**6


def _write(root: Root, table: str, version: int, entry: list[dict[str, Any]]) -> None:
    """Write an entry of the log where there is none of this version.

    Raises:
        LockedError: If there is one.
    """
    lines = "".join(json.dumps(action, ensure_ascii=False) + "\n" for action in entry).encode()
    name = f"{version:020}.json"
    if isinstance(root, Bucket):
        written = root.put(*segments(table), _LOG, name, data=lines)
    else:
        log = root.joinpath(*segments(table), _LOG)
        log.mkdir(parents=True, exist_ok=True)
        draft = log / f".{name}.{uuid4().hex[:8]}.tmp"
        draft.write_bytes(lines)
        # What a killed Spark may have left would be taken for the checksum of this entry.
        if not (log / name).exists():
            log.joinpath(f".{name}.crc").unlink(missing_ok=True)
        try:
            os.link(draft, log / name)  # it appears whole, and only where there is none
            written = True
        except FileExistsError:
            written = False
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    if not written:
        raise LockedError(
            f"Another writer made version {version} of {table}",
            where=str(root),
            next_step="Run the command again: it goes on where this one stopped.",
        )
