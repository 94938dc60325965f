"""Tests of functions as processes: the bootstrap's behaviour, and the results that LocalStack gets.

    python -B -m unittest discover infra/local/emulator      (with the Python of LocalStack's environment)
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("OVERRIDE_IN_DOCKER", "0")

from lambda_executor import ProcessExecutor
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException

# A bootstrap that follows the instructions in each event.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime"
def call(method, path, body=None):
    api.request(method, base + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()
if os.environ.get("INIT") == "error":
    call("POST", "/init/error", json.dumps({{"errorType": "Init", "errorMessage": "no table"}}))
    sys.exit(1)
if os.environ.get("INIT") == "crash":
    sys.exit(7)
if os.environ.get("INIT") == "hang":
    time.sleep(600)
while True:
    headers, event = call("GET", "/invocation/next")
    event = json.loads(event)
    print("got an event", flush=True)
    if event.get("crash"):
        os._exit(3)
    time.sleep(event.get("sleep", 0))
    outcome = "error" if event.get("fail") else "response"
    answer = {{"pid": os.getpid(), "length": len(event.get("text", "")), "cwd": os.getcwd(), "region": os.environ["AWS_REGION"],
              "deadline": int(headers["Lambda-Runtime-Deadline-Ms"]), "text": event.get("text", "") if event.get("echo") else ""}}
    call("POST", "/invocation/" + headers["Lambda-Runtime-Aws-Request-Id"] + "/" + outcome, json.dumps(answer))
"""


class Executors(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.code = Path(folder.name)
        bootstrap = self.code / "bootstrap"
        bootstrap.write_text(BOOTSTRAP, encoding="utf-8")
        bootstrap.chmod(0o755)

    def executor(self, timeout: int = 10) -> ProcessExecutor:
        config = SimpleNamespace(
            timeout=timeout,
            memory_size=256,
            runtime="provided.al2023",
            code=SimpleNamespace(get_unzipped_code_location=lambda: self.code, prepare_for_execution=lambda: None),
        )
        version = SimpleNamespace(config=config, id=SimpleNamespace(qualifier="$LATEST"))
        executor = ProcessExecutor("environment", version)  # type: ignore[arg-type]
        self.addCleanup(executor.stop)
        return executor

    def started(self, timeout: int = 10) -> ProcessExecutor:
        executor = self.executor(timeout)
        executor.start({"AWS_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": 256})  # type: ignore[dict-item]
        return executor

    def invoke(self, executor: ProcessExecutor, **event: Any) -> tuple[bool, Any]:
        result = executor.invoke(
            {"invoke-id": "request", "payload": json.dumps(event), "invoked-function-arn": "arn", "trace-id": "trace"}
        )
        return result.is_error, json.loads(result.payload)

    def test_the_bootstrap_runs_in_its_code_folder(self) -> None:
        executor = self.started()
        is_error, answer = self.invoke(executor, text="four")
        self.assertEqual((is_error, answer["length"], answer["region"]), (False, 4, "us-east-1"))
        self.assertEqual(Path(answer["cwd"]), self.code.resolve())
        self.assertAlmostEqual(answer["deadline"] / 1_000, time.time() + 10, delta=5)
        self.assertIn("got an event\n", executor.get_logs())
        self.assertIn("REPORT RequestId: request", executor.get_logs())

    def test_one_process_handles_events_in_sequence(self) -> None:
        executor = self.started()
        processes = {self.invoke(executor)[1]["pid"] for _ in range(20)}
        self.assertEqual(len(processes), 1)

    def test_an_error_of_the_function_is_returned_as_an_error(self) -> None:
        self.assertTrue(self.invoke(self.started(), fail=True)[0])

    def test_a_bootstrap_that_crashes_fails_its_event_and_is_replaced(self) -> None:
        executor = self.started()
        before = self.invoke(executor)[1]["pid"]
        is_error, reason = self.invoke(executor, crash=True)
        self.assertEqual((is_error, reason["errorType"]), (True, "Runtime.ExitError"))
        self.assertIn("status 3", reason["errorMessage"])
        is_error, after = self.invoke(executor)
        self.assertFalse(is_error)
        self.assertNotEqual(after["pid"], before)

    def test_a_bootstrap_that_times_out_is_killed_and_replaced(self) -> None:
        executor = self.started(timeout=1)
        before = self.invoke(executor)[1]["pid"]
        started = time.monotonic()
        is_error, reason = self.invoke(executor, sleep=60)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual((is_error, reason["errorType"]), (True, "Sandbox.Timedout"))
        self.assertIn("timed out after 1.00 seconds", reason["errorMessage"])
        self.assertRaises(ProcessLookupError, os.kill, before, 0)
        self.assertFalse(self.invoke(executor)[0])

    def test_an_init_error_has_the_message_of_the_function(self) -> None:
        with self.assertRaises(StatusErrorException) as raised:
            self.executor().start({"INIT": "error"})
        self.assertEqual(json.loads(raised.exception.payload)["errorMessage"], "no table")

    def test_a_crash_during_init_is_reported(self) -> None:
        with self.assertRaises(StatusErrorException) as raised:
            self.executor().start({"INIT": "crash"})
        self.assertIn("status 7", json.loads(raised.exception.payload)["errorMessage"])

    def test_a_bootstrap_that_is_not_executable_is_reported(self) -> None:
        (self.code / "bootstrap").chmod(0o644)
        with self.assertRaises(StatusErrorException) as raised:
            self.executor().start({})
        self.assertIn("does not start", json.loads(raised.exception.payload)["errorMessage"])

    def test_a_start_that_hangs_ends_when_it_is_stopped(self) -> None:
        executor = self.executor()
        threading.Timer(0.5, executor.stop).start()
        self.assertRaises(StatusErrorException, executor.start, {"INIT": "hang"})

    def test_stopping_ends_the_current_event(self) -> None:
        executor = self.started(timeout=60)
        threading.Timer(0.5, executor.stop).start()
        started = time.monotonic()
        is_error, reason = self.invoke(executor, sleep=60)
        self.assertEqual((is_error, reason["errorType"]), (True, "Runtime.ExitError"))
        self.assertLess(time.monotonic() - started, 10)
        self.assertTrue(self.invoke(executor)[0], "a stopped one starts no more")

    def test_a_payload_of_the_maximum_size_is_passed_in_both_directions(self) -> None:
        text = "ä" * 3_000_000
        is_error, answer = self.invoke(self.started(), text=text, echo=True)
        self.assertFalse(is_error)
        self.assertEqual(answer["text"], text)

    def test_functions_run_concurrently(self) -> None:
        executors = [self.started() for _ in range(4)]
        processes: list[int] = []
        started = time.monotonic()
        threads = [
            threading.Thread(target=lambda executor=executor: processes.append(self.invoke(executor, sleep=1)[1]["pid"]))
            for executor in executors
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(processes)), 4)
        self.assertLess(time.monotonic() - started, 3)

    def test_other_runtimes_are_rejected_by_name(self) -> None:
        version = SimpleNamespace(config=SimpleNamespace(runtime="python3.13"))
        with self.assertRaisesRegex(NotImplementedError, "python3.13"):
            ProcessExecutor.prepare_version(version)  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
