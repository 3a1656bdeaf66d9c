"""Commands that only ask a running runner load nothing that takes longer than its answer."""

import json
import socketserver
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler

import pytest

HEAVY = [
    "asyncio",
    "croniter",
    "fastapi",
    "httpx",
    "lark",
    "pydantic",
    "rich.console",
    "structlog",
    "ulid",
    "yaml",
]

REPORT = """
import json, sys
from runner.cli.main import main
try:
    main(json.loads(sys.argv[1]))
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""

AT = "2026-03-02T08:00:00.000Z"
PLACE = {"path": "jobs.d/a.yaml", "line": 1, "sha256": "ab"}
JOB = {
    "id": "a",
    "name": "A",
    "description": "",
    "agent": "robot",
    "mode": "cron",
    "enabled": True,
    "live": True,
    "definition": PLACE,
    "next_run": AT,
    "timezone": "UTC",
    "prompt": "",
    "settings": {},
}
EXECUTION = {
    "v": 1,
    "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "job": "a",
    "name": "A",
    "agent": "robot",
    "mode": "cron",
    "trigger": "manual",
    "status": "completed",
    "at": AT,
    "created_at": AT,
    "definition": PLACE,
}
ANSWERS = {
    "/v1/status": {"live": True, "version": "1", "jobs_dir": "jobs.d", "state_dir": ".jobsd", "jobs": 1},
    "/v1/jobs": [JOB],
    "/v1/jobs/a": JOB,
    "/v1/jobs/a/cancel": [EXECUTION],
    "/v1/jobs/a/disable": JOB,
    "/v1/jobs/a/enable": JOB,
    "/v1/jobs/a/run": EXECUTION,
    "/v1/executions": [EXECUTION],
    f"/v1/executions/{EXECUTION['id']}/rerun": EXECUTION,
    f"/v1/executions/{EXECUTION['id']}/cancel": EXECUTION,
    f"/v1/executions/{EXECUTION['id']}/output": "said",
    "/v1/agents": [{"id": "robot", "name": "Robot", "description": "", "type": "command"}],
    "/v1/next": [],
}


class Runner(BaseHTTPRequestHandler):
    """Gives the answers above."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps(ANSWERS[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_) -> None:
        """Say nothing."""


@pytest.fixture
def place(tmp_path):
    """Where such a runner is up."""
    (tmp_path / ".jobsd").mkdir()
    with socketserver.UnixStreamServer(str(tmp_path / ".jobsd" / "jobsd.sock"), Runner) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield tmp_path
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "command",
    [
        "--version",
        "status",
        "list",
        "agents",
        "next a",
        "history a -n 5",
        "history --format json",
        "logs a",
        "run a --payload 1",
        "rerun 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "cancel 01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "cancel --job a",
        "disable a --for 2h",
        "enable a",
    ],
)
def test_a_light_command_loads_nothing_heavy(place, command) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPORT, json.dumps(command.split())],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert set(json.loads(done.stderr.splitlines()[-1])) & set(HEAVY) == set()
