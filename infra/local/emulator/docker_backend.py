"""LocalStack as its container image, on a Docker engine. Functions run in containers too."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress

from localstack_backend import SETTINGS
from machine import HOST

# Time for LocalStack to remove its functions' containers.
ENDS_WITHIN_SECONDS = 10


class LocalStackInDocker:
    """A container of LocalStack that stops with this process; after a SIGKILL the next start removes it."""

    def __init__(self, listener: socket.socket, image: str, docker_host: str | None) -> None:
        # The port is free, and the container binds it next.
        self._port: int = listener.getsockname()[1]
        listener.close()
        self._image = image
        self._docker_host = docker_host
        self._name = f"stentor-localstack-{self._port}"

    def environment(self, port: int) -> dict[str, str]:
        """Return the environment of the docker command: the selected engine."""
        return {} if self._docker_host is None else {"DOCKER_HOST": self._docker_host}

    def serve(self, _give_up: Callable[[str], None]) -> None:
        """Run the container until it stops."""
        # A container whose emulator was killed may still hold the name and the port.
        self._docker("rm", "--force", self._name)
        settings = SETTINGS | {"LOCALSTACK_HOST": f"{HOST}:{self._port}"}
        variables = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        container = subprocess.run(
            [
                *("docker", "run", "--rm", "--pull", "never", "--name", self._name),
                *("--publish", f"{HOST}:{self._port}:4566"),
                *("--volume", "/var/run/docker.sock:/var/run/docker.sock"),
                *variables,
                self._image,
            ],
            stdin=subprocess.DEVNULL,
            stdout=2,  # the log
            check=False,
        )
        raise RuntimeError(f"the container of {self._image} ended with status {container.returncode}")

    def end(self) -> None:
        """Stop the container; LocalStack then removes those of its functions."""
        self._docker("stop", "--time", str(ENDS_WITHIN_SECONDS), self._name)
        # `docker stop` does not affect a container that is still being created.
        self._docker("rm", "--force", self._name)

    def _docker(self, *words: str) -> None:
        # An engine that does not respond must not block the exit.
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ["docker", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=2 * ENDS_WITHIN_SECONDS,
                check=False,
            )
