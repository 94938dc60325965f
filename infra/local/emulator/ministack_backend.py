"""MiniStack, the light emulator: one Python process, ready within half a second."""

from __future__ import annotations

import asyncio
import copy
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import HOST, REGION, SERVICES


class MiniStack:
    """MiniStack in this process."""

    def __init__(self, listener: socket.socket, temporary: Path) -> None:
        self._listener = listener
        self._temporary = temporary

    def environment(self, port: int) -> dict[str, str]:
        """Return the settings of MiniStack and its functions."""
        return {
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "SERVICES": ",".join(SERVICES),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "S3_DATA_DIR": str(self._temporary / "s3"),
            "STATE_DIR": str(self._temporary / "state"),
            # There is no such socket, so MiniStack does not use a Docker engine of this machine.
            "DOCKER_HOST": "unix:///dev/null/docker.sock",
            # MiniStack passes this endpoint, the account as access key, and this region to the functions.
            "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def serve(self, _give_up: Callable[[str], None]) -> None:
        """Serve until the process ends."""
        from hypercorn.asyncio import serve as hypercorn_serve
        from hypercorn.config import Config
        from ministack.app import app

        _stream_partiql_updates()
        config = Config()
        config.bind = [f"fd://{self._listener.fileno()}"]
        config.keep_alive_timeout = 75
        config.loglevel = "WARNING"

        async def never() -> None:
            await asyncio.Event().wait()

        asyncio.run(hypercorn_serve(app, config, shutdown_trigger=never))

    def end(self) -> None:
        """Do nothing: all state is in memory, and long polls would delay a graceful shutdown."""


def _stream_partiql_updates() -> None:
    """Let a PartiQL UPDATE write its stream record.

    MiniStack 1.5.33 changes the item and writes none, so that the function would never get the outcome of a
    message. Like DynamoDB, this writes a record with both images if the item changed.
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
