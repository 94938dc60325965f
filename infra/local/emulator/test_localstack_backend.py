"""Tests of LocalStack as a process of this machine: its listening addresses, and the end of all processes.

    python -B -m unittest discover infra/local/emulator      (with the Python of LocalStack's environment)

LocalStack is installed on first use.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "emulator.sh"
JAVA_THAT_DIES = """#!/bin/sh
[ "$1" != -version ] || { echo 'openjdk version "17.0.1"'; exit; }
echo 'Could not reserve enough space for object heap'
exit 1
"""
LISTENING = "0A"
LOOPBACK = "0100007F"


def processes_of(session: int) -> list[int]:
    """Return the processes of a session: an emulator's, and all that it started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def listening_addresses(processes: list[int]) -> set[str]:
    """Return the addresses on which the processes listen in their network, in the format of /proc."""
    addresses = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                addresses[f"socket:[{fields[9]}]"] = fields[1].split(":")[0]
    sockets = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(os.readlink(descriptor))
            except OSError:
                continue
    return {address for held, address in addresses.items() if held in sockets}


class LocalStackHere(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"

    def start(self, *before: str, path: str | None = None) -> subprocess.Popen[str]:
        """Start an emulator in a new session; ``before`` is a command that executes it."""
        with open(self.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [
                    *(*before, str(SCRIPT), "--backend", "localstack", "--no-docker"),
                    *("--port", "0", "--state", str(self.folder)),
                ],
                env=os.environ | ({} if path is None else {"PATH": path}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("ready on http://127.0.0.1:"), self.log.read_text(encoding="utf-8"))

    def assert_nothing_stays(self, session: int) -> None:
        deadline = time.monotonic() + 10
        while processes_of(session):
            self.assertLess(time.monotonic(), deadline, processes_of(session))
            time.sleep(0.05)

    def test_it_listens_on_loopback_only_and_ends_with_all_its_processes(self) -> None:
        process = self.start()
        self.ready(process)
        running = processes_of(process.pid)
        self.assertGreaterEqual(len(running), 2, "DynamoDB Local is not running")
        self.assertEqual(listening_addresses(running), {LOOPBACK})
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)
        self.assert_nothing_stays(process.pid)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["log"])

    def test_it_listens_on_loopback_only_without_root(self) -> None:
        process = self.start("unshare", "--user", "--map-user=1000", "--map-group=1000")
        self.ready(process)
        self.assertEqual(listening_addresses(processes_of(process.pid)), {LOOPBACK})
        self.assertNotIn("warning: DynamoDB Local", self.log.read_text(encoding="utf-8"))

    def test_it_warns_and_runs_without_a_network_namespace(self) -> None:
        forbid = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
        process = self.start("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
        self.ready(process)
        log = self.log.read_text(encoding="utf-8")
        self.assertEqual(log.count("warning: DynamoDB Local listens on every interface"), 1, log)

    def test_a_killed_emulator_leaves_no_processes(self) -> None:
        process = self.start()
        self.ready(process)
        process.kill()
        process.wait()
        self.assert_nothing_stays(process.pid)

    def test_it_exits_with_a_reason_if_dynamodb_local_exits(self) -> None:
        java = self.folder / "java"
        java.write_text(JAVA_THAT_DIES, encoding="utf-8")
        java.chmod(0o755)
        process = self.start(path=f"{self.folder}:{os.environ['PATH']}")
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.wait(60), 1)
        log = self.log.read_text(encoding="utf-8")
        self.assertIn("DynamoDB Local ended with status 1", log.splitlines()[-1])
        self.assertIn("Could not reserve enough space", log)
        self.assert_nothing_stays(process.pid)


if __name__ == "__main__":
    unittest.main()
