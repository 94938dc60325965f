"""Run MiniStack, the local stand-in for AWS, on a loopback port.

    python emulator.py --port 4566
    python emulator.py --port 0 --until-stdin-closes

Once it serves, one line goes to stdout: ``ready on http://127.0.0.1:PORT``. Its log goes to stderr.

What this adds to the plain ``ministack`` command:

* it listens on 127.0.0.1 only, and port 0 takes a free port without a race;
* a PartiQL UPDATE writes its stream record, as DynamoDB does (MiniStack 1.5.33 forgets it);
* the functions it starts see neither this user's AWS settings nor proxies, and reach this emulator;
* however it is asked to end - SIGTERM, SIGINT or a closed stdin - the functions end with it;
* its files are in ``.local/PORT/`` of the checkout, and are gone when it has ended.

Whoever holds the lock on ``.local/PORT/pid`` is the emulator of that port, and its process id stands
in that file. One that lives by its stdin leaves the file empty: it is for its parent alone to end.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

HOST = "127.0.0.1"
REGION = "us-east-1"
SERVICES = "sqs,dynamodb,dynamodbstreams,lambda,iam,sts,logs,cloudformation,s3,cloudwatch"
DEFAULT_STATE = Path(__file__).resolve().parents[2] / ".local"

# What of the caller's environment reaches the emulator, and through it the functions. The rest
# stays out: AWS profiles and endpoints, proxies, and the settings MiniStack would take from it.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "RUST_LOG", "RUST_BACKTRACE")

HEALTH_PATH = "/_ministack/health"
READY_WITHIN_SECONDS = 60.0
CHILD_ENDS_WITHIN_SECONDS = 2.0


class Children:
    """Every process that the emulator has started, so that none outlives it."""

    def __init__(self) -> None:
        # Reentrant: the signal handler runs on the main thread, which may hold it.
        self._lock = threading.RLock()
        self._running: set[subprocess.Popen[Any]] = set()
        self._closed = False

    def watch(self) -> None:
        """From now on remember each ``subprocess.Popen``; MiniStack starts functions by it."""
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
        """Kill those still running, wait until they are gone, and let no new one start."""
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

    def __init__(self, state: Path, port: int, announce: bool) -> None:
        self.path = state / str(port)
        self.temporary = self.path / "tmp"
        self.path.mkdir(parents=True, exist_ok=True)
        self._pid_file = self.path / "pid"
        self._lock = open(self._pid_file, "a+", encoding="ascii")
        # Only this port's emulator keeps it; others hold it for an instant, to see whether it is taken.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._lock.truncate(0)
        if announce:
            self._lock.write(f"{os.getpid()}\n")
            self._lock.flush()
        # One that was killed may have left its files here.
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()

    def remove(self) -> None:
        """Remove what this emulator made; what others put beside it (a log) stays."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self._pid_file.unlink(missing_ok=True)
        try:
            self.path.rmdir()
        except OSError:
            pass


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run MiniStack, the local stand-in for AWS, on a loopback port.")
    parser.add_argument("--port", type=int, default=4566, help="port to listen on; 0 takes a free one [4566]")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="folder of the emulators' files [.local]")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when stdin closes: with the process that started this one"
    )
    chosen = parser.parse_args()
    if not 0 <= chosen.port <= 65535:
        parser.error(f"--port {chosen.port}: a port is a number from 0 to 65535")
    return chosen


def listen(port: int) -> socket.socket:
    """A socket that already listens, so that nobody else can take the port in between."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        fail(f"port {port} on {HOST} is not to be had ({error.strerror}): choose another with --port, or 0 for a free one")
    return listener


def set_environment(port: int, temporary: Path) -> None:
    """Replace the environment by the one MiniStack and its functions are to see.

    To be called before MiniStack is imported: it reads its settings at import.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        GATEWAY_PORT=str(port),
        MINISTACK_HOST=HOST,
        MINISTACK_REGION=REGION,
        SERVICES=SERVICES,
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        TMPDIR=str(temporary),
        S3_DATA_DIR=str(temporary / "s3"),
        STATE_DIR=str(temporary / "state"),
        # No socket is there: MiniStack then leaves a Docker engine of this machine alone.
        DOCKER_HOST=f"unix://{temporary / 'no-docker'}",
        # The functions get this endpoint, the account as access key, and this region.
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


def stream_partiql_updates() -> None:
    """Let a PartiQL UPDATE write its stream record.

    MiniStack 1.5.33 changes the item and writes none, so that the function would never hear of a
    concluded message. Like DynamoDB, this writes one with both images where the item changed.
    """
    from ministack.services import dynamodb

    original = dynamodb._partiql_update

    def update_and_emit(table: dict[str, Any], parsed: dict[str, Any], data: dict[str, Any] | None = None) -> Any:
        partition, sort, _, error = dynamodb._partiql_key_target(table, parsed)

        def item() -> dict[str, Any] | None:
            return copy.deepcopy(table["items"].get(partition, {}).get(sort))

        before = None if error else item()
        answer = original(table, parsed, data)
        if before is not None:
            after = item()
            if after is not None and after != before:
                dynamodb._emit_stream_event(table["TableName"], "MODIFY", before, after)
        return answer

    dynamodb._partiql_update = update_and_emit


def allow_many_connections() -> None:
    """Raise the limit on open files as far as it goes: senders open connections in bursts."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announce_when_healthy(port: int) -> bool:
    """Say on stdout that the emulator serves; false if it does not come to it in time."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if healthy(port):
            print(f"ready on http://{HOST}:{port}", flush=True)
            return True
        time.sleep(0.02)
    return False


def wait_for_closed_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass


def serve(listener: socket.socket) -> None:
    """Serve until the process ends."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"

    async def never() -> None:
        await asyncio.Event().wait()

    asyncio.run(hypercorn_serve(app, config, shutdown_trigger=never))


def fail(reason: str) -> NoReturn:
    print(f"emulator.py: {reason}", file=sys.stderr, flush=True)
    sys.exit(1)


def main() -> None:
    chosen = arguments()
    listener = listen(chosen.port)
    port: int = listener.getsockname()[1]
    try:
        folder = Folder(chosen.state.resolve(), port, announce=not chosen.until_stdin_closes)
    except OSError as error:
        fail(f"{error.filename or chosen.state / str(port)} is not to be used: {error.strerror}")
    children = Children()

    def leave(status: int) -> NoReturn:
        # Nothing here is worth a graceful end: all state is in memory, and long polls would delay it.
        children.end()
        folder.remove()
        os._exit(status)

    signal.signal(signal.SIGTERM, lambda *_: leave(0))
    # Ctrl-C reaches the whole terminal; whoever holds our stdin decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN if chosen.until_stdin_closes else lambda *_: leave(0))

    def live_by_stdin() -> None:
        wait_for_closed_stdin()
        leave(0)

    def report() -> None:
        if not announce_when_healthy(port):
            print(f"emulator.py: MiniStack does not answer on port {port}", file=sys.stderr, flush=True)
            leave(1)

    set_environment(port, folder.temporary)
    children.watch()
    allow_many_connections()
    if chosen.until_stdin_closes:
        threading.Thread(target=live_by_stdin, daemon=True).start()
    try:
        stream_partiql_updates()
        threading.Thread(target=report, daemon=True).start()
        serve(listener)
    except BaseException as error:  # whatever it is, nothing may stay behind
        print(f"emulator.py: MiniStack ended: {error!r}", file=sys.stderr, flush=True)
        leave(1)
    leave(0)


if __name__ == "__main__":
    main()
