"""What may be wrong with where answers lead, what they hold and what they ask for: see faulty_registry.py."""
import gzip
import json

from faulty_server import INDEX, MANIFEST, cut_first, digest_of, fault, times


# Redirects.

@fault("redirect-relative", "ok", "blob")
def _(h):
    if "hop" in h.path:
        return False
    h.redirect("./" + h.path.rsplit("/", 1)[1] + "?hop=1")


@fault("redirect-and-back", "ok", "blob")
def _(h):
    if "back" in h.path:
        return False
    h.redirect("%s/v2/redirect-home/image/blobs/%s?back" % (h.stranger, digest_of(h.image.layer)), 302)


@fault("redirect-user", "ok", "blob")
def _(h):
    h.redirect(h.stranger.replace("//", "//admin:secret@") + h.path, 302)


@fault("redirect-scheme-relative", "ok", "blob")
def _(h):
    h.redirect(h.stranger.removeprefix("http:") + h.path, 301)


def token_redirect(name, must, where):
    @fault(name, must, "any")
    def _(h):
        if h.has_token():
            return False
        h.challenge([h.bearer(realm=h.home + "/token/%s-answer" % name)])

    @fault(name + "-answer", None, "token")
    def _(h):
        h.redirect(where(h))


token_redirect("redirect-token", "ok", lambda h: "/token/other?" + h.path.split("?")[1])
token_redirect("redirect-token-away", "safe", lambda h: h.stranger + h.path)
token_redirect("redirect-token-loop", "fail", lambda h: h.path)


@fault("redirect-cookie", "ok", "blob")
def _(h):
    h.raw(307, [("Set-Cookie", "session=CANARY; Domain=127.0.0.1; Path=/"), ("Location", h.stranger + h.path),
                ("Content-Length", 0)])


@fault("redirect-fragment", "ok", "blob")
def _(h):
    h.redirect(h.stranger + h.path + "#part")


@fault("redirect-ping-pong", "fail", "blob")
def _(h):
    h.redirect(h.home + h.path + ("&" if "?" in h.path else "?") + "x")


for status in (300, 302, 303, 308):
    @fault("redirect-%d" % status, "fail" if status == 300 else "ok", "blob")
    def _(h, status=status):
        h.redirect(h.stranger + h.path, status)


@fault("redirect-body-endless", "ok", "blob")
def _(h):
    h.raw(307, [("Location", h.stranger + h.path), ("Transfer-Encoding", "chunked")])
    for _ in range(1 << 20):
        h.wfile.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")


@fault("redirect-two-places", "safe", "blob")
def _(h):
    h.raw(307, [("Location", h.stranger + h.path), ("Location", "http://127.0.0.1:1/x"), ("Content-Length", 0)])


@fault("redirect-to-tls", "fail", "blob")
def _(h):
    h.redirect(h.stranger.replace("http:", "https:") + h.path)


@fault("redirect-manifest-once", "safe", "manifest")
def _(h):
    h.redirect(h.stranger + h.path)


for name, where in {"nowhere": None, "empty": "", "garbled": "http://[::1", "ftp": "ftp://127.0.0.1/x", "data": "data:,x",
                    "script": "javascript:alert(1)", "port": "http://127.0.0.1:99999/x", "gopher": "gopher://127.0.0.1:70/_x",
                    "unix": "http+unix://%2fvar%2frun%2fdocker.sock/x", "space": "http://127.0.0.1 evil/x",
                    "link-local": "http://[fe80::1]/x", "number": "http://2852039166/latest",
                    "mapped": "http://[::ffff:169.254.169.254]/latest", "octal": "http://0251.0376.0251.0376/latest",
                    "zone": "http://[fd00:ec2::254]/latest"}.items():
    @fault("redirect-" + name, "fail", "blob")
    def _(h, where=where):
        h.raw(307, ([] if where is None else [("Location", where)]) + [("Content-Length", 0)])


# Documents.

for name, kind in {"none": None, "plain": "text/plain", "octets": "application/octet-stream", "json": "application/json",
                   "parameters": MANIFEST + "; charset=utf-8", "upper": MANIFEST.upper()}.items():
    @fault("type-" + name, "ok", "manifest")
    def _(h, kind=kind):
        body = h.image.manifest
        h.raw(200, ([] if kind is None else [("Content-Type", kind)]) + [("Content-Length", len(body))], body)


