"""A slow line to a registry: python3 slow_line.py PORT UPSTREAM MODE_FILE LOG [CERTIFICATE KEY]

Passes requests on to UPSTREAM (http://host:port or https://...) and does what MODE_FILE says at that moment:
  rate=BYTES     so many bytes a second over each connection, in both directions
  ranges=off     the Range of a request is not passed on
  cut=BYTES      a body is cut off after so many bytes
  gather=NUMBER  no manifest is answered before so many have been asked for; who waits for them in vain is told so by 503
A line of LOG for each request: method, path, range asked for or -, status, bytes, requests for blobs there were just then.
"""
import http.client
import http.server
import ssl
import sys
import threading
import time
import urllib.parse

PORT, UPSTREAM, MODE_FILE, LOG = int(sys.argv[1]), urllib.parse.urlparse(sys.argv[2]), sys.argv[3], sys.argv[4]
PIECE = 65536
GATHER_SECONDS = 20
lock = threading.Lock()
gathered = threading.Condition(lock)
manifests = 0
busy = 0


def mode():
    with open(MODE_FILE, encoding="utf-8") as lines:
        return {"rate": "0", "ranges": "on", "cut": "0", "gather": "0"} | dict(line.split("=", 1) for line in lines.read().split())


def connect():
    if UPSTREAM.scheme == "https":
        return http.client.HTTPSConnection(UPSTREAM.netloc, context=ssl._create_unverified_context())
    return http.client.HTTPConnection(UPSTREAM.netloc)


class Brake:
    """Sleeps so that no more than the rate goes through."""

    def __init__(self):
        self.rate, self.start, self.moved = int(mode()["rate"]), time.monotonic(), 0

    def passed(self, count):
        self.moved += count
        if self.rate:
            time.sleep(max(0.0, self.start + self.moved / self.rate - time.monotonic()))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pieces(self):
        """The request's body; chunks are taken apart and put together again by http.client."""
        brake = Brake()
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
                brake.passed(size)
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
            brake.passed(len(piece))

    def ask(self, upstream):
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        for name, value in self.headers.items():
            if name.lower() != "range" or mode()["ranges"] == "on":
                upstream.putheader(name, value)
        upstream.endheaders()
        try:
            for piece in self.pieces():
                upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                upstream.send(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # it has its answer before it has the body
        return upstream.getresponse()

    def gather(self):
        """False when the others did not come."""
        global manifests
        if "/manifests/k1-" not in self.path:
            return True
        with gathered:
            manifests += 1
            gathered.notify_all()
            return gathered.wait_for(lambda: manifests >= int(mode()["gather"]), GATHER_SECONDS)

    def serve(self):
        global busy
        if not self.gather():
            return self.send_error(503)
        blob = self.command == "GET" and "/blobs/sha256:" in self.path
        with lock:
            busy += blob
            others = busy
        upstream, sent, status = connect(), 0, 0
        try:
            answer = self.ask(upstream)
            status = answer.status
            self.send_response_only(status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            brake, cut = Brake(), int(mode()["cut"])
            while self.command != "HEAD" and (piece := answer.read(PIECE)):
                self.wfile.write(piece)
                sent += len(piece)
                brake.passed(len(piece))
                if cut and sent >= cut:
                    self.close_connection = True
                    break
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()
            with lock:
                busy -= blob
                with open(LOG, "a", encoding="utf-8") as log:
                    asked = self.headers.get("Range", "-")
                    log.write(f"{self.command} {self.path} {asked} {status} {sent} {others}\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.daemon_threads = True
if len(sys.argv) > 5:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[5], sys.argv[6])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
