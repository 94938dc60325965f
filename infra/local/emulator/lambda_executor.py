"""Runs a function's ``bootstrap`` as a process of this machine instead of in a container.

LocalStack creates one executor for each execution environment, and invokes it with one event at a time. Each
bootstrap gets the address of a separate Runtime API, requests its events there, and posts its responses there.
A bootstrap that exits, or that exceeds the function's timeout, is replaced by a new one at the next
invocation, as in Lambda.

Sources: "Using the Lambda runtime API for custom runtimes" of the AWS Lambda Developer Guide, and
LocalStack's ``RuntimeExecutor``, whose methods these are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, NamedTuple

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

HOST = "127.0.0.1"
RUNTIME_API = "/2018-06-01/runtime"
KEPT_LOG_LINES = 1_000
# The output of a bootstrap may arrive shortly after its response.
LOG_SETTLES_SECONDS = 0.002


class Answer(NamedTuple):
    """The result of an event: the bootstrap's response, or its error."""

    body: bytes
    is_error: bool


def error_answer(kind: str, message: str) -> Answer:
    """Return Lambda's own error response, for a bootstrap that did not respond."""
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), is_error=True)


@dataclass
class Event:
    """An event for a bootstrap."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str
    answer: Future[Answer] = field(default_factory=Future)


class Instance:
    """One process of a bootstrap with its own Runtime API, from start to exit."""

    def __init__(self, code: Path, variables: dict[str, str], log: deque[str]) -> None:
        # Done when the bootstrap requests its first event; an exception if it fails before that.
        self.ready: Future[None] = Future()
        self.events: SimpleQueue[Event | None] = SimpleQueue()
        self._in_hand: Event | None = None
        self._lock = threading.Lock()
        self._ended = False
        self._log = log
        self._api = _RuntimeApi(self)
        threading.Thread(target=self._api.serve_forever, args=(0.05,), daemon=True).start()
        try:
            self._process = subprocess.Popen(
                [str(code / "bootstrap")],
                cwd=code,
                env=variables
                | {"LAMBDA_TASK_ROOT": str(code), "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{self._api.server_port}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            self._close_api()
            reason = error_answer("Runtime.InvalidEntrypoint", f"bootstrap does not start: {error.strerror}")
            raise StatusErrorException("the bootstrap does not start", payload=reason.body) from error
        assert self._process.stdout is not None
        threading.Thread(target=self._watch, args=(self._process.stdout,), daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Return whether it accepts no more events."""
        return self._ended

    def invoke(self, event: Event, timeout_seconds: float) -> Answer:
        """Invoke the bootstrap with one event, and kill it on a timeout."""
        with self._lock:
            if self._ended:
                return error_answer("Runtime.ExitError", "the runtime has ended")
            self._in_hand = event
        self.events.put(event)
        try:
            return event.answer.result(timeout_seconds)
        except TimeoutError:
            self.end()
            return error_answer(
                "Sandbox.Timedout", f"RequestId: {event.request_id} Error: Task timed out after {timeout_seconds:.2f} seconds"
            )

    def end(self) -> None:
        """Kill the bootstrap. Pending calls fail with an error."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._settle(f"Runtime exited with status {self._process.returncode}")

    def _watch(self, output: IO[str]) -> None:
        for line in output:
            self._log.append(line)
        self._settle(f"Runtime exited with status {self._process.wait()}")

    def _settle(self, how_it_ended: str) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            event = self._in_hand
        reason = error_answer("Runtime.ExitError", f"Error: {how_it_ended}")
        self.fail_start(reason.body)
        if event is not None:
            _give(event, reason)
        self.events.put(None)
        self._close_api()

    def _close_api(self) -> None:
        self._api.shutdown()
        self._api.server_close()

    # Calls of the bootstrap to its Runtime API.

    def next_event(self) -> Event | None:
        """Wait for the next event; return `None` when there are no more."""
        with suppress(InvalidStateError):
            self.ready.set_result(None)
        return self.events.get()

    def answered(self, request_id: str, answer: Answer) -> None:
        """Take the response to the current event; a response to another event is too late."""
        with self._lock:
            event, in_time = self._in_hand, self._in_hand is not None and self._in_hand.request_id == request_id
            if in_time:
                self._in_hand = None
        if event is not None and in_time:
            _give(event, answer)

    def fail_start(self, reason: bytes) -> None:
        """Take the bootstrap's reason for a failed start."""
        with suppress(InvalidStateError):
            self.ready.set_exception(StatusErrorException("the bootstrap failed to start", payload=reason))


