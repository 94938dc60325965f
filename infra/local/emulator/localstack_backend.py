"""LocalStack 4.14.0 in this process, without Docker.

SQS, DynamoDB, Streams, CloudFormation, IAM and the Lambda control plane are unmodified. Three parts expect a
container, and are replaced:

* its web server, which binds every interface: here it serves sockets that already listen on loopback;
* the start of DynamoDB Local, which would be downloaded: here it is the one ``emulator.sh`` installed;
* the executor of functions, which would start containers: here it is ``lambda_executor``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import network_namespace
from machine import HOST, SERVICES, listen, say

# Settings of LocalStack both in a container and in this process.
SETTINGS = {
    # A table that is encrypted with DynamoDB's own key needs it.
    "SERVICES": ",".join((*SERVICES, "kms")),
    "PROVIDER_OVERRIDE_DYNAMODB": "v2",
    "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "v2",
    "DYNAMODB_IN_MEMORY": "1",
    "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
    "SQS_ENDPOINT_STRATEGY": "path",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DISABLE_EVENTS": "1",
}


class LocalStack:
    """LocalStack in this process, in a network namespace if the system allows one."""

    def __init__(self, listener: socket.socket, temporary: Path, dynamodb_local: Path) -> None:
        self._listeners = [listener]
        self._temporary = temporary
        self._dynamodb_local = dynamodb_local
        self._enter_own_network(listener.getsockname()[1])

    def _enter_own_network(self, port: int) -> None:
        try:
            network_namespace.enter()
        except OSError as error:
            say(
                "warning: DynamoDB Local listens on every interface of this machine, because a network "
                f"namespace cannot be created ({error.strerror})"
            )
        else:
            # The functions and LocalStack run in the namespace, and call the same address.
            self._listeners.append(listen(port))

    def environment(self, port: int) -> dict[str, str]:
        """Return LocalStack's settings."""
        return SETTINGS | {
            "LOCALSTACK_HOST": f"{HOST}:{port}",
            "GATEWAY_LISTEN": f"{HOST}:{port}",
            # LocalStack mistakes a virtual machine for a container, and would write to /var/lib.
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(self._temporary),
            "DNS_ADDRESS": "0",
        }

    def serve(self, give_up: Callable[[str], None]) -> None:
        """Serve until the process ends."""
        self._replace_web_server()
        self._replace_start_of_dynamodb_local(give_up)
        _replace_executor()
        # As in LocalStack's `main`, but with the signal handlers of this program.
        from localstack.logging.setup import setup_logging_from_config
        from localstack.runtime import current

        setup_logging_from_config()
        current.initialize_runtime().run()

    def end(self) -> None:
        """Do nothing: all state is in memory."""

    def _replace_web_server(self) -> None:
        from localstack.runtime.server.twisted import TwistedRuntimeServer
        from rolo.serving.twisted import TwistedGateway
        from twisted.internet import reactor

        def register(server: Any, gateway: Any, listen: Any, ssl_creds: Any = None) -> None:
            site = TwistedGateway(gateway)
            for listener in self._listeners:
                listener.setblocking(False)
                reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, site)

        TwistedRuntimeServer.register = register

    def _replace_start_of_dynamodb_local(self, give_up: Callable[[str], None]) -> None:
        from localstack.services.dynamodb.server import DynamodbServer
        from localstack.utils.threads import FuncThread, start_thread

        def run(command: list[str]) -> None:
            # All tables are in its memory, so the emulator cannot continue without it.
            # It writes into its working folder. Its output goes to the log.
            ended = subprocess.run(
                command,
                cwd=self._temporary,
                env=os.environ | {"DDB_LOCAL_TELEMETRY": "0"},
                stdin=subprocess.DEVNULL,
                stdout=2,
                check=False,
            )
            give_up(f"DynamoDB Local ended with status {ended.returncode}")

        def start(server: Any) -> FuncThread:
            return start_thread(run, self._dynamodb_command(server.port, server.heap_size), name="dynamodb-local")

        DynamodbServer.do_start_thread = start

    def _dynamodb_command(self, port: int, heap_size: str) -> list[str]:
        command = [
            "java",
            f"-Xmx{heap_size}",
            f"-Djava.library.path={self._dynamodb_local / 'DynamoDBLocal_lib'}",
            "-jar",
            str(self._dynamodb_local / "DynamoDBLocal.jar"),
            "-port",
            str(port),
            "-inMemory",
        ]
        # After a SIGKILL this process cannot end it. The functions exit by themselves, since their
        # Runtime API is gone.
        return ["setpriv", "--pdeathsig", "KILL", "--", *command] if shutil.which("setpriv") else command


def _replace_executor() -> None:
    from lambda_executor import ProcessExecutor
    from localstack.services.lambda_.invocation.plugins import DockerRuntimeExecutorPlugin

    DockerRuntimeExecutorPlugin.load = lambda *_args, **_kwargs: ProcessExecutor
