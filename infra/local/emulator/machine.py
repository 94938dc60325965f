"""Shared parts of the emulators: files, ports, environment and the end of all processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

HOST = "127.0.0.1"
REGION = "us-east-1"
SERVICES = (
    "sqs",
    "dynamodb",
    "dynamodbstreams",
    "lambda",
    "iam",
    "sts",
    "logs",
    "cloudformation",
    "s3",
    "cloudwatch",
    "sns",
)

# Variables that the emulator and its functions inherit. All others are removed: AWS profiles and endpoints,
# proxies, and settings of the emulators.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "RUST_LOG", "RUST_BACKTRACE")

CHILD_ENDS_WITHIN_SECONDS = 2.0


class Children:
    """All processes that the emulator has started, so that none outlives it."""

    def __init__(self) -> None:
        # Reentrant: the signal handler runs on the main thread, which may hold the lock.
        self._lock = threading.RLock()
        self._running: set[subprocess.Popen[Any]] = set()
        self._closed = False

    def watch(self) -> None:
        """Record each further ``subprocess.Popen``, with which the emulators start processes."""
        children = self

        class RememberedPopen(subprocess.Popen):  # type: ignore[type-arg]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                with children._lock:
                    if children._closed:
                        raise OSError("the emulator is ending and starts no more processes")
                    super().__init__(*args, **kwargs)
                    children._running = {child for child in children._running if child.returncode is None}
                    children._running.add(self)

        subprocess.Popen = RememberedPopen  # type: ignore[misc]

    def end(self) -> None:
        """Kill the running processes, wait for their exit, and prevent new ones."""
        with self._lock:
            self._closed = True
            running = [child for child in self._running if child.poll() is None]
            for child in running:
                child.kill()
            deadline = time.monotonic() + CHILD_ENDS_WITHIN_SECONDS
            for child in running:
                try:
                    child.wait(timeout=max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass


class Folder:
    """``.local/PORT/`` of this emulator: its lock with its process id, and its temporary files."""

    def __init__(self, state: Path, port: int, announced_as: str | None) -> None:
        self.path = state / str(port)
        self.temporary = self.path / "tmp"
        self.path.mkdir(parents=True, exist_ok=True)
        self._pid_file = self.path / "pid"
        self._lock = open(self._pid_file, "a+", encoding="ascii")
        # Only this port's emulator keeps the lock; others hold it briefly, to test whether it is taken.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._lock.truncate(0)
        if announced_as is not None:
            self._lock.write(f"{os.getpid()} {announced_as}\n")
            self._lock.flush()
        # A killed emulator may have left its files here.
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()

    def remove(self) -> None:
        """Remove the files of this emulator; files of others (a log) stay."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self._pid_file.unlink(missing_ok=True)
        try:
            self.path.rmdir()
        except OSError:
            pass


def listen(port: int) -> socket.socket:
    """Return a listening socket, so that no other process can take the port before the emulator serves."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        fail(f"port {port} on {HOST} is not available ({error.strerror}): choose another with --port, or 0 for a free one")
    return listener


def set_environment(settings: dict[str, str], temporary: Path) -> None:
    """Replace the environment by that of the emulator and its functions.

    Call this before an emulator is imported: they read their settings at import.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | {"TMPDIR": str(temporary)} | settings)


def allow_many_connections() -> None:
    """Raise the limit on open files to its maximum: senders open connections in bursts."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass


def say(text: str) -> None:
    """Print a line to the log."""
    print(f"emulator: {text}", file=sys.stderr, flush=True)


def fail(reason: str) -> NoReturn:
    """Exit with a reason, before any process was started."""
    say(reason)
    sys.exit(1)
