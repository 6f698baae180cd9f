"""A lake served on loopback: Spark Connect, and Thrift for JDBC, over views of pinned versions.

Both servers run inside one Spark application, so its catalog in memory holds the views for all
sessions, and nothing is left on disk when it ends.
"""

import contextlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import psutil
from py4j.protocol import Py4JError

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.lake.contracts import contracts
from geosr_lake.lake.opened import select
from geosr_lake.lake.place import Root, place
from geosr_lake.lake.session import JARS, ivy_dir, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOPBACK = "127.0.0.1"
CONNECT_PORT = 15002
THRIFT_PORT = 10000
OWN_PORTS = range(20_000, 32_000)
"""Below those that Linux (from 32,768) and others give out by themselves."""
LISTENS_S = 20.0
"""How long the Thrift server may take until it listens."""


@dataclass(frozen=True)
class Served:
    """Where the servers listen.

    Attributes:
        connect: For ``SparkSession.builder.remote``.
        jdbc: For tools that speak JDBC with Hive's driver; None where Thrift was not asked for.
        commit_versions: The Delta version of every view.
    """

    connect: str
    jdbc: str | None
    commit_versions: dict[str, int]


def free_port(port: int, option: str) -> int:
    """Return `port`, or any free one for 0: none that the system gives out for a while.

    Spark takes some of those until the server listens, and would take this one too.

    Raises:
        EnvironmentProblemError: If something listens there already.
    """
    if port == 0:
        for one in random.sample(OWN_PORTS, 100):
            with contextlib.suppress(OSError):
                return _probed(one)
    try:
        return _probed(port)
    except OSError as error:
        raise EnvironmentProblemError(
            f"Port {port} of {LOOPBACK} cannot be used: {error.strerror}",
            next_step=f"Name another with {option}; 0 takes any free one.",
        ) from error


def _probed(port: int) -> int:
    """Return a port that can be listened at now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    root: Root,
    versions: dict[str, int],
    *,
    port: int,
    thrift_port: int | None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Served]:
    """Serve the lake at `root` for the length of the block.

    Args:
        root: The lake.
        versions: The version of every table that exists.
        port: Of Spark Connect; 0: any free one.
        thrift_port: Of the Thrift server; 0: any free one; None: none is started.
        tell: Receives sentences for the user.

    Raises:
        EnvironmentProblemError: If a port is taken, or Spark does not start.
    """
    port = free_port(port, "--port")
    settings = {
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(port),
    }
    if thrift_port is not None:
        thrift_port = free_port(thrift_port, "--thrift-port")
        settings |= {
            "spark.hadoop.hive.server2.thrift.bind.host": LOOPBACK,
            "spark.hadoop.hive.server2.thrift.port": str(thrift_port),
            # Its sessions see the classes that the JVM began with, not those of the packages.
            "spark.driver.extraClassPath": _class_path(),
        }
    at = place(root)
    # Hive's server asks the environment first, then the settings.
    hive = {"HIVE_SERVER2_THRIFT_BIND_HOST": LOOPBACK, "HIVE_SERVER2_THRIFT_PORT": thrift_port}
    with _environment({} if thrift_port is None else {k: str(v) for k, v in hive.items()}):
        session = spark_session(tell=tell, more_jars=at.spark_jars, extra=settings)
    try:
        at.connect(session)
        _make_views(session, at.spark_url(), versions)
        jdbc = None
        if thrift_port is not None:
            _start_thrift(session)
            check_loopback(thrift_port)
            jdbc = f"jdbc:hive2://{LOOPBACK}:{thrift_port}/default"
        yield Served(f"sc://{LOOPBACK}:{port}", jdbc, versions)
    finally:
        # Who ends a whole group of processes has ended the JVM already.
        with contextlib.suppress(OSError, Py4JError):
            session.stop()


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Hold variables of the environment at values for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def check_loopback(port: int) -> None:
    """Check that who listens at a port, of this process and those it started, does so on loopback.

    Spark's own scripts can set the variables again (`conf/spark-env.sh`).

    Raises:
        EnvironmentProblemError: If it listens to other machines, or nobody listens there soon.
    """
    deadline = time.monotonic() + LISTENS_S
    while not (found := _listening(port)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if not found or not all(is_loopback(one) for one in found):
        where = ", ".join(sorted(found)) or "another port"
        raise EnvironmentProblemError(
            f"The server listens on {where}, not on {LOOPBACK} at port {port} alone: it is stopped",
            next_step="Take HIVE_SERVER2_THRIFT_BIND_HOST and _PORT out of conf/spark-env.sh.",
        )


def _listening(port: int) -> set[str]:
    """Return the addresses at which this process and those it started listen at a port."""
    me = psutil.Process()
    return {
        connection.laddr.ip
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def is_loopback(address: str) -> bool:
    """Tell whether an address is this machine's own, in either version of IP."""
    one = ip_address(address)
    mapped = one.ipv4_mapped if isinstance(one, IPv6Address) else None
    return (mapped or one).is_loopback


def _class_path() -> str:
    """Return the jars of Delta and Sedona alone: others that they bring stand against Spark's.

    Of our versions: the folder may be Spark's own, where jars of other sessions lie too.
    """
    ours = [jar.split(":") for jar in JARS]
    found = [
        str(path)
        for path in sorted((ivy_dir() / "jars").glob("*.jar"))
        if any(
            path.name.startswith(f"{group}_") and path.name.endswith(f"-{version}.jar")
            for group, _, version in ours
        )
    ]
    if not found:
        raise EnvironmentProblemError(
            "The jars of Delta and Sedona have not been downloaded",
            where=str(ivy_dir()),
            next_step="Run `geosr doctor` once.",
        )
    return ":".join(found)


def _make_views(session: "SparkSession", root: str, versions: dict[str, int]) -> None:
    """Make every table a permanent view of the application's catalog."""
    for table in contracts():
        query = select(session, root, table, versions.get(table))
        session.sql(f"CREATE VIEW `{table}` AS {query}")


def _start_thrift(session: "SparkSession") -> None:
    jvm = session.sparkContext._jvm  # noqa: SLF001 - the server has no Python
    if jvm is None:
        raise EnvironmentProblemError("This Spark has no JVM at hand")
    server = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
    server.startWithContext(session._jsparkSession.sqlContext())  # noqa: SLF001
