"""What an editor shows of a job file: the real yaml-language-server reads the published schemas.

`yaml-language-server` must be on the path, or `JOBSD_YAML_LANGUAGE_SERVER` must name the program, which
`npm install yaml-language-server` puts into `node_modules/.bin`. It is told to fetch nothing.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

import pytest
from jsonschema import Draft202012Validator

from runner.spec.source import SourceFile, read_documents

ROOT = Path(__file__).parents[2]
VARIABLE = "JOBSD_YAML_LANGUAGE_SERVER"
PATIENCE = 30.0
MODELINE = "# yaml-language-server: $schema=../schemas/job.schema.json\n"
# Only what the modeline names: by default, a catalogue of schemas is fetched from the network.
SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
Message = dict[str, Any]
JOB_FILES = sorted(path.name for path in (ROOT / "jobs.d").glob("*.yaml") if path.name != "defaults.yaml")


@dataclass
class Editor:
    """An editor with one folder open, as far as a language server can tell."""

    folder: Path
    sink: IO[bytes]
    source: IO[bytes]
    kill: Callable[[], None]
    numbers: Iterator[int]

    def start(self) -> None:
        able = {"workspace": {"configuration": True}, "textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        root = {"processId": os.getpid(), "rootUri": self.folder.as_uri()}
        self.request("initialize", {**root, "capabilities": able})
        self.send({"method": "initialized", "params": {}})
        self.until(lambda message: message.get("method") == "workspace/configuration")

    def open(self, text: str) -> tuple[str, list[Message]]:
        """Open a new file of `jobs.d`: return its URI, and what the server finds wrong with it."""
        uri = (self.folder / "jobs.d" / f"{next(self.numbers)}.yaml").as_uri()
        self.send(
            {
                "method": "textDocument/didOpen",
                "params": {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
            }
        )

        def fits(message: Message) -> bool:
            return message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri

        found: list[Message] = self.until(fits)["params"]["diagnostics"]
        return uri, found

    def ask(self, method: str, uri: str, line: int, character: int) -> Any:
        """Ask about a place in an open file; lines and characters count from 0."""
        position = {"line": line, "character": character}
        return self.request(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": position})

    def request(self, method: str, params: Message) -> Any:
        number = next(self.numbers)
        self.send({"id": number, "method": method, "params": params})
        answer = self.until(lambda message: message.get("id") == number and "method" not in message)
        assert "error" not in answer, answer
        return answer["result"]

    def until(self, fits: Callable[[Message], bool]) -> Message:
        """Read on to the message that fits, and answer what the server asks on the way."""
        # A server that is silent is ended, and so is the reading.
        patience = threading.Timer(PATIENCE, self.kill)
        patience.start()
        try:
            while True:
                message = self.read()
                if "method" in message and "id" in message:
                    self.send({"id": message["id"], "result": self.answer(message)})
                if fits(message):
                    return message
        finally:
            patience.cancel()
            patience.join()

    @staticmethod
    def answer(message: Message) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        return [SETTINGS.get(item["section"], {}) for item in message["params"]["items"]]

    def send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.sink.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.sink.flush()

    def read(self) -> Message:
        length = 0
        while line := self.source.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, f"the language server has ended, or was ended as it did not answer within {PATIENCE} s"
        found: Message = json.loads(self.source.read(length))
        return found


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """An editor beside a copy of the schemas; it is open as long as the tests of this file run."""
    program = shutil.which(os.environ.get(VARIABLE, "yaml-language-server"))
    if program is None:
        pytest.skip(f"needs yaml-language-server: `npm install yaml-language-server`, and name it in {VARIABLE}")
    folder = tmp_path_factory.mktemp("editor")
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    (folder / "jobs.d").mkdir()
    command = [program, "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            made = Editor(folder, process.stdin, process.stdout, process.kill, count(1))
            made.start()
            yield made
        finally:
            process.kill()


def test_completion_offers_the_modes(editor):
    uri, _ = editor.open(MODELINE + "name: A\nmode: \n")
    offered = editor.ask("completion", uri, 2, len("mode: "))
    assert [item["label"] for item in offered["items"]] == ["manual", "cron", "push"]


def test_completion_offers_the_fields_that_are_not_there_yet(editor):
    uri, _ = editor.open(MODELINE + "name: A\nmode: manual\n")
    offered = editor.ask("completion", uri, 3, 0)
    fields = json.loads((ROOT / "schemas" / "job.schema.json").read_text())["properties"]
    labels = {item["label"] for item in offered["items"]}
    assert {"agent", "timeout", "catch_up", "labels"} <= labels <= fields.keys() - {"name", "mode"}


def test_hovering_over_a_field_tells_what_it_is_for(editor):
    uri, _ = editor.open(MODELINE + "name: A\nmode: manual\ncatch_up:\n  policy: latest\n")
    field = editor.ask("hover", uri, 3, 2)["contents"]["value"]
    assert "What happens to slots that nobody could run, as the runner was down or the machine asleep." in field
    inner = editor.ask("hover", uri, 4, 4)["contents"]["value"]
    assert "Which of them run afterwards" in inner


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("name: A\nmode: manual\ntimout: 5m\n", 3, "timout"),
        ("name: A\nmode: cronn\n", 2, '"cron"'),
        ("name: A\nmode: manual\ncatch_up:\n  policy: some\n", 4, '"latest"'),
    ],
)
def test_a_mistake_is_an_error_at_its_line(editor, text, line, told):
    _, (found,) = editor.open(MODELINE + text)
    assert (found["severity"], found["range"]["start"]["line"]) == (1, line)
    assert told in found["message"]


def test_nothing_is_wrong_with_the_samples(editor):
    for name in JOB_FILES:
        text = (ROOT / "jobs.d" / name).read_text()
        assert text.startswith(MODELINE), name
        assert editor.open(text)[1] == [], name


def shapes_refused(place) -> set[str]:
    """The files with a document that the published schemas refuse."""
    schemas = {
        kind: Draft202012Validator(json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text()))
        for kind in ("job", "agent", "defaults")
    }
    return {
        path.relative_to(place.root).as_posix()
        for path in place.jobs.rglob("*.yaml")
        for document in read_documents(SourceFile(path.name, path.read_bytes()))[0]
        if not schemas[document.data.get("kind", "job")].is_valid(document.data)
    }


def test_the_published_schemas_and_validate_say_the_same_of_the_samples(samples):
    assert samples.jobsd("validate", "--format", "json").json == []
    assert shapes_refused(samples) == set()

    files = {path.relative_to(samples.root).as_posix(): path for path in samples.jobs.rglob("*.yaml")}
    for path in files.values():
        path.write_text(path.read_text() + "colour: red\n")
    told = samples.jobsd("validate", "--format", "json").json
    assert {each["path"] for each in told if each["rule"] == "unknown-field"} == files.keys()
    assert shapes_refused(samples) == files.keys()
