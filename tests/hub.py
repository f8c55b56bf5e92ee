"""A fake Hugging Face hub in memory, with the routes that its client calls."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = {"model": "", "dataset": "datasets/"}


class Hub(ThreadingHTTPServer):
    """Repositories with their files by commit; the last commit is main."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits = {}  # (kind, name) -> [{path: content}]
        self.objects = {}  # Contents of large files, by hash.
        self.announced = {}  # Sizes in place of the true ones, by path.
        self.described = b""  # Said of every repository in place of what it holds.
        self.requests = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def files(self, name, kind="model"):
        return self.commits[kind, name][-1]

    def put(self, name, files, kind="model"):
        self.commits.setdefault((kind, name), []).append(dict(files))


@contextmanager
def running():
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


def commit_hash(index):
    return f"{index + 1:040x}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def _answer(self, value=None, *, status=200, headers=None, content=b""):
        content = content if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, each in (headers or {}).items():
            self.send_header(name, each)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _missing(self, code="RepoNotFound", status=404):
        self._answer({"error": code}, status=status, headers={"X-Error-Code": code})

    def _route(self, routes):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path))
        for pattern, act in routes.items():
            if found := re.fullmatch(pattern, path):
                act(**found.groupdict())
                return
        self._missing("NotFound")

    def do_GET(self):
        self._route(
            {
                r"/api/(?P<kind>model|dataset)s/(?P<name>[\w.-]+/[\w.-]+)": self._info,
                r"/(datasets/)?(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<at>\w+)/(?P<file>.+)": (
                    self._resolve
                ),
            }
        )

    do_HEAD = do_GET

    def do_POST(self):
        repository = r"/api/(?P<kind>model|dataset)s/(?P<name>[\w.-]+/[\w.-]+)"
        self._route(
            {
                "/api/repos/create": self._create,
                f"{repository}/preupload/main": self._preupload,
                f"{repository}/commit/main": self._commit,
                r"/.*\.git/info/lfs/objects/batch": self._batch,
                "/api/validate-yaml": lambda: self._answer({"errors": []}),
            }
        )

    def do_PUT(self):
        self._route({r"/objects/(?P<oid>\w+)": self._store})

    def _create(self):
        given = json.loads(self.body)
        name = f"{given['organization']}/{given['name']}"
        kind = given.get("type", "model")
        if given["organization"] == "forbidden":
            self._missing("Forbidden", 403)
        else:
            self.server.commits.setdefault((kind, name), [])
            self._answer({"url": f"{self.server.address}/{KINDS[kind]}{name}"})

    def _info(self, kind, name):
        if (kind, name) not in self.server.commits:
            self._missing()
            return
        if self.server.described:
            self._answer(content=self.server.described)
            return
        commits = self.server.commits[kind, name]
        files = commits[-1] if commits else {}
        siblings = [
            {"rfilename": path, "size": self.server.announced.get(path, len(content))}
            for path, content in files.items()
        ]
        sha = commit_hash(len(commits) - 1) if commits else None
        self._answer({"id": name, "sha": sha, "siblings": siblings})

    def _preupload(self, kind, name):
        mode = {"safetensors": "lfs", "parquet": "lfs"}
        files = [
            {
                "path": each["path"],
                "uploadMode": mode.get(each["path"].rpartition(".")[2], "regular"),
                "shouldIgnore": False,
            }
            for each in json.loads(self.body)["files"]
        ]
        self._answer({"files": files})

    def _batch(self):
        objects = [
            {
                **each,
                "actions": {
                    "upload": {"href": f"{self.server.address}/objects/{each['oid']}"}
                },
            }
            for each in json.loads(self.body)["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects})

    def _store(self, oid):
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.objects[oid] = self.body
        self._answer({})

    def _commit(self, kind, name):
        commits = self.server.commits[kind, name]
        files = dict(commits[-1]) if commits else {}
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        commits.append(files)
        oid = commit_hash(len(commits) - 1)
        url = f"{self.server.address}/{KINDS[kind]}{name}/commit/{oid}"
        self._answer({"success": True, "commitOid": oid, "commitUrl": url})

    def _resolve(self, name, at, file):
        kind = "dataset" if self.path.startswith("/datasets/") else "model"
        commits = self.server.commits[kind, name]
        content = commits[int(at, 16) - 1].get(file)
        if content is None:
            self._missing("EntryNotFound")
            return
        etag = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": at}
        self._answer(content=content, headers=headers)