@fault("type-schema1", "fail", "manifest")
def _(h):
    h.send_manifest(b'{"schemaVersion":1,"name":"x","tag":"1","fsLayers":[],"history":[],"signatures":[]}',
                    Content_Type="application/vnd.docker.distribution.manifest.v1+prettyjws")


for name, body in {"empty": b"", "null": b"null", "array": b"[]", "number": b"1", "html": b"<html>hello</html>",
                   "bom": b"\xef\xbb\xbf{}", "deep": b"[" * 100_000, "latin": b'{"a":"\xff\xfe"}'}.items():
    @fault("document-" + name, "fail", "manifest")
    def _(h, body=body):
        h.send_manifest(body)


@fault("digest-garbled", "fail", "manifest")
def _(h):
    h.send_manifest(h.image.manifest, Docker_Content_Digest="sha256:zz")


@fault("digest-sha512", "ok", "manifest")
def _(h):
    h.send_manifest(h.image.manifest, Docker_Content_Digest=digest_of(h.image.manifest, "sha512"))


@fault("digest-twice", "fail", "manifest")
def _(h):
    h.raw(200, [("Content-Type", MANIFEST), ("Content-Length", len(h.image.manifest)),
                ("Docker-Content-Digest", digest_of(h.image.manifest)),
                ("Docker-Content-Digest", digest_of(b""))], h.image.manifest)


def index(*entries):
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": kind, "digest": digest, "size": size, "platform": {"architecture": "amd64", "os": "linux"}}
        for kind, digest, size in entries]}).encode()


@fault("index-of-itself", "fail", "manifest")
def _(h):
    # No index can name its own digest; one that is served whatever is asked for tries to look like it.
    body = index((INDEX, digest_of(b"x"), 400))
    h.send_manifest(body, Content_Type=INDEX, Docker_Content_Digest=h.name if ":" in h.name else digest_of(body))


@fault("index-deep", "fail", "manifest")
def _(h):
    if ":" in h.name:
        return False
    body, kind = h.image.manifest, MANIFEST
    for _ in range(12):
        h.known[digest_of(body)] = body
        body, kind = index((kind, digest_of(body), len(body))), INDEX
    h.send_manifest(body, Content_Type=INDEX)


@fault("index-empty", "fail", "manifest")
def _(h):
    h.send_manifest(index(), Content_Type=INDEX)


@fault("index-wrong-size", "fail", "manifest")
def _(h):
    if ":" in h.name:
        return False
    h.send_manifest(index((MANIFEST, digest_of(h.image.manifest), 7)), Content_Type=INDEX)


@fault("index-child-missing", "fail", "manifest")
def _(h):
    if ":" in h.name:
        h.answer(404)
    else:
        h.send_manifest(index((MANIFEST, digest_of(h.image.manifest), len(h.image.manifest))), Content_Type=INDEX)


@fault("index-of-many", "safe", "manifest")
def _(h):
    if ":" in h.name:
        return False
    h.send_manifest(index(*[(MANIFEST, digest_of(b"%d" % i), 400) for i in range(15_000)]), Content_Type=INDEX)


@fault("index-of-others", "fail", "manifest")
def _(h):
    body = json.loads(index((MANIFEST, digest_of(h.image.manifest), len(h.image.manifest))))
    body["manifests"][0]["platform"] = {"architecture": "\x1b[31mz80", "os": "cp/m", "variant": 5}
    h.send_manifest(json.dumps(body).encode(), Content_Type=INDEX)


@fault("index-of-layers", "fail", "manifest")
def _(h):
    h.send_manifest(index(("application/vnd.oci.image.layer.v1.tar", digest_of(h.image.layer), len(h.image.layer))), Content_Type=INDEX)


@fault("document-twice-layers", "fail", "manifest")
def _(h):
    h.send_manifest(h.image.manifest[:-1] + b', "layers": []}')


@fault("document-and-more", "fail", "manifest")
def _(h):
    h.send_manifest(h.image.manifest + b"\x00{}")


@fault("document-data-differs", "safe", "manifest")
def _(h):
    # A descriptor may carry the bytes; these are not the ones its digest names.
    config = json.loads(h.image.manifest)["config"] | {"data": "eyJhcmNoaXRlY3R1cmUiOiJ4In0="}
    h.send_manifest(h.image.document(config=config))


@fault("layers-with-urls", "safe", "manifest")
def _(h):
    layers = json.loads(h.image.manifest)["layers"]
    layers[0]["urls"] = ["file:///etc/passwd", "http://169.254.169.254/", h.stranger + "/x"]
    h.send_manifest(h.image.document(layers=layers))


