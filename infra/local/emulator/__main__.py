"""Run an emulator of AWS on a loopback port. ``infra/local/emulator.sh`` installs and starts it.

    python infra/local/emulator --port 4566
    python infra/local/emulator --backend localstack --dynamodb-local FOLDER --port 0 --until-stdin-closes

Once it serves, one line goes to stdout: ``ready on http://127.0.0.1:PORT``. Its log goes to stderr.

What this adds to each emulator's own start:

* it listens on 127.0.0.1 only, and port 0 takes a free port without a race;
* the emulator and its functions see neither this user's AWS settings nor proxies;
* however it is asked to end - SIGTERM, SIGINT or a closed stdin - all that it started ends with it;
* its files are in ``.local/PORT/`` of the checkout, and are gone when it has ended.

Whoever holds the lock on ``.local/PORT/pid`` is the emulator of that port, and its process id stands
in that file with its backend's name. One that lives by its stdin leaves the file empty: it is for its
parent alone to end.
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
    """An emulator."""

    def environment(self, port: int) -> dict[str, str]:
        """Its settings, as environment variables."""

    def serve(self, give_up: Callable[[str], None]) -> None:
        """Serve until the process ends; where a part of it fails, give up with a reason."""

    def end(self) -> None:
        """End what is no child of this process."""


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
    """Whether it answers for what is slowest to come up: its DynamoDB."""
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
    """Say that the emulator serves; false if it does not come to it in time."""
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
    # LocalStack prints to stdout too; that belongs into the log.
    stdout, sys.stdout = sys.stdout, sys.stderr
    backend = backend_of(chosen, listener, folder)

    leaving = threading.Lock()

    def leave(status: int, reason: str | None = None) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not leaving.acquire(blocking=False):
            threading.Event().wait()  # for the one who is at it
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
    # Ctrl-C reaches the whole terminal; whoever holds our stdin decides when we end.
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
    except BaseException as error:  # whatever it is, nothing may stay behind
        give_up(f"{chosen.backend} ended: {error!r}")
    leave(0)


if __name__ == "__main__":
    main()
