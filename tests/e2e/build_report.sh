# The report on a build: one page that needs no network, whatever recipe and logs say.
. "$(dirname "$0")/lib.sh"
need python3
base_image
recipe <<'R'
FROM base AS one
RUN --mount=type=secret,id=pass test -s /run/secrets/pass; echo '</script><img src=x onerror=alert(1)>'; printf 'a\342\200\256b \033[31mred\033[0m \377\n'
FROM base
ARG API_TOKEN=none
ARG V=</td><script>alert(2)</script>
RUN seq 1 100000; test "$V"
COPY --from=one /bin/sh /shell
COPY file /<b>
RUN echo '--></script></noscript><svg onload=alert(3)>"'"'" 'é'; test -e '/<b>'
R
echo 1 >"$work/context/file"
printf 'secret-of-the-step' >"$work/secret"
build() { torte build --pull=never -t app --secret "id=pass,src=$work/secret" --build-arg API_TOKEN=hunter-22 "$@" "$work/context"; }

# check.py PAGE: what holds of every page.
cat >"$work/check.py" <<'PY'
import base64, hashlib, html.parser, json, re, sys
bytes_ = open(sys.argv[1], "rb").read()
text = bytes_.decode()
class Page(html.parser.HTMLParser):
    void = {"meta", "link", "input"}
    def __init__(self):
        super().__init__()
        self.open, self.scripts, self.ids, self.tests, self.policy, self.links, self.shown = [], [], set(), set(), None, [], ""
    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag in {"html", "head", "meta", "link", "title", "style", "body", "header", "h1", "p", "span", "dl", "dt", "dd", "nav", "a",
                       "main", "section", "h2", "div", "code", "ul", "li", "pre", "svg", "rect", "path", "text", "table", "thead", "tbody",
                       "tr", "th", "td", "noscript", "label", "select", "option", "input", "button", "ol", "script", "footer", "details", "summary"}, tag
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in ("src", "action", "srcset", "data"), (tag, name)
            if name == "href":
                assert value.startswith("#") or value == "data:,", value
        if "id" in attributes:
            assert attributes["id"] not in self.ids, attributes["id"]
            self.ids.add(attributes["id"])
        self.tests.add(attributes.get("data-testid"))
        if attributes.get("http-equiv") == "Content-Security-Policy": self.policy = attributes["content"]
        if tag == "a": self.links.append(attributes["href"])
        if tag == "script": self.scripts.append([attributes, ""])
        if tag not in self.void: self.open.append(tag)
    def handle_endtag(self, tag):
        if tag == "tr":  # ends its last cell
            while self.open[-1] == "td": self.open.pop()
        elif tag == "td": return
        assert self.open.pop() == tag, tag
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()
    def handle_data(self, data):
        if self.open[-1:] == ["script"]: self.scripts[-1][1] += data
        elif self.open[-1:] != ["style"]: self.shown += data
page = Page()
page.feed(re.sub(r"<td[^>]*>", lambda m: m.group(0), text))
page.close()
while page.open and page.open[-1] == "td": page.open.pop()
assert not page.open, page.open
assert len(page.scripts) == 2 and page.scripts[0][0] == {"type": "application/json", "id": "data"}, [s[0] for s in page.scripts]
digest = base64.b64encode(hashlib.sha256(page.scripts[1][1].encode()).digest()).decode()
assert "default-src 'none'" in page.policy and f"script-src 'sha256-{digest}'" in page.policy, page.policy
assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]", text), "control characters"
assert "://" not in text and "@import" not in text and "url(" not in text, "it may ask a network"
for link in page.links:
    target = link[1:]
    assert target in page.ids, link
logs = json.loads(page.scripts[0][1])["logs"]
assert {"summary", "steps", "steps-table", "timeline", "graph", "graph-chart", "layers", "inputs", "logs"} <= page.tests, page.tests
rest = len(bytes_) - len(page.scripts[0][1])
assert rest < 300 * 1024, rest
assert len(page.scripts[1][1]) < 60 * 1024
PY
# page FILE SCRIPT: the checks of every page and those of this one.
page() {
  python3 -c "exec(open('$work/check.py').read()); $2" "$1" >"$work/out" 2>"$work/err" || fail "not the page it should be"
}

step "build --report: the page of a build that went well"
mkdir "$work/context/unused"
head -c 2000000 /dev/zero >"$work/context/unused/file"
ok build --report "$work/good.html"
page "$work/good.html" '
assert "100,000" or logs
big = next(l for l in logs.values() if l.count("\n") >= 100000)
assert big.startswith("1\n2\n") and "100000\n" in big
assert any("</script><img src=x onerror=alert(1)>" in l and "\u202e" in l and "\x1b[31m" in l and "\ufffd" in l for l in logs.values())
for word in ("app", "RUN seq 1 100000", "COPY --from=one", "never built here", "SecretsUsedInArgOrEnv", "pass", "API_TOKEN"):
    assert word in page.shown, word
assert "/bin/busybox" in page.shown, "no files of layers"
assert "of which steps use" in page.shown and "unused  1.9 MiB" in page.shown, "nothing of the context"
assert "timeline-chart" in page.tests and "layers-table" in page.tests'
! grep -qF -e hunter-22 -e secret-of-the-step "$work/good.html" || fail "a secret is in the page"

step "builds report: the same page afterwards"
ok torte builds report -o - last
cmp "$work/out" "$work/good.html" || fail "the page of the record is another one"
cd "$work"
ok torte builds report
[ -s "$work/$(torte builds ls -q | head -n 1).html" ] || fail "no page by the build's id"
cd /

