"""`plait lsp` as editors use it: a process that speaks JSON-RPC."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

URI = "file:///work/net%20one.ir"
TEXT = """ir 1
const @"ü😀" : f32[4] = [1, 2, 3, 4]
net @main(%x: f32[4]) -> (%y: f32[4]) {
  %a = add(%x, @"ü😀") {act = relu}
  %y = rely(%a)
}
"""
PATIENCE = 60.0


class Client:
    """Enough of an editor: requests wait for their answer, notifications are kept."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self.reader, self.writer = reader, writer
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.notes: queue.Queue[dict[str, Any]] = queue.Queue()
        self.number = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # the test is over, and the stream closed
            self._read()

    def _read(self) -> None:
        while header := self.reader.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = self.reader.readline()
            message = json.loads(self.reader.read(length))
            (self.notes if "method" in message else self.answers).put(message)

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.writer.flush()

    def notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole answer."""
        self.number += 1
        self._send({"id": self.number, "method": method, "params": params})
        answer = self.answers.get(timeout=PATIENCE)
        assert answer["id"] == self.number
        return answer

    def ask(self, method: str, line: int = 0, character: int = 0, **params: Any) -> Any:
        """The result of a question about a place."""
        place = {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}
        answer = self.request(f"textDocument/{method}", **place, **params)
        assert "error" not in answer, answer
        return answer["result"]

    def diagnostics(self) -> list[dict[str, Any]]:
        """The next ones that are published."""
        while True:
            note = self.notes.get(timeout=PATIENCE)
            if note["method"] == "textDocument/publishDiagnostics":
                found: list[dict[str, Any]] = note["params"]["diagnostics"]
                return found

    def open(self, encodings: list[str] | None = None) -> dict[str, Any]:
        """Start, and open TEXT; the server's capabilities."""
        general = {"general": {"positionEncodings": encodings}} if encodings else {}
        answer = self.request("initialize", processId=None, rootUri=None, capabilities=general)
        self.notify("initialized")
        self.notify(
            "textDocument/didOpen", textDocument={"uri": URI, "languageId": "plait", "version": 1, "text": TEXT}
        )
        found: dict[str, Any] = answer["result"]["capabilities"]
        return found

    def change(self, text: str) -> None:
        self.notify("textDocument/didChange", textDocument={"uri": URI, "version": 2}, contentChanges=[{"text": text}])


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `plait lsp` with some arguments; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "plait.cli.main", "lsp", *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what was not sent any more
                stream.close()


@pytest.fixture
def process(start: Start) -> subprocess.Popen[bytes]:
    return start()


@pytest.fixture
def client(process: subprocess.Popen[bytes]) -> Client:
    assert process.stdin is not None and process.stdout is not None
    return Client(process.stdout, process.stdin)


def spot(line: int, start: int, end: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


def test_a_session(client: Client, process: subprocess.Popen[bytes]) -> None:
    capabilities = client.open()
    assert capabilities["positionEncoding"] == "utf-16" and capabilities["textDocumentSync"]["change"] == 1
    (found,) = client.diagnostics()
    assert (found["code"], found["source"], found["severity"]) == ("P101", "plait", 1)
    assert found["range"] == spot(4, 7, 11)
    assert found["relatedInformation"][0]["message"] == "did you mean relu?"

    (action,) = client.ask("codeAction", range=spot(4, 8, 8), context={"diagnostics": [found]})
    assert action["edit"]["changes"][URI] == [{"range": spot(4, 7, 11), "newText": "relu"}]
    assert client.ask("codeAction", range=spot(1, 0, 0), context={"diagnostics": []}) == []

    hover = client.ask("hover", 3, 3)
    assert "%a : f32[4]" in hover["contents"]["value"] and hover["range"] == spot(3, 2, 4)
    assert client.ask("hover", 0, 0) is None
    assert client.ask("definition", 3, 17) == {"uri": URI, "range": spot(1, 6, 12)}
    assert client.ask("definition", 0, 0) is None
    assert len(client.ask("references", 3, 17, context={"includeDeclaration": True})) == 2
    assert client.ask("prepareRename", 3, 17) == {"range": spot(3, 15, 21), "placeholder": '@"ü😀"'}
    edits = client.ask("rename", 3, 17, newName="k")["changes"][URI]
    assert edits == [{"range": spot(1, 6, 12), "newText": "@k"}, {"range": spot(3, 15, 21), "newText": "@k"}]
    (constant, net) = client.ask("documentSymbol")
    assert (constant["name"], constant["kind"]) == ('@"ü😀"', 14)
    assert [c["name"] for c in net["children"]] == ["%a", "%y"]
    assert client.ask("foldingRange") == [{"startLine": 2, "endLine": 4, "kind": "region"}]
    assert client.ask("semanticTokens/full")["data"][:10] == [0, 0, 2, 3, 0, 0, 3, 1, 2, 0]

    # While a statement is being typed, and after it.
    client.change(TEXT.replace("rely(%a)", "conv2d(%"))
    found = client.ask("completion", 4, 15)
    assert [i["label"] for i in found["items"]] == ["%a", "%x"] and not found["isIncomplete"]
    assert found["items"][0]["textEdit"] == {"range": spot(4, 14, 15), "newText": "%a"}
    assert [d["code"] for d in client.diagnostics()] == ["P001"]
    style = {"tabSize": 2, "insertSpaces": True}
    answer = client.request("textDocument/formatting", textDocument={"uri": URI}, options=style)
    assert "the text has errors" in answer["error"]["message"]

    client.change(TEXT.replace("rely", "relu"))
    assert client.diagnostics() == []
    (edit,) = client.ask("formatting", options=style)
    assert "  %y = relu(%a) : f32[4]\n" in edit["newText"]

    client.notify("textDocument/didClose", textDocument={"uri": URI})
    assert client.diagnostics() == []
    answer = client.request("textDocument/foldingRange", textDocument={"uri": URI})
    assert "is not open" in answer["error"]["message"]
    assert client.request("shutdown")["result"] is None
    client.notify("exit")
    assert process.wait(PATIENCE) == 0


def test_positions_as_the_client_wants_them(client: Client) -> None:
    assert client.open(["utf-8", "utf-16"])["positionEncoding"] == "utf-8"
    client.diagnostics()
    assert client.ask("definition", 3, 17)["range"] == spot(1, 6, 15)


def test_the_last_of_many_changes_is_checked(client: Client) -> None:
    client.open()
    client.diagnostics()
    for end in range(4):
        client.change(TEXT.replace("rely", "rel" + "u" * end))
    (found,) = client.diagnostics()
    assert "'reluuu'" in found["message"]


def test_over_a_port(start: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start("--tcp", str(port))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with connection:
        client = Client(connection.makefile("rb"), connection.makefile("wb"))
        client.open()
        assert [d["code"] for d in client.diagnostics()] == ["P101"]


def test_without_pygls(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text('raise ModuleNotFoundError("No module named \'pygls\'", name="pygls")\n')
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "plait.cli.main", "lsp"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "pip install 'plait[lsp]'" in done.stderr and done.stdout == ""
