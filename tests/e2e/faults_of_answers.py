"""What may be wrong with answers: bodies, ranges, silence, statuses: see faulty_registry.py."""
import email.utils
import gzip
import json
import time

from faulty_server import MANIFEST, cut_first, fault, times


# How a body comes.

@fault("chunked-blob", "ok", "blob")
def _(h):
    h.chunks(h.image.layer[:1000], h.image.layer[1000:])


@fault("chunked-trailer", "ok", "blob")
def _(h):
    h.chunks(h.image.layer, trailer=b"0\r\nDocker-Content-Digest: sha256:0\r\nContent-Length: 3\r\n\r\n")


@fault("chunked-cut-once", "ok", "blob")
def _(h):
    if times(h.fault) > 1:
        return False
    h.chunks(h.image.layer[:90_000], trailer=b"")
    h.hang_up()


@fault("chunked-garbled", "fail", "blob")
def _(h):
    h.chunks(h.image.layer[:90_000], trailer=b"zz\r\nnonsense\r\n")
    h.hang_up()


@fault("chunk-size-huge", "fail", "blob")
def _(h):
    h.chunks(trailer=b"fffffffffffffffff\r\n" + h.image.layer)
    h.hang_up()


@fault("until-close", "ok", "blob")
def _(h):
    h.raw(200, [("Connection", "close")], h.image.layer)
    h.hang_up()


@fault("until-close-cut-once", "ok", "blob")
def _(h):
    if times(h.fault) > 1:
        return False
    h.raw(200, [("Connection", "close")], h.image.layer[:90_000])
    h.hang_up()


@fault("gzip-blob", "fail", "blob")
def _(h):
    h.answer(200, gzip.compress(h.image.layer), Content_Encoding="gzip")


@fault("deflate-config", "fail", "config")
def _(h):
    h.answer(200, h.image.config, Content_Encoding="deflate")


@fault("transfer-gzip", "fail", "blob")
def _(h):
    packed = gzip.compress(h.image.layer)
    h.raw(200, [("Transfer-Encoding", "gzip, chunked")], b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed))


@fault("short-blob", "fail", "blob")
def _(h):
    h.answer(200, h.image.layer[:-1])


@fault("empty-blob", "fail", "blob")
def _(h):
    h.answer(200)


@fault("no-content-blob", "fail", "blob")
def _(h):
    h.raw(204, [])


@fault("html-blob", "fail", "blob")
def _(h):
    h.answer(200, b"<html>Please log in to the hotel's network</html>", Content_Type="text/html")


@fault("closes-each", "ok", "any")
def _(h):
    h.close_connection = True  # without a word
    return False


@fault("closes-idle", "ok", "any")
def _(h):
    # A connection that was kept is closed when the second request comes.
    h.seen = getattr(h, "seen", 0) + 1
    if h.seen == 2:
        h.reset()
    return h.seen == 2


@fault("response-split", "safe", "manifest")
def _(h):
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", len(h.image.manifest))], h.image.manifest + extra)


for name, length in {"length-negative": "-1", "length-plus": "+5", "length-list": "5, 5", "length-wraps": str(2**64 + 5),
                     "length-hex": "0x10", "length-empty": ""}.items():
    @fault(name, "fail", "manifest")
    def _(h, length=length):
        h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", length)], h.image.manifest)
        h.hang_up()


@fault("length-twice-same", "safe", "manifest")
def _(h):
    length = ("Content-Length", len(h.image.manifest))
    h.raw(200, [("Content-Type", MANIFEST), length, length], h.image.manifest)


@fault("length-and-unknown-coding", "fail", "blob")
def _(h):
    h.raw(200, [("Transfer-Encoding", "rot13"), ("Content-Length", len(h.image.layer))], bytes(len(h.image.layer)))
    h.hang_up()


@fault("http-1.0", "ok", "any")
def _(h):
    h.protocol_version = "HTTP/1.0"
    h.close_connection = True
    return False


