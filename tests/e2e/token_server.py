"""A token server for the registry tests: python3 token_server.py PORT DIRECTORY

Speaks https with DIRECTORY/tls.crt and tls.key, signs with sign.key (its certificate, sign.crt, is what the registry
trusts), and does what DIRECTORY/mode says at that moment, a line each:
  lifetime=SECONDS   how long the registry takes a token (said is always a minute)
  get=off, post=off  that flow is not there: 405
User "user" with "pass:word" may do everything below team/, everybody may pull from public/. The refresh token is
"refresh-CANARY". Every request is a line of DIRECTORY/log: flow, how it was asked, scopes.
"""
import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.parse

PORT, PLACE = int(sys.argv[1]), pathlib.Path(sys.argv[2])
LEEWAY = 60  # the registry's own idea of how wrong clocks may be


def mode():
    lines = (PLACE / "mode").read_text().split()
    return {"lifetime": "300", "get": "on", "post": "on"} | dict(line.split("=", 1) for line in lines)


def packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def certificate():
    lines = (PLACE / "sign.crt").read_text().strip().split("\n")
    return "".join(lines[1:-1])


def token(user, scopes):
    now = int(time.time())
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":", 2)
        allowed = actions.split(",") if user and name.startswith("team/") else []
        if not allowed and name.startswith("public/") and "pull" in actions.split(","):
            allowed = ["pull"]
        if allowed:
            access.append({"type": kind, "name": name, "actions": allowed})
    claims = {"iss": "test-issuer", "sub": user or "", "aud": "test-registry", "iat": now, "nbf": now - 300,
              "exp": now - LEEWAY + int(mode()["lifetime"]), "jti": str(time.time_ns()), "access": access}
    head = packed(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [certificate()]}).encode())
    body = head + "." + packed(json.dumps(claims).encode())
    signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(PLACE / "sign.key")],
                            input=body.encode(), capture_output=True, check=True).stdout
    return body + "." + packed(signed)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, *words):
        with open(PLACE / "log", "a", encoding="utf-8") as log:
            log.write(" ".join(words) + "\n")

    def answer(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        scopes = [word for scope in query.get("scope", []) for word in scope.split()]
        header = self.headers.get("Authorization", "")
        self.note("GET", "basic" if header else "anonymous", *scopes)
        if mode()["get"] == "off":
            return self.answer(405, {})
        user = None
        if header:
            if base64.b64decode(header.split()[1]).decode() != "user:pass:word":
                return self.answer(401, {})
            user = "user"
        document = {"token": token(user, scopes), "expires_in": 60}
        if user and query.get("offline_token") == ["true"]:
            document["refresh_token"] = "refresh-CANARY"
        return self.answer(200, document)

    def do_POST(self):
        form = urllib.parse.parse_qs(self.body().decode())
        scopes = form.get("scope", [""])[0].split()
        grant = form["grant_type"][0]
        self.note("POST", grant, *scopes)
        if mode()["post"] == "off":
            return self.answer(405, {})
        good = {"password": lambda: (form["username"][0], form["password"][0]) == ("user", "pass:word"),
                "refresh_token": lambda: form["refresh_token"][0] == "refresh-CANARY"}
        if form.get("service") != ["test-registry"] or not form.get("client_id") or not good[grant]():
            return self.answer(401, {})
        document = {"access_token": token("user", scopes), "expires_in": 60}
        if form.get("access_type") == ["offline"]:
            document["refresh_token"] = "refresh-CANARY"
        return self.answer(200, document)


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(PLACE / "tls.crt", PLACE / "tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
