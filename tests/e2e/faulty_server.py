"""The server that faults are built into: see faulty_registry.py."""
import gzip
import hashlib
import io
import json
import random
import re
import socket
import struct
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
FAULTS = {}  # name -> (must, what happens instead of the usual answer)
LOCK = threading.Lock()
COUNTS = {}


def digest_of(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def fault(name, must, at):
    """The decorated function answers instead, or returns False, at "manifest", "blob" (the layer's), "config",
    "token", "any" request, or an upload's "start", "bytes", "offset", "end"."""
    def add(function):
        FAULTS[name] = (must, at, function)
        return function
    return add


def times(key):
    with LOCK:
        COUNTS[key] = COUNTS.get(key, 0) + 1
        return COUNTS[key]


class Image:
    def __init__(self, name):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo(name)
            content = random.Random(name).randbytes(300_000)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        self.layer = gzip.compress(data.getvalue(), 1)
        self.config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
            "type": "layers", "diff_ids": [digest_of(data.getvalue())]}}).encode()
        self.manifest = self.document()

    def document(self, media_type=MANIFEST, **changes):
        def descriptor(kind, blob):
            return {"mediaType": "application/vnd.oci.image." + kind, "digest": digest_of(blob), "size": len(blob)}
        document = {"schemaVersion": 2, "mediaType": media_type,
                    "config": descriptor("config.v1+json", self.config),
                    "layers": [descriptor("layer.v1.tar+gzip", self.layer)]} | changes
        return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # Answers.
    def answer(self, status, body=b"", length=None, **fields):
        self.raw(status, [(key.replace("_", "-"), value) for key, value in fields.items()] +
                 [("Content-Length", len(body) if length is None else length)], body)

    def raw(self, status, fields, body=b""):
        self.send_response(status)
        for key, value in fields:
            self.send_header(key, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def chunks(self, *pieces, trailer=b"0\r\n\r\n", **fields):
        self.raw(200, [(key.replace("_", "-"), value) for key, value in fields.items()] +
                 [("Transfer-Encoding", "chunked")])
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(trailer)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def say_nothing(self):
        time.sleep(300)
        self.close_connection = True

    def redirect(self, where, status=307):
        self.answer(status, Location=where)

    def send_manifest(self, body, **fields):
        self.answer(200, body, **({"Content_Type": MANIFEST, "Docker_Content_Digest": digest_of(body)} | fields))

    @property
    def home(self):
        return "http://127.0.0.1:%d" % self.server.home_port

    @property
    def stranger(self):
        return "http://127.0.0.1:%d" % self.server.stranger_port

    def challenge(self, text):
        self.raw(401, [("WWW-Authenticate", line) for line in text] + [("Content-Length", 0)])

    def bearer(self, **changes):
        values = {"realm": self.home + "/token/" + self.fault, "service": "faulty"} | changes
        return "Bearer " + ",".join('%s="%s"' % item for item in values.items())

    def has_token(self):
        return self.headers.get("Authorization", "").startswith("Bearer token-CANARY")

    def range_start(self):
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else None

    # Requests.
    def body(self):
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def handle_one(self):
        here = "stranger" if self.server.is_stranger else "home"
        with LOCK, self.server.log.open("a") as log:
            log.write(" ".join([here, self.command, self.path, self.headers.get("Authorization", "-")]) + "\n")
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "token":
            self.fault = parts[1]
            return self.at("token") or self.answer(200, b'{"token":"token-CANARY-1","expires_in":300}')
        if len(parts) < 3:
            return self.answer(200, b"{}")
        self.fault = parts[1]
        with LOCK:
            self.image = self.server.images.setdefault(self.fault, None) or Image(self.fault)
            self.server.images[self.fault] = self.image
            self.known = self.server.known.setdefault(self.fault, {})
        if here == "home" and self.at("any"):
            return None
        if "uploads" in parts:
            return self.upload(here, parts[-1])
        name = parts[-1]
        return self.manifest(here, name) if parts[-2] == "manifests" else self.blob(here, name)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_one

    def at(self, place):
        _, where, function = FAULTS.get(self.fault, (None, None, None))
        return where == place and function(self) is not False

    def manifest(self, here, name):
        if self.command == "PUT":
            self.data = self.body()
            return self.at("end") or self.answer(201, Docker_Content_Digest=digest_of(self.data))
        self.name = name
        return here == "home" and self.at("manifest") or self.send_manifest(self.known.get(name, self.image.manifest))

    def blob(self, here, name):
        image = self.image
        if self.command == "HEAD" or name not in (digest_of(image.layer), digest_of(image.config)):
            there = name in self.known
            return self.at("head") or self.answer(200 if there else 404, length=len(self.known.get(name, b"")))
        part = "blob" if name == digest_of(image.layer) else "config"
        if here == "home" and self.at(part):
            return None
        data, start = image.layer if part == "blob" else image.config, self.range_start()
        if start is None:
            return self.answer(200, data)
        return self.answer(206, data[start:], Content_Range="bytes %d-%d/%d" % (start, len(data) - 1, len(data)))

    def upload(self, here, name):
        if here == "stranger":
            self.body()
            return self.answer(201)
        self.place = self.path.split("?")[0]
        if self.command == "POST":
            self.place = "/v2/%s/image/blobs/uploads/%d" % (self.fault, times("upload"))
            return self.at("start") or self.answer(202, Location=self.place, Range="0-0")
        if self.command == "GET":
            have = self.known.get(name, b"")
            return self.at("offset") or self.answer(204, Location=self.place, Range="0-%d" % max(len(have) - 1, 0))
        if self.fault in ("push-early-refusal", "stream-reset-once") and self.at("bytes"):
            return None
        self.data = self.body()
        if self.at("bytes"):
            return None
        self.known[name] = self.known.get(name, b"") + self.data
        if self.command == "PATCH":
            return self.answer(202, Location=self.place, Range="0-%d" % max(len(self.known[name]) - 1, 0))
        wanted = re.search(r"digest=([^&]+)", self.path)[1].replace("%3A", ":")
        if wanted != digest_of(self.known[name]):
            return self.answer(400, b"these are other bytes")
        self.known[wanted] = self.known.pop(name)
        return self.answer(201, Docker_Content_Digest=wanted)


def cut_first(h):
    """Cuts the first answer; True when this was it."""
    if times(h.fault) > 1:
        return False
    h.answer(200, h.image.layer[:90_000], length=len(h.image.layer))
    h.hang_up()
    return True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, other_port, log, is_stranger=False):
        self.images, self.known = {}, {}
        self.home_port, self.stranger_port = (other_port, port) if is_stranger else (port, other_port)
        self.is_stranger, self.log = is_stranger, log
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, *_):
        pass  # clients that hang up are what this is about
