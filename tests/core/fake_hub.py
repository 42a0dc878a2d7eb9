"""A hub on this machine, for the real huggingface_hub to talk to: tests have no network.

It answers what creating, listing, committing and downloading ask for, with the status codes and
headers of the true one. Every file goes as a regular one; large-file storage is the library's own.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_owner"


@dataclass
class Hub:
    """commits: repository -> its commits, each a dict of files; revisions are their numbers."""

    address: str = ""
    commits: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    failing: str = ""
    """refused with 400 where this is in the path; after a 500 the client would try again"""

    def files(self, name: str) -> dict[str, bytes]:
        """Of the newest commit."""
        return self.commits[name][-1]


def sha(name: str, number: int) -> str:
    return hashlib.sha1(f"{name} {number}".encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.parts()
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if not self.readable(name):
            return
        commits = self.hub.commits[name]
        if parts[0] != "api":
            at = self.commit(name, parts[3])
            self.send_file(name, at, "/".join(parts[4:]))
            return
        revision = parts[5] if len(parts) > 5 else "main"
        at = self.commit(name, revision)
        if at is None:
            self.say(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        elif parts[4:5] == ["tree"]:
            self.say(200, [
                {"type": "file", "path": path, "size": len(content), "oid": blob(content)}
                for path, content in commits[at].items()
            ])  # fmt: skip
        else:
            siblings = [{"rfilename": path} for path in commits[at]]
            self.say(200, {"id": name, "sha": sha(name, at), "siblings": siblings})

    def do_POST(self) -> None:
        parts = self.parts()
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if parts == ["api", "validate-yaml"]:
            self.say(200, {"errors": [], "warnings": []})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.say(401, {"error": "Invalid username or password."})
        elif parts == ["api", "repos", "create"]:
            self.create(json.loads(body))
        elif parts[4] == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.say(200, {"files": files})
        else:
            self.commit_files(
                "/".join(parts[2:4]), [json.loads(line) for line in body.split(b"\n") if line]
            )

    def parts(self) -> list[str]:
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.hub.failing and self.hub.failing in self.path:
            self.say(400, {"error": "out of order"})
            raise ConnectionAbortedError
        return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

    def readable(self, name: str) -> bool:
        owner = self.headers["Authorization"] == f"Bearer {TOKEN}"
        if name in self.hub.commits and (owner or name not in self.hub.private):
            return True
        self.say(404 if owner else 401, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
        return False

    def commit(self, name: str, revision: str) -> int | None:
        """Number of the commit that a branch or a hash names."""
        numbers = range(len(self.hub.commits[name]))
        if revision == "main":
            return numbers[-1]
        return next((i for i in numbers if sha(name, i) == revision), None)

    def create(self, wish: dict[str, Any]) -> None:
        name = f"{wish['organization']}/{wish['name']}"
        if name in self.hub.commits:
            self.say(409, {"error": "exists", "url": f"{self.hub.address}/{name}"})
            return
        self.hub.commits[name] = [{".gitattributes": b"*.safetensors filter=lfs\n"}]
        if wish.get("private") or wish.get("visibility") == "private":
            self.hub.private.add(name)
        self.say(200, {"url": f"{self.hub.address}/{name}", "name": name})

    def commit_files(self, name: str, operations: list[dict[str, Any]]) -> None:
        files = dict(self.hub.files(name))
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
        self.hub.commits[name].append(files)
        number = sha(name, len(self.hub.commits[name]) - 1)
        address = f"{self.hub.address}/{name}/commit/{number}"
        self.say(200, {"commitUrl": address, "commitOid": number, "success": True})

    def send_file(self, name: str, at: int | None, path: str) -> None:
        if at is None or path not in self.hub.commits[name][at]:
            self.say(404, {"error": "no"}, {"X-Error-Code": "EntryNotFound"})
            return
        content = self.hub.commits[name][at][path]
        headers = {"ETag": f'"{blob(content)}"', "X-Repo-Commit": sha(name, at)}
        self.send(200, content, headers)

    def say(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(answer).encode(), headers or {})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def blob(content: bytes) -> str:
    """Git's name of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    """A hub with nothing in it, at `address`."""
    hub = Hub()

    class Bound(Handler):
        pass

    Bound.hub = hub
    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        # A request that was refused on purpose is no matter for stderr.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
