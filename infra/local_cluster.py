"""A Ray cluster of several nodes on this machine, each its own raylet, for demos and rehearsals.

Boundary: starts and ends processes; no Ray API is used, so a node can be killed as a machine dies.
Invariants: every process of a node carries the node's marker in its environment and is found by it,
also what Ray leaves behind; nothing else on the machine is ever touched. The cluster is closed by a
token of its own and listens on the loopback interface.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARKER = "GLEANER_LOCAL_NODE"
START_S = 120.0
END_S = 20.0
HOST = "127.0.0.1"


class ClusterStartError(RuntimeError):
    """Ray did not start; the message ends with what it printed."""


@dataclass(slots=True)
class LocalNode:
    """One raylet with its workers; the head has the control store too."""

    marker: str
    process: subprocess.Popen[bytes]
    log: Path

    def processes(self) -> list[psutil.Process]:
        """Every live process of this node, whoever its parent is by now."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARKER) == self.marker:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def is_in_ray(self) -> bool:
        """Whether its raylet lives; `ray start` stays when a raylet ends as it was told to."""
        try:
            its = psutil.Process(self.process.pid).children()
            return any(
                one.name() == "raylet" and one.status() != psutil.STATUS_ZOMBIE for one in its
            )
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> float:
        """End it as a machine that vanishes: SIGKILL to everything, no notice.

        Gives the unix time of the first signal; whatever finds the processes takes time before it.
        """
        killed_unix_s: float | None = None
        while victims := [p for p in self.processes() if p.status() != psutil.STATUS_ZOMBIE]:
            killed_unix_s = killed_unix_s or time.time()
            for process in victims:
                _signal(process, signal.SIGKILL)
            psutil.wait_procs(victims, timeout=END_S)
        self.process.wait(END_S)
        return killed_unix_s or time.time()


@dataclass(slots=True)
class LocalCluster:
    """A head and any number of further nodes; a context manager."""

    head_cpus: int
    dashboard: bool = False
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="gleaner-ray-")))
    nodes: list[LocalNode] = field(default_factory=list)
    _port: int = 0
    dashboard_port: int = 0
    # Two nodes that start at the same moment choose the same names for Ray's sockets.
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> LocalCluster:
        self._port, self.dashboard_port, client_port = free_ports(3)
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        arguments = [
            "--head",
            f"--port={self._port}",
            f"--num-cpus={self.head_cpus}",
            f"--include-dashboard={str(self.dashboard).lower()}",
            f"--dashboard-port={self.dashboard_port}",
            f"--ray-client-server-port={client_port}",
            f"--temp-dir={self.folder}",
        ]
        try:
            self._start(arguments)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """HOST:PORT for drivers."""
        return f"{HOST}:{self._port}"

    @property
    def dashboard_url(self) -> str:
        """Where Ray's job server listens."""
        return f"http://{HOST}:{self.dashboard_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a driver of this cluster needs in its environment."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.folder / "token")}

    @property
    def head(self) -> LocalNode:
        """The node with the control store."""
        return self.nodes[0]

    def add_node(
        self,
        *,
        num_cpus: int,
        labels: Mapping[str, str] | None = None,
        resources: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> LocalNode:
        """Start a further node and wait until it has joined.

        `environment` is added to what every process of the node inherits.
        """
        arguments = [f"--address={self.address}", f"--num-cpus={num_cpus}"]
        if labels:
            arguments.append("--labels=" + ",".join(f"{k}={v}" for k, v in labels.items()))
        if resources:
            pairs = ",".join(f'"{name}": {amount}' for name, amount in resources.items())
            arguments.append("--resources={" + pairs + "}")
        return self._start(arguments, environment)

    def close(self) -> None:
        """End every node, the head last, and remove the cluster's folder."""
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> LocalNode:
        with self._starting:
            return self._start_alone(arguments, environment or {})

    def _start_alone(self, arguments: list[str], environment: Mapping[str, str]) -> LocalNode:
        marker = secrets.token_hex(8)
        log = self.folder / f"node-{marker}.log"
        [agent_port] = free_ports(1)  # by itself every node takes the same, and only one gets it
        worker_ports = worker_ports_of(self._port)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
                    f"--node-ip-address={HOST}",
                    f"--min-worker-port={worker_ports.start}",
                    f"--max-worker-port={worker_ports[-1]}",
                    f"--dashboard-agent-listen-port={agent_port}",
                    "--disable-usage-stats",
                    *arguments,
                ],
                env={
                    **os.environ,
                    **self.environment,
                    **environment,
                    MARKER: marker,
                    "PATH": _path(),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        node = LocalNode(marker, process, log)
        self.nodes.append(node)
        _wait_for_start(node)
        return node


def _path() -> str:
    """The search path with this Python's folder first, so that jobs find the same `python`."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def worker_ports_of(head_port: int) -> range:
    """A thousand ports below those that the system gives out; clusters share them rarely."""
    start = 20_000 + 1_000 * (head_port % 12)
    return range(start, start + 1_000)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now."""
    with _sockets(count) as sockets:
        return [taken.getsockname()[1] for taken in sockets]


@contextmanager
def _sockets(count: int) -> Iterator[list[socket.socket]]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        yield sockets
    finally:
        for one in sockets:
            one.close()


def _wait_for_start(node: LocalNode) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        text = node.log.read_text(errors="replace")
        if "Ray runtime started" in text:
            return
        if node.process.poll() is not None:
            break
        time.sleep(0.1)
    raise ClusterStartError("Ray did not start: " + node.log.read_text(errors="replace")[-2000:])


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
