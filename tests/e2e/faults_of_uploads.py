"""What may be wrong with uploads: see faulty_registry.py."""
from faulty_server import digest_of, fault, times


# Uploads.

@fault("push-no-location", "fail", "start")
def _(h):
    h.answer(202)


@fault("push-location-relative", "ok", "start")
def _(h):
    h.answer(202, Location=h.place + "?state=a%2Fb&x=")


@fault("push-location-file", "fail", "start")
def _(h):
    h.answer(202, Location="file:///tmp/x")


for name, where in {"user": lambda h: h.home.replace("//", "//u:p-CANARY@") + h.place, "tls": lambda h: "https:" + h.stranger[5:] + h.place,
                    "escape": lambda h: "\x1b[2Jx", "link-local": lambda h: "http://169.254.169.254" + h.place,
                    "port": lambda h: "http://127.0.0.1:99999" + h.place}.items():
    @fault("push-location-" + name, "safe" if name == "user" else "fail", "start")
    def _(h, where=where):
        h.answer(202, Location=where(h))


for status in (307, 308):
    @fault("push-redirect-%d-home" % status, "safe", "bytes")
    def _(h, status=status):
        if "again" in h.path:
            return False
        h.redirect(h.path + ("&" if "?" in h.path else "?") + "again=1", status)


@fault("push-redirect-loop", "fail", "bytes")
def _(h):
    h.redirect(h.path)


@fault("push-error-unfit", "fail", "end")
def _(h):
    h.answer(400, b'{"errors":[{"code":"MANIFEST_INVALID","message":"\\u001b[2J\\u0000\\u202eno\\nerror: forged"}]}')


@fault("push-says-done-early", "safe", "start")
def _(h):
    # The upload is said to be over before a byte was sent.
    h.answer(201, Location=h.place)


@fault("push-redirect-start", "safe", "start")
def _(h):
    h.redirect(h.stranger + h.path)


@fault("push-redirect-bytes", "safe", "bytes")
def _(h):
    h.redirect(h.stranger + h.place)


@fault("push-redirect-manifest", "safe", "end")
def _(h):
    h.redirect(h.stranger + h.path)


@fault("push-silent-start", "fail", "start")
def _(h):
    h.say_nothing()


@fault("push-silent-bytes", "fail", "bytes")
def _(h):
    h.say_nothing()


@fault("push-silent-manifest", "fail", "end")
def _(h):
    h.say_nothing()


@fault("push-lost-once", "ok", "bytes")
def _(h):
    if times(h.fault) > 1:
        return False
    h.answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')


@fault("push-lost-always", "fail", "bytes")
def _(h):
    h.answer(404)


@fault("push-too-large", "fail", "bytes")
def _(h):
    h.answer(413)


@fault("push-early-refusal", "fail", "bytes")
def _(h):
    h.answer(403, b"quota exceeded")
    h.reset()


@fault("push-no-digest", "ok", "end")
def _(h):
    h.answer(201)


@fault("push-manifest-digest", "fail", "end")
def _(h):
    h.answer(201, Docker_Content_Digest=digest_of(b"other"))


@fault("push-manifest-accepted", "fail", "end")
def _(h):
    h.answer(202)


@fault("push-head-lies", "fail", "any")
def _(h):
    if h.command == "HEAD":
        h.answer(200, length=12)
        return True
    if h.command == "PUT" and "/manifests/" in h.path:
        h.body()
        h.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
        return True
    return False


for name, value in {"beyond": "0-99999999", "garbled": "lots", "reversed": "9-0", "wraps": "0-18446744073709551615"}.items():
    @fault("push-range-" + name, "safe", "bytes")
    def _(h, value=value):
        h.answer(416, Location=h.place, Range=value)


@fault("push-mount-elsewhere", "fail", "start")
def _(h):
    h.answer(201, Docker_Content_Digest=digest_of(b"other"))


@fault("push-blobs-missing", "ok", "any")
def _(h):
    # The manifest is there, and its blobs are not: the registry says so when it is tagged.
    if h.command == "HEAD" and "/manifests/" in h.path:
        h.answer(200, length=1000, Docker_Content_Digest=h.path.rsplit("/", 1)[1])
        return True
    if h.command == "PUT" and "/manifests/" in h.path and times(h.fault) == 1:
        h.body()
        h.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
        return True
    return False


@fault("push-416-always", "fail", "bytes")
def _(h):
    h.answer(416, Location=h.place, Range="0-0")


for name, place in {"start": "start", "bytes": "bytes", "manifest": "end"}.items():
    for status in (429, 500):
        @fault("push-%d-once-%s" % (status, name), "ok", place)
        def _(h, status=status):
            if times((h.fault, h.command)) > 1:
                return False
            h.answer(status, Retry_After="1")


@fault("stream-location-stranger", "fail", "bytes")
def _(h):
    h.answer(202, Location=h.stranger + h.place, Range="0-0")


@fault("stream-no-range", "ok", "bytes")
def _(h):
    if h.command != "PATCH":
        return False
    h.known[h.place.rsplit("/", 1)[1]] = h.data
    h.answer(202, Location=h.place)


@fault("stream-no-patch", "ok", "bytes")
def _(h):
    if h.command != "PATCH" or times(h.fault) > 1:
        return False
    h.answer(405)


@fault("stream-stuck", "fail", "bytes")
def _(h):
    if h.command != "PATCH":
        return False
    h.answer(202, Location=h.place, Range="0-10")


@fault("stream-reset-once", "ok", "bytes")
def _(h):
    if h.command != "PATCH" or times(h.fault) > 1:
        return False
    h.rfile.read(1000)
    h.reset()


@fault("stream-range-beyond", "safe", "bytes")
def _(h):
    if h.command != "PATCH":
        return False
    h.answer(202, Location=h.place, Range="0-99999999")
