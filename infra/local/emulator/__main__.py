"""Run an emulator of AWS on a loopback port. ``infra/local/emulator.sh`` installs and starts it.

    python infra/local/emulator --port 4566
    python infra/local/emulator --backend localstack --dynamodb-local FOLDER --port 0 --until-stdin-closes

When it is ready, it prints ``ready on http://127.0.0.1:PORT`` to stdout. Its log goes to stderr.

It adds to the start of each emulator:

* it listens on 127.0.0.1 only, and port 0 takes a free port without a race;
* the emulator and its functions do not get this user's AWS settings or proxies;
* SIGTERM, SIGINT or a closed stdin ends it with all processes that it started;
* its files are in ``.local/PORT/`` of the checkout, and are removed when it ends.

The emulator of a port holds the lock on ``.local/PORT/pid``. That file contains its process ID and the name
of its backend. With ``--until-stdin-closes`` the file is empty, since only the parent ends the emulator.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol, TextIO

from machine import HOST, REGION, Children, Folder, allow_many_connections, fail, listen, say, set_environment

DEFAULT_STATE = Path(__file__).resolve().parents[3] / ".local"
READY_WITHIN_SECONDS = 60.0


class Backend(Protocol):
    """An emulator of AWS."""

    def environment(self, port: int) -> dict[str, str]:
        """Return its settings as environment variables."""

    def serve(self, give_up: Callable[[str], None]) -> None:
        """Serve until the process ends; if a part of it fails, give up with a reason."""

    def end(self) -> None:
        """End processes that are not children of this process."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="emulator", description="Run an emulator of AWS on a loopback port.")
    parser.add_argument(
        "--backend",
        choices=("ministack", "localstack", "localstack-in-docker"),
        default="ministack",
        help="which emulator [ministack]",
    )
    parser.add_argument("--dynamodb-local", type=Path, help="folder of DynamoDBLocal.jar, for localstack")
    parser.add_argument("--image", help="name of the container image, for localstack-in-docker")
    parser.add_argument("--port", type=int, default=4566, help="port to listen on; 0 takes a free one [4566]")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="folder of the emulators' files [.local]")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when stdin closes: with the process that started this one"
    )
    chosen = parser.parse_args()
    if not 0 <= chosen.port <= 65535:
        parser.error(f"--port {chosen.port}: a port is a number from 0 to 65535")
    if chosen.backend == "localstack" and chosen.dynamodb_local is None:
        parser.error("--backend localstack needs --dynamodb-local")
    if chosen.backend == "localstack-in-docker" and chosen.image is None:
        parser.error("--backend localstack-in-docker needs --image")
    return chosen


def backend_of(chosen: argparse.Namespace, listener: socket.socket, folder: Folder) -> Backend:
    match chosen.backend:
        case "ministack":
            from ministack_backend import MiniStack

            return MiniStack(listener, folder.temporary)
        case "localstack":
            from localstack_backend import LocalStack

            return LocalStack(listener, folder.temporary, chosen.dynamodb_local.resolve())
        case _:
            from docker_backend import LocalStackInDocker

            return LocalStackInDocker(listener, chosen.image, os.environ.get("DOCKER_HOST"))


def serves(port: int) -> bool:
    """Return whether the slowest service to start, DynamoDB, responds."""
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_WITHIN_SECONDS)
    scope = f"Credential=test/20260101/{REGION}/dynamodb/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
    }
    try:
        connection.request("POST", "/", "{}", headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announce_when_it_serves(port: int, stdout: TextIO) -> bool:
    """Print the ready line; return false if the emulator is not ready in time."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if serves(port):
            print(f"ready on http://{HOST}:{port}", file=stdout, flush=True)
            return True
        time.sleep(0.02)
    return False


def wait_for_closed_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass


def main() -> None:
    chosen = arguments()
    listener = listen(chosen.port)
    port: int = listener.getsockname()[1]
    try:
        folder = Folder(chosen.state.resolve(), port, None if chosen.until_stdin_closes else chosen.backend)
    except OSError as error:
        fail(f"{error.filename or chosen.state / str(port)} is not to be used: {error.strerror}")
    children = Children()
    # LocalStack prints to stdout too; that output goes to the log.
    stdout, sys.stdout = sys.stdout, sys.stderr
    backend = backend_of(chosen, listener, folder)

    leaving = threading.Lock()

    def leave(status: int, reason: str | None = None) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not leaving.acquire(blocking=False):
            threading.Event().wait()  # another thread is already leaving
        if reason is not None:
            say(reason)
        try:
            backend.end()
            children.end()
            folder.remove()
        finally:
            os._exit(status)

    def give_up(reason: str) -> NoReturn:
        leave(1, reason)

    signal.signal(signal.SIGTERM, lambda *_: leave(0))
    # Ctrl-C reaches the whole terminal; the parent, which holds stdin, decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN if chosen.until_stdin_closes else lambda *_: leave(0))

    def live_by_stdin() -> None:
        wait_for_closed_stdin()
        leave(0)

    def report() -> None:
        if not announce_when_it_serves(port, stdout):
            give_up(f"{chosen.backend} does not answer on port {port}")

    set_environment(backend.environment(port), folder.temporary)
    children.watch()
    allow_many_connections()
    if chosen.until_stdin_closes:
        threading.Thread(target=live_by_stdin, daemon=True).start()
    try:
        threading.Thread(target=report, daemon=True).start()
        backend.serve(give_up)
    except BaseException as error:  # clean up after any error
        give_up(f"{chosen.backend} ended: {error!r}")
    leave(0)


if __name__ == "__main__":
    main()