def _give(event: Event, answer: Answer) -> None:
    with suppress(InvalidStateError):  # the first result is kept
        event.answer.set_result(answer)


class _RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        super().__init__((HOST, 0), _RuntimeApiHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the broken connection of a killed bootstrap; log all other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet

    def do_GET(self) -> None:
        if self.path != f"{RUNTIME_API}/invocation/next":
            return self._reply(404)
        event = self.server.instance.next_event()
        if event is None:
            self.close_connection = True
            return None
        return self._reply(
            200,
            event.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
                "Lambda-Runtime-Trace-Id": event.trace_id,
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        match self.path.removeprefix(f"{RUNTIME_API}/").split("/"):
            case ["init", "error"]:
                self.server.instance.fail_start(body)
            case ["invocation", request_id, "response" | "error" as outcome]:
                self.server.instance.answered(request_id, Answer(body, is_error=outcome == "error"))
            case _:
                return self._reply(404)
        return self._reply(202, b'{"status":"OK"}')

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: every event would be a line in the emulator's log."""


class ProcessExecutor(RuntimeExecutor):
    """LocalStack's executor for one execution environment of a ``provided.*`` function."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._log: deque[str] = deque(maxlen=KEPT_LOG_LINES)
        self._variables: dict[str, str] = {}
        self._instance: Instance | None = None
        self._stopped = False

    def start(self, env_vars: dict[str, str]) -> None:
        """Start a bootstrap, and wait until it requests an event."""
        self._variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8"}
        self._variables |= {name: str(value) for name, value in env_vars.items()}
        # LocalStack's start-up timer calls `stop` if this takes too long.
        self._fresh_instance().ready.result()

    def stop(self) -> None:
        """End the bootstrap and its current event."""
        self._stopped = True
        if self._instance is not None:
            self._instance.end()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Invoke the function with an event."""
        timeout: int = self.function_version.config.timeout
        request_id = payload["invoke-id"]
        started = time.monotonic()
        self._log.clear()
        self._log.append(f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n")
        answer = self._answer(
            Event(
                request_id=request_id,
                payload=payload["payload"].encode(),
                deadline_ms=int((time.time() + timeout) * 1_000),
                function_arn=payload["invoked-function-arn"],
                trace_id=payload["trace-id"],
            ),
            timeout,
        )
        time.sleep(LOG_SETTLES_SECONDS)
        took_ms = (time.monotonic() - started) * 1_000
        self._log.append(f"END RequestId: {request_id}\n")
        self._log.append(
            f"REPORT RequestId: {request_id}\tDuration: {took_ms:.2f} ms\tBilled Duration: {int(took_ms) + 1} ms\t"
            f"Memory Size: {self.function_version.config.memory_size} MB\n"
        )
        return InvocationResult(request_id, answer.body, is_error=answer.is_error, logs=self.get_logs())

    def _answer(self, event: Event, timeout_seconds: float) -> Answer:
        instance = self._instance
        if instance is None or instance.has_ended:
            try:
                instance = self._fresh_instance()
                instance.ready.result(timeout_seconds)
            except (StatusErrorException, TimeoutError) as error:
                if instance is not None:
                    instance.end()
                payload = getattr(error, "payload", None)
                return Answer(payload, True) if payload else error_answer("Sandbox.Timedout", "the bootstrap does not start")
        return instance.invoke(event, timeout_seconds)

    def _fresh_instance(self) -> Instance:
        if self._stopped:
            raise StatusErrorException("the environment is stopped", payload=error_answer("Runtime.ExitError", "stopped").body)
        code = Path(self.function_version.config.code.get_unzipped_code_location())
        self._instance = Instance(code, self._variables, self._log)
        return self._instance

    def get_logs(self) -> str:
        """Return the output since the start of the last invocation."""
        return "".join(self._log)

    def get_address(self) -> str:
        """Return the executor's address: loopback."""
        return HOST

    def get_endpoint_from_executor(self) -> str:
        """Return LocalStack's address for the function: the same loopback."""
        return HOST

    def get_runtime_endpoint(self) -> str:
        """Unused: only the init of LocalStack's containers needs it."""
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code of a function."""
        runtime = function_version.config.runtime or ""
        if not runtime.startswith("provided"):
            raise NotImplementedError(f"functions run as processes here, from a bootstrap: provided.*, not {runtime or 'an image'}")
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Do nothing: the code is removed with the version's files."""