@fault("http-1.0-no-length", "ok", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: %s\r\n\r\n%s" % (MANIFEST.encode(), h.image.manifest))
    h.hang_up()


def endlessly(name, at, start, piece):
    """Begins an answer and does not stop."""
    @fault(name, "fail", at)
    def _(h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\n" + start)
        for _ in range(1 << 20):
            h.wfile.write(piece)


endlessly("chunk-extension-endless", "blob", b"Transfer-Encoding: chunked\r\n\r\n5;x=", b"y" * 1000)
endlessly("chunk-size-endless", "blob", b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1000)
endlessly("chunks-tiny", "config", b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 200)
endlessly("trailer-endless", "manifest", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-More: yyyyyyyyyyyyyyyy\r\n" * 100)
endlessly("field-endless", "config", b"X-More: ", b"y" * 1000)
endlessly("fields-endless", "blob", b"", b"X-More: yyyyyyyyyyyyyyyy\r\n" * 100)
endlessly("config-endless", "config", b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b" " * 1000 + b"\r\n")


# Ranges.

@fault("range-416-once", "ok", "blob")
def _(h):
    if cut_first(h):
        return True
    if h.range_start() is None:
        return False
    h.answer(416, Content_Range="bytes */%d" % len(h.image.layer))


@fault("range-416-always", "fail", "blob")
def _(h):
    if not cut_first(h):
        h.answer(416)


for name, first, total in [("range-from-start", 0, 0), ("range-no-field", None, 0), ("range-other-total", 90_000, 5)]:
    @fault(name, "ok", "blob")
    def _(h, first=first, total=total):
        if cut_first(h):
            return True
        if h.range_start() is None:
            return False
        data = h.image.layer[first or 0:]
        field = {} if first is None else {"Content_Range": "bytes %d-%d/%d" % (
            first, len(h.image.layer) - 1, len(h.image.layer) + total)}
        h.answer(206, data, **field)


@fault("range-garbled", "safe", "blob")
def _(h):
    if cut_first(h):
        return True
    h.answer(206, h.image.layer[90_000:], Content_Range="bytes lots")


@fault("range-wraps", "safe", "blob")
def _(h):
    if cut_first(h):
        return True
    h.answer(206, h.image.layer[90_000:], Content_Range="bytes 90000-18446744073709551615/*")


@fault("range-multipart", "safe", "blob")
def _(h):
    if cut_first(h):
        return True
    h.answer(206, b"--x\r\nContent-Range: bytes 90000-90001/2\r\n\r\nab\r\n--x--", Content_Type="multipart/byteranges; boundary=x")


@fault("range-unasked", "fail", "blob")
def _(h):
    h.answer(206, h.image.layer[:1000], Content_Range="bytes 0-999/%d" % len(h.image.layer))


@fault("range-ever-shorter", "fail", "blob")
def _(h):
    start = h.range_start() or 0
    h.answer(206 if start else 200, h.image.layer[start:start + 1], length=len(h.image.layer) - start,
             **({"Content_Range": "bytes %d-%d/%d" % (start, len(h.image.layer) - 1, len(h.image.layer))} if start else {}))
    h.hang_up()


# Silence and drops.

@fault("silent-manifest", "fail", "manifest")
def _(h):
    h.say_nothing()


@fault("silent-token", "fail", "any")
def _(h):
    h.challenge([h.bearer(realm=h.home + "/token/silent-answer")])


@fault("silent-answer", None, "token")
def _(h):
    h.say_nothing()


@fault("silent-blob-after-half", "fail", "blob")
def _(h):
    h.answer(200, h.image.layer[:90_000], length=len(h.image.layer))
    h.say_nothing()


@fault("switching-protocols", "fail", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello")
    h.hang_up()


@fault("dripping-head", "fail", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(300):
        h.wfile.write(b"X-%d: y\r\n" % i)
        h.wfile.flush()
        time.sleep(1)


@fault("dripping-manifest", "fail", "manifest")
def _(h):
    h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", len(h.image.manifest))])
    for i in range(300):
        h.wfile.write(h.image.manifest[i:i + 1])
        h.wfile.flush()
        time.sleep(1)


@fault("endless-continue", "fail", "manifest")
def _(h):
    for _ in range(1_000_000):
        h.wfile.write(b"HTTP/1.1 100 Continue\r\nX-Pad: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n")


@fault("early-hints", "ok", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    return False


@fault("not-http", "fail", "manifest")
def _(h):
    h.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    h.hang_up()


@fault("head-garbled", "safe", "manifest")
def _(h):
    body = h.image.manifest
    h.wfile.write(b"HTTP/1.1 200 OK\r\nno colon here\r\nX\x00Y: z\r\n folded\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        MANIFEST.encode(), len(body), body))


@fault("status-huge", "fail", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.1 99999 Fine\r\nContent-Length: 0\r\n\r\n")
    h.hang_up()


@fault("manifest-cut-once", "ok", "manifest")
def _(h):
    if times(h.fault) > 1:
        return False
    h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", len(h.image.manifest))], h.image.manifest[:50])
    h.hang_up()


@fault("manifest-cut-always", "fail", "manifest")
def _(h):
    h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", len(h.image.manifest))], h.image.manifest[:50])
    h.hang_up()


for place in ("config", "token"):
    @fault("reset-once-" + place, "ok", place)
    def _(h):
        if times(h.fault) > 1:
            return False
        h.reset()


@fault("status-429-always", "fail", "manifest")
def _(h):
    h.answer(429, Retry_After="1")


for status in (408, 502, 504):
    @fault("status-%d-once" % status, "ok", "any")
    def _(h, status=status):
        if times((h.fault, h.path)) > 1:
            return False
        h.answer(status)

@fault("status-503-always", "fail", "manifest")
def _(h):
    h.answer(503)


for status in (304, 400, 402, 405, 407, 418, 451, 501):
    @fault("status-%d" % status, "fail", "manifest")
    def _(h, status=status):
        h.answer(status, b"" if status == 304 else b"no")

for name, value in {"past": "Wed, 21 Oct 2015 07:28:00 GMT", "soon": "soon", "negative": "-5", "fraction": "1.5",
                    "empty": ""}.items():
    @fault("retry-after-" + name, "ok", "manifest")
    def _(h, value=value):
        if times(h.fault) > 1:
            return False
        h.answer(429, Retry_After=value)

for name, value in {"year": lambda: email.utils.formatdate(time.time() + 31_536_000, usegmt=True),
                    "wraps": lambda: "18446744073709551617"}.items():
    @fault("retry-after-" + name, "fail", "manifest")
    def _(h, value=value):
        h.answer(503, Retry_After=value())


# Words for people, from people who are not to be trusted.

UNFIT = "a\x00b\x1b[2J\x9b31m\u202etxt.exe\u2066\x7f\r\nerror: forged"
for name, body in {"json": json.dumps({"errors": [{"code": UNFIT, "message": UNFIT, "detail": UNFIT}]}).encode(),
                   "text": UNFIT.encode(), "latin": UNFIT.encode("latin-1", "ignore") + b"\xff\xfe\xc0\x80",
                   "deep": b'{"errors":' + b"[" * 100_000, "many": json.dumps({"errors": [
                       {"code": "DENIED", "message": "no %d" % i} for i in range(50_000)]}).encode(),
                   "other": b'{"errors":{"code":5,"message":["x"]}}'}.items():
    @fault("error-" + name, "fail", "manifest")
    def _(h, body=body):
        h.answer(403, body, Content_Type="application/json")


@fault("error-reason", "fail", "manifest")
def _(h):
    h.wfile.write(b"HTTP/1.1 403 \x1b[2Jno\x9b31m\r\nContent-Length: 0\r\n\r\n")


for name in ("Content-Type", "Docker-Content-Digest", "Location", "Retry-After", "WWW-Authenticate", "Content-Encoding"):
    @fault("field-unfit-" + name.lower(), "safe", "manifest")
    def _(h, name=name):
        status = {"Location": 307, "Retry-After": 503, "WWW-Authenticate": 401}.get(name, 200)
        h.raw(status, [(name, "x\x1b[2Jy\x9b31m\x7f"), ("Content-Length", len(h.image.manifest))], h.image.manifest)