@fault("layer-same-twice", "safe", "manifest")
def _(h):
    h.send_manifest(h.image.document(layers=json.loads(h.image.manifest)["layers"] * 2))


@fault("config-huge", "fail", "manifest")
def _(h):
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"x"), "size": 1 << 40}
    h.send_manifest(h.image.document(config=config))


@fault("config-cut-once", "ok", "config")
def _(h):
    if times(h.fault) > 1:
        return False
    h.answer(200, h.image.config[:20], length=len(h.image.config))
    h.hang_up()


@fault("layers-foreign", "safe", "manifest")
def _(h):
    layer = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": digest_of(b"x"),
             "size": 1, "urls": [h.stranger + "/v2/x/image/blobs/" + digest_of(b"x")]}
    h.send_manifest(h.image.document(layers=[layer]))


@fault("tag-moves", "ok", "manifest")
def _(h):
    # Every answer to the tag is another manifest; each is there by its digest.
    if ":" in h.name:
        return False
    body = h.image.document(annotations={"turn": str(times(h.fault))})
    h.known[digest_of(body)] = body
    h.send_manifest(body)


for name, changes in {"layers-null": {"layers": None}, "layers-many": {"layers": [{
        "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(b"x"), "size": 1}] * 501},
                      "schema-text": {"schemaVersion": "2"}, "size-negative": {"config": {
                          "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"x"), "size": -1}},
                      "layer-escape": {"layers": [{"mediaType": "\x1b[31mred\x07", "digest": digest_of(b"x"), "size": 1}]}}.items():
    @fault("document-" + name, "fail", "manifest")
    def _(h, changes=changes):
        h.send_manifest(h.image.document(**changes))


@fault("config-html", "fail", "config")
def _(h):
    h.answer(200, b"<html>" + h.image.config[6:])


@fault("resume-other-bytes", "fail", "blob")
def _(h):
    if cut_first(h):
        return True
    start = h.range_start()
    if start is None:
        return False
    size = len(h.image.layer)
    h.answer(206, bytes(size - start), Content_Range="bytes %d-%d/%d" % (start, size - 1, size))


@fault("error-body-endless", "fail", "blob")
def _(h):
    h.raw(403, [("Content-Length", 1 << 40)])
    while True:
        h.wfile.write(b"\x1b[2Jdenied" * 1000)


@fault("tag-vanishes", "ok", "manifest")
def _(h):
    if times(h.fault) == 1:
        return False
    h.answer(404)


# Lists of tags.

def tags(name, must, body, link=None):
    """What the list of tags is, and where it goes on: after the page of that number."""
    @fault("tags-" + name, must, "any")
    def _(h):
        page = int(h.path.partition("page=")[2] or 0)
        h.answer(200, body, **({"Link": "<%s>; rel=\"next\"" % link(h, page)} if link else {}))


tags("endless", "fail", b'{"tags":["a"]}', lambda h, page: "/v2/tags-endless/image/tags/list?page=%d" % (page + 1))
tags("loop", "fail", b'{"tags":["a"]}', lambda h, page: h.path)
tags("elsewhere", "fail", b'{"tags":["a"]}', lambda h, page: h.stranger + h.path)
tags("huge", "fail", b'{"tags":["' + b"a" * (1 << 25) + b'"]}')
tags("array", "fail", b'["a"]')
tags("null", "ok", b'{"name":"x","tags":null}')
tags("unfit", "ok", b'{"tags":["ok","\\u001b[2J","../../up","",5,null,"a b","\\u0000"]}')


# Tokens and challenges.

def guarded(name, must, *challenge):
    """Asks for a token by this challenge."""
    @fault(name, must, "any")
    def _(h):
        if h.has_token():
            return False
        h.challenge([line.replace("HERE", h.home + "/token/" + h.fault).replace("THERE", h.stranger + "/token/x")
                     for line in challenge])


guarded("challenge-two-fields", "ok", 'Basic realm="x"', 'Bearer realm="HERE",service="s"')
guarded("challenge-one-field", "ok", 'Negotiate, Basic realm="x", Bearer realm="HERE",service="s"')
guarded("challenge-upper", "ok", 'BEARER REALM="HERE" , SERVICE="s"')
guarded("challenge-escaped", "ok", r'Bearer realm="HERE",service="a\"b,c=d",error="invalid_token"')
guarded("challenge-no-service", "ok", 'Bearer realm="HERE"')
guarded("challenge-garbled", "fail", 'Bearer realm=="HERE,,,"""')
guarded("challenge-empty", "fail", "")
guarded("challenge-none", "fail")
guarded("challenge-unknown", "fail", 'Digest realm="x", nonce="y"')
guarded("challenge-no-realm", "fail", 'Bearer service="s"')
guarded("challenge-relative", "fail", 'Bearer realm="/token/x"')
guarded("challenge-file", "fail", 'Bearer realm="file:///etc/passwd"')
guarded("challenge-user", "fail", 'Bearer realm="http://127.0.0.1@127.0.0.1:1/token/x"')
guarded("challenge-escape", "fail", 'Bearer realm="http://\x1b[31mred/token",service="s"')
guarded("challenge-link-local", "fail", 'Bearer realm="http://169.254.169.254/token"')
guarded("challenge-stranger-second", "safe", 'Bearer realm="THERE"', 'Bearer realm="HERE"')
guarded("challenge-many", "safe", *['Bearer realm="HERE",service="%d"' % i for i in range(60)])
guarded("challenge-scope", "safe", 'Bearer realm="HERE",scope="repository:other/secret:delete,* registry:catalog:*"')


@fault("challenge-mid-blob", "ok", "blob")
def _(h):
    if cut_first(h):
        return True
    if h.has_token():
        return False
    h.challenge([h.bearer()])


@fault("challenge-stranger-mid-blob", "fail", "blob")
def _(h):
    if not cut_first(h):
        h.challenge([h.bearer(realm=h.stranger + "/token/x")])


def tokens(name, must, status, body):
    """Asks for a token, and this is what the token server says."""
    @fault("token-" + name, must, "any")
    def _(h):
        if h.has_token():
            return False
        h.challenge([h.bearer(realm=h.home + "/token/%s-answer" % h.fault)])

    @fault("token-" + name + "-answer", None, "token")
    def _(h):
        if isinstance(body, list):
            turn = times(h.fault)
            h.answer(status[min(turn, len(status)) - 1], body[min(turn, len(body)) - 1])
        else:
            h.answer(status, body)


tokens("access", "ok", 200, b'{"access_token":"token-CANARY-2"}')
tokens("array", "fail", 200, b'["token-CANARY-2"]')
tokens("missing", "fail", 200, b"{}")
tokens("empty", "fail", 200, b'{"token":""}')
tokens("null", "fail", 200, b'{"token":null}')
tokens("number", "fail", 200, b'{"token":12345}')
tokens("html", "fail", 200, b"<html>log in</html>")
tokens("line-break", "fail", 200, b'{"token":"token-CANARY-2\\r\\nX-Injected: yes"}')
tokens("deep", "fail", 200, b'{"token":' + b"[" * 200_000)
tokens("forbidden", "fail", 403, b"no")
tokens("teapot", "fail", 418, b"no")
tokens("long", "fail", 200, b'{"token":"%s"}' % (b"x" * 900_000))
tokens("spaces", "fail", 200, b'{"token":"token CANARY \\u00e9"}')
tokens("error-unfit", "fail", 401, b'{"errors":[{"code":"DENIED","message":"\\u001b[2J\\u0000\\u202eno"}]}')
tokens("no-content", "fail", 204, b"")
tokens("error-once", "ok", [503, 200], [b"", b'{"token":"token-CANARY-2"}'])
for name, lifetime in {"zero": "0", "negative": "-100", "huge": "1e99", "wraps": "99999999999999999999", "text": '"300"',
                       "null": "null", "fraction": "0.5"}.items():
    tokens("lifetime-" + name, "ok", 200, b'{"token":"token-CANARY-2","expires_in":%s,"issued_at":"never"}' % lifetime.encode())


@fault("token-gzip", "fail", "any")
def _(h):
    h.challenge([h.bearer(realm=h.home + "/token/token-gzip-answer")])


@fault("token-gzip-answer", None, "token")
def _(h):
    h.answer(200, gzip.compress(b" " * (1 << 26)), Content_Encoding="gzip")


@fault("token-endless", "fail", "any")
def _(h):
    h.challenge([h.bearer(realm=h.home + "/token/token-endless-answer")])


@fault("token-endless-answer", None, "token")
def _(h):
    h.chunks(trailer=b"")
    for _ in range(1 << 20):
        h.wfile.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")


@fault("token-refused", "fail", "any")
def _(h):
    h.challenge([h.bearer()])