step "builds export: the record and the logs as a tar"
ok torte builds export last -o "$work/build.tar"
mkdir "$work/exported"
tar -C "$work/exported" -xf "$work/build.tar"
equal "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["tag"])' "$work/exported/record.json")" app "tag of the record"
equal "$(cat "$work"/exported/step-*.log | grep -c 100000)" 1 "lines of the logs"
ok torte builds export -o -
cmp "$work/out" "$work/build.tar" || fail "it is another one on standard output"
status 1 torte builds export nothing
says "[build-missing]"

step "a secret that a step prints is in neither log, page, trace nor export"
recipe printing <<'R'
FROM base
RUN --mount=type=secret,id=pass cat /run/secrets/pass; cut -c 1-9 </run/secrets/pass | tr -d '\n'; cut -c 10- </run/secrets/pass
R
ok torte build --pull=never --secret "id=pass,src=$work/secret" -f "$work/context/printing" \
  --report "$work/printed.html" --trace "$work/printed.json" "$work/context"
says "pass was printed" "***"
says_not secret-of-the-step
ok torte builds export -o "$work/printed.tar"
! grep -qF secret-of-the-step "$work/printed.html" "$work/printed.json" "$work/printed.tar" || fail "the secret is there"

step "layers: their largest files, hidden ones too, by whatever name"
recipe hiding <<'R'
FROM base
RUN head -c 3000000 /dev/zero >'/<td><script>alert(4)<script>'
RUN rm /*alert*
R
ok torte build --pull=never -f "$work/context/hiding" --report "$work/hiding.html" "$work/context"
page "$work/hiding.html" '
assert "/<td><script>alert(4)<script> 2.9 MiB, hidden" in page.shown, page.shown'

step "a build that fails: the error, the last lines, the reasons, readable without the script"
echo 2 >"$work/context/file"
sed -i 's|^RUN echo .--.*|&; exit 3|' "$work/context/Recipe"
status 1 build --report "$work/bad.html"
page "$work/bad.html" '
for word in ("RUN failed with status 3", "[run-failed]", "Recipe:9", "changed input", "follows from", "--></script></noscript><svg onload=alert(3)>"):
    pass
assert "Failed" in page.shown and "[run-failed]" in page.shown and "Recipe:9" in page.shown
assert "--></script></noscript><svg onload=alert(3)>\"" in page.shown
assert "file file: digest=" in page.shown and "failure" in page.tests'

step "a build that never began, and one of --target with --check"
recipe lacking <<'R'
FROM nothing-of-<this>-name
R
status 1 build -f "$work/context/lacking" --report "$work/none.html"
[ -s "$work/none.html" ] || fail "no page"
status 2 build --check --report "$work/x.html"
status 2 build --report "$work/nowhere/x.html"
says "there is no such directory"

step "500 steps with texts that would end what they stand in, and a log longer than a page has room for"
id=0fffffff000-0a0b0c0d
mkdir "$store/builds/$id"
python3 - "$store/builds/$id" <<'PY'
import json, sys
evil = "</td></table></script><img src=x onerror=alert(1)>\"' &lt; \u202e\u2028 \u0000 " + "x" * 300
steps = [{"step": i, "stage": f"s{i // 50}<b>", "index": i % 50 + 1, "count": 50, "text": "RUN " + evil, "line": i, "result": "done",
          "start": i / 10 + 0.1, "seconds": 0.3, "needs": [j for j in (i - 1, i - 50) if j >= 0],
          "phases": [{"phase": "queued", "start": i / 10 + 0.15}, {"phase": "run", "start": i / 10 + 0.2}, {"phase": "commit", "start": i / 10 + 0.35}],
          "misses": [{"reason": evil, "component": "env " + evil, "old": evil, "new": evil + "2"}]} for i in range(500)]
json.dump({"id": evil, "recipe": evil, "context": evil, "tag": evil, "platform": evil, "started": evil, "seconds": 51, "succeeded": False,
           "error": evil, "errorId": evil, "errorPlace": evil, "errorFacts": [evil], "errorHelps": [evil], "image": evil,
           "images": {evil: evil}, "sources": {evil: evil}, "secrets": [evil], "arguments": [evil], "steps": steps,
           "warningTexts": [{"id": evil, "text": evil, "line": 3}], "transfers": [{"what": evil, "start": 1, "seconds": 2, "bytes": 3}],
           "activities": [{"what": evil, "start": 1, "seconds": 2}],
           "contextUse": {"bytes": 5, "usedBytes": 7, "unused": [{"path": evil, "bytes": 3}]},
           "layers": [{"diffId": evil, "bytes": 10**i, "madeBy": evil, "base": False} for i in range(18)]}, open(sys.argv[1] + "/record.json", "w"))
with open(sys.argv[1] + "/step-7.log", "wb") as log:
    log.write(b"first line\n" + b"</script><!-- \xe2\x80\xae\n" * 400000 + b"last line\n")
PY
ok torte builds report "$id" -o "$work/evil.html"
page "$work/evil.html" '
assert len(logs["7"]) < 3 << 20 and logs["7"].startswith("first line\n") and logs["7"].endswith("last line\n")
assert "bytes are left out here" in logs["7"]
assert sum(i.startswith("step=") for i in page.ids) == 500'
ok torte explain "$id"
ok torte builds trace "$id" -o "$work/evil.json"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/evil.json"

step "a log that is a link leads nowhere"
printf 'not-for-the-page' >"$work/private"
rm "$store/builds/$id/step-7.log"
ln -s "$work/private" "$store/builds/$id/step-7.log"
torte builds report "$id" -o "$work/link.html" >"$work/out" 2>"$work/err" </dev/null || true
[ ! -e "$work/link.html" ] || ! grep -q not-for-the-page "$work/link.html" || fail "the page shows what the link leads to"
