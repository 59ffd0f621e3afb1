# What a recipe takes from elsewhere: URLs, git repositories, layouts, archives, standard input, SSH agents.
. "$(dirname "$0")/lib.sh"
need python3 git
base_image
mkdir -p "$work/context" "$work/web"
build() { torte build --pull=never -t out "$@" "$work/context"; }
in_image() { ok torte run --rm out "$@"; }

# A small web server that knows Last-Modified, ETag, tokens, and counts what it was asked.
cat >"$work/server.py" <<'PY'
import email.utils, http.server, os, sys
root = sys.argv[1]
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def __init__(self, *a): super().__init__(*a, directory=root)
    def note(self, status):
        with open(root + "/../requests", "a") as log: log.write(f"{status} {self.path} {self.headers.get('Authorization', '')}\n")
    def send_response(self, code, message=None):
        self.note(code)
        super().send_response(code, message)
    def do_GET(self):
        if self.path.startswith("/moved"):
            self.send_response(302); self.send_header("Location", "/file.txt"); self.send_header("Content-Length", "0"); self.end_headers(); return
        if self.path.startswith("/private") and self.headers.get("Authorization") != "Bearer hunter2-token":
            self.send_response(401); self.send_header("Content-Length", "0"); self.end_headers(); return
        if self.path.startswith("/flaky"):
            left = int(open(root + "/../faults").read())
            if left > 0:
                open(root + "/../faults", "w").write(str(left - 1))
                self.send_response(503); self.send_header("Content-Length", "0"); self.end_headers(); return
            self.path = "/file.txt"
        super().do_GET()
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[2], "w").write(str(server.server_port))
server.serve_forever()
PY
export no_proxy=127.0.0.1
echo hello >"$work/web/file.txt"
touch -d '2020-02-02 00:00:00 UTC' "$work/web/file.txt"
cp "$work/web/file.txt" "$work/web/private.txt"
python3 "$work/server.py" "$work/web" "$work/port" &
wait_for 20 test -s "$work/port"
url=http://127.0.0.1:$(cat "$work/port")
sum=$(sha256sum "$work/web/file.txt" | cut -d' ' -f1)
asked() { grep -c "^$1 $2" "$work/requests" 2>/dev/null || true; }

step "ADD of a URL: name, mode, owner and time (7.9)"
recipe <<R
FROM base
ADD $url/file.txt?x=1 /dir/
ADD --chmod=644 --chown=guest $url/moved /named
R
ok build
in_image stat -c '%n %a %u %Y' /dir/file.txt /named
guest=1000
[ "${TORTE_AS:-root}" = user ] && guest=0  # there is one id only
prints "/dir/file.txt 600 0 1580601600" "/named 644 $guest 1580601600"

step "--retry and --retry-delay: a server that fails for a while"
recipe <<R
FROM base
ADD $url/flaky /
R
echo 4 >"$work/faults"
status 1 build --retry 3 --retry-delay 1ms
says "/flaky: the server answered 503" "Recipe:2:5"
echo 4 >"$work/faults"
ok build --retry 4 --retry-delay 1ms
status 2 build --retry many
says "--retry"
recipe <<R
FROM base
ADD $url/file.txt?x=1 /dir/
ADD --chmod=644 --chown=guest $url/moved /named
R

step "again: a conditional request and no step"
: >"$work/requests"
ok build --progress plain
says "2/3"
equal "$(asked 304 /file.txt)" 2 "conditional requests"
equal "$(asked 200 /file.txt)" 0 "downloads"

step "other content: the step runs again"
echo other >"$work/web/file.txt"
ok build --explain
in_image cat /dir/file.txt
prints_line other
echo hello >"$work/web/file.txt"
touch -d '2020-02-02 00:00:00 UTC' "$work/web/file.txt"

step "--checksum is checked, and needs no network the second time"
recipe <<R
FROM base
ADD --checksum=sha256:$sum $url/file.txt /a
R
ok build
: >"$work/requests"
ok build
equal "$(asked 304 /file.txt)$(asked 200 /file.txt)" 00 "requests"
recipe <<R
FROM base
ADD --checksum=sha256:$(printf %064d 7) $url/file.txt /a
R
status 1 build
says "[checksum-mismatch]" "sha256:$sum" "Recipe:2"
recipe <<R
FROM base
ADD --checksum=sha256:$sum local /a
R
status 1 build
says "[checksum-not-remote]"

step "a URL without a name, a missing one, and one that wants a token"
printf 'FROM base\nADD %s/ /dir/\n' "$url" >"$work/context/Recipe"
status 1 build
says "[url-without-name]"
printf 'FROM base\nADD %s/nowhere /dir/\n' "$url" >"$work/context/Recipe"
status 1 build
says "404" "[download-failed]" "Recipe:2"
printf 'FROM base\nADD %s/private.txt /dir/\n' "$url" >"$work/context/Recipe"
status 1 build
says "401" "HTTP_AUTH_TOKEN_127.0.0.1"
token=hunter2-token ok build --secret "id=HTTP_AUTH_TOKEN_${url#http://},env=token"

step "--unpack, and archives beside files and URLs in one line"
mkdir -p "$work/t/in" && echo packed >"$work/t/in/f" && tar -C "$work/t" -czf "$work/web/a.tgz" in
cp "$work/web/a.tgz" "$work/context/local.tgz"
echo plain >"$work/context/plain"
recipe <<R
FROM base
ADD $url/a.tgz /kept/
ADD --unpack $url/a.tgz /unpacked/
ADD --unpack=false local.tgz /whole/
ADD local.tgz plain $url/file.txt /mixed/
R
ok build
in_image sh -c 'ls /kept /unpacked /whole; cat /unpacked/in/f /mixed/in/f /mixed/plain /mixed/file.txt'
prints "a.tgz" "in" "local.tgz" "packed" "plain" "hello"

step "ADD of a git repository (7.10): branch, tag, commit, directory, .git"
mkdir -p "$work/git/project/docs"
g() { git -C "$work/git/project" -c user.name=a -c user.email=a@b "$@"; }
g init -q -b main
echo one >"$work/git/project/docs/text" && echo '#!/bin/sh' >"$work/git/project/run" && chmod 755 "$work/git/project/run"
ln -s docs/text "$work/git/project/link"
g add . && GIT_COMMITTER_DATE='2021-03-04 00:00:00 +0000' g commit -q -m one
g tag -a v1 -m v1
first=$(g rev-parse HEAD)
echo two >"$work/git/project/docs/text" && g commit -q -a -m two
git clone -q --bare "$work/git/project" "$work/web/project.git"
git -C "$work/web/project.git" update-server-info
repository=$url/project.git
recipe <<R
FROM base
ADD $repository /main/
ADD $repository#v1 /tag/
ADD $repository#$first:docs /commit/
ADD --keep-git-dir=true $repository?tag=v1 /kept/
ADD --checksum=${first:0:12} $repository#v1 /sum/
R
ok build
in_image sh -c 'cat /main/docs/text /tag/docs/text /commit/text; stat -c "%a %u" /main/run /main/docs/text; ls -d /main/.git /kept/.git; readlink /main/link'
prints "two" "one" "755 0" "644 0" "/kept/.git" "docs/text"
prints_not "/main/.git"
: >"$work/requests"
ok build --progress plain
grep -q "objects" "$work/requests" && fail "what was checked out was fetched again"
printf 'FROM base\nADD --checksum=%s %s#main /x/\n' "${first:0:12}" "$repository" >"$work/context/Recipe"
status 1 build
says "[git-checksum]"
printf 'FROM base\nADD %s#nothing /x/\n' "$repository" >"$work/context/Recipe"
status 1 build
says "[git-ref-missing]" "Recipe:2"
printf 'FROM base\nADD %s?what=1 /x/\n' "$repository" >"$work/context/Recipe"
status 1 build
says "unknown key"

step "contexts: git, a tar and a recipe on the web, standard input (9.1)"
mkdir -p "$work/ctx/sub"
printf 'FROM base\nCOPY . /ctx/\n' | tee "$work/ctx/Dockerfile" >"$work/ctx/sub/Other"
echo '*' >"$work/ctx/.dockerignore"
echo data >"$work/ctx/data"
tar -C "$work/ctx" -czf "$work/web/ctx.tar.gz" .
ok torte build --pull=never -t out "$url/ctx.tar.gz"
in_image cat /ctx/data
prints_line data
ok torte build --pull=never -t out -f sub/Other "$url/ctx.tar.gz"
torte build --pull=never -t out - <"$work/web/ctx.tar.gz" >"$work/out" 2>"$work/err" || fail "context on standard input"
in_image cat /ctx/data
printf 'FROM base\nRUN echo from-stdin >/s\n' | torte build --pull=never -t out - >"$work/out" 2>"$work/err" || fail "recipe on standard input"
in_image cat /s
prints_line from-stdin
printf 'FROM base\nCOPY data /d\n' | torte build --pull=never -t out -f - --ignorefile /dev/null "$work/ctx" >"$work/out" 2>"$work/err" && fail "/dev/null is no file"
: >"$work/no-rules"
printf 'FROM base\nCOPY data /d\n' | torte build --pull=never -t out -f - --ignorefile "$work/no-rules" "$work/ctx" >"$work/out" 2>"$work/err" || fail "recipe on standard input with a context"
cp "$work/ctx/Dockerfile" "$work/web/Remote"
ok torte build --pull=never -t out "$url/Remote"
in_image ls /ctx
prints "Remote"
ok torte build --pull=never -t out -f "$url/Remote" "$work/context"
g init -q && cp "$work/ctx/Dockerfile" "$work/git/project/docs/Dockerfile" && g add . && g commit -q -m recipe
rm -rf "$work/web/project.git" && git clone -q --bare "$work/git/project" "$work/web/project.git"
git -C "$work/web/project.git" update-server-info
ok torte build --pull=never -t out "$repository#main:docs"
in_image cat /ctx/text
prints_line two

step "named contexts (S9): directory, web, git, layout, image; also as a base"
ok torte save --format oci-dir -o "$work/layout" base
mkdir -p "$work/named" && echo ignored >"$work/named/no" && echo named >"$work/named/yes" && echo no >"$work/named/.dockerignore"
recipe <<'R'
FROM dir AS from-dir
FROM layout AS from-layout
COPY --from=dir . /dir/
COPY --from=web in/f /web
COPY --from=git docs/text /git
COPY --from=from-dir /yes /yes
RUN --mount=from=image,target=/mnt test -x /mnt/bin/sh
R
named=(--build-context dir="$work/named" --build-context web="$url/a.tgz" --build-context git="$repository#v1"
  --build-context layout="oci-layout://$work/layout" --build-context image=docker-image://base)
ok build "${named[@]}"
in_image sh -c 'ls /dir; cat /web /git /yes'
prints "yes" "packed" "one" "named"
prints_not "no"
recipe <<'R'
FROM nowhere-at-all AS build
RUN false
FROM base
COPY --from=build /yes /yes
R
ok build --build-context build="$work/named"

step "--policy: every source is judged before it is touched; converted, denied, told with the line"
rule() { printf '{"action": "%s", "selector": {"identifier": "%s"}%s}' "$1" "$2" "${3:+, \"updates\": $3}"; }
rules() { local IFS=,; printf '{"version": 1, "rules": [%s]}' "$*" >"$work/policy"; }
recipe <<R
FROM base AS first
FROM other
ADD $url/file.txt /file
ADD $repository#v1 /git/
COPY --from=dir yes /
R
judged() { build --policy "$work/policy" --build-context dir="$work/named" "$@"; }
other="docker-image://docker.io/library/other:latest"
from_git="git://${repository#http://}#v1"
rules "$(rule CONVERT "$other" '{"identifier": "docker-image://base"}')" "$(rule CONVERT "$from_git" "{\"identifier\": \"${from_git%#*}#main\"}")"
: >"$work/requests"
ok judged --metadata-file "$work/meta"
says "$other is docker-image://base by rule 1 of $work/policy"
in_image cat /git/docs/text
prints_line two
grep -q '"docker.io/library/base:latest' "$work/meta" || fail "the metadata names another base image"
: >"$work/requests"
rules "$(rule CONVERT "$other" '{"identifier": "docker-image://base"}')" "$(rule DENY "$url/*")"
status 1 judged
says "source $url/file.txt is denied by rule 2 of $work/policy ($url/*)" "[source-denied]" "Recipe:3:5"
rules "$(rule CONVERT "$other" '{"identifier": "docker-image://base"}')" "$(rule DENY "git://*")"
status 1 judged
says "source $from_git is denied" "Recipe:4:5"
equal "$(asked 200 /project.git)" 0 "requests for what is denied"
rules "$(rule DENY "docker-image://*")"
status 1 build --source-policy-file "$work/policy"
says "source $other is denied by rule 1" "Recipe:2:6"
rules "$(rule DENY "local://dir")" "$(rule CONVERT "$other" '{"identifier": "docker-image://base"}')"
status 1 judged
says "--build-context dir: source local://dir is denied"
rules "$(rule DENY "local://context")"
status 1 judged
says "source local://context is denied"
status 1 judged --check
says "source local://context is denied"
rules "$(rule CONVERT "$other" '{"identifier": "docker-image://base"}')" "$(rule CONVERT "$url/file.txt" '{"attrs": {"http.checksum": "sha256:00"}}')"
status 1 judged
says "[checksum-mismatch]"
rules "$(rule DENY "$url/file.txt")"
recipe <<R
FROM base
ADD $url/moved /named
R
: >"$work/requests"
status 1 judged
says "source $url/file.txt is denied" "Recipe:2:5"
equal "$(asked 302 /moved)$(asked 200 /file.txt)" 10 "requests for what a redirect leads to"
rules "$(rule CONVERT "$url/file.txt" "{\"identifier\": \"$url/private.txt\"}")"
status 1 judged
says "401"
rules "$(rule DENY "docker-image://*")" "$(rule ALLOW "docker-image://docker.io/*")"
status 1 judged --cache-from "type=registry,ref=${url#http://}/cache"
says "source docker-image://${url#http://}/cache" "is denied"

step "--policy: submodules are asked about, in checkouts of earlier builds too"
mkdir -p "$work/git/inner" "$work/git/outer"
for part in inner outer; do
  (cd "$work/git/$part" && git init -q -b main && echo $part >text && git add . && git -c user.name=a -c user.email=a@b commit -q -m one)
done
publish() { rm -rf "$work/web/$1.git" && git clone -q --bare "$work/git/$1" "$work/web/$1.git" && git -C "$work/web/$1.git" update-server-info; }
publish inner
(cd "$work/git/outer" && git -c protocol.file.allow=always submodule --quiet add "$work/web/inner.git" 'a part' &&
  git config -f .gitmodules 'submodule.a part.url' ../inner.git && git add . && git -c user.name=a -c user.email=a@b commit -q -m two)
publish outer
recipe <<R
FROM base
ADD $url/outer.git /git/
R
inner="git://${url#http://}/inner.git"
rules "$(rule DENY "$inner")"
: >"$work/requests"
status 1 judged
says "source $inner is denied" "Recipe:2:5"
equal "$(asked 200 /inner.git)" 0 "requests for a denied submodule"
ok build
in_image cat "/git/a part/text"
prints_line inner
status 1 judged
says "source $inner is denied"
rules "$(rule ALLOW "*")"
ok judged --no-cache

rules "$(rule FORBID "*")"
status 1 judged
says "rule 1 of $work/policy: action is ALLOW, DENY, CONVERT"

step "--build-arg-file: the command line wins"
printf '# values\nA=1\n\nB=2\n' >"$work/args"
printf 'FROM base\nARG A\nARG B\nRUN echo $A$B >/args\n' >"$work/context/Recipe"
ok build --build-arg-file "$work/args" --build-arg B=3
in_image cat /args
prints_line 13

step "type=ssh: an agent's keys can be used and not changed; key files; required"
if command -v ssh-agent ssh-add ssh-keygen >/dev/null; then
  ssh-keygen -q -t ed25519 -N '' -C tester -f "$work/key"
  printf 'FROM base\nRUN --mount=type=ssh,required test -S "$SSH_AUTH_SOCK" && echo "$SSH_AUTH_SOCK" >/sock\n' >"$work/context/Recipe"
  status 1 build
  says "[ssh-missing]" "--ssh default"
  ok build --ssh default="$work/key"
  in_image cat /sock
  prints_line /run/buildkit/ssh_agent.0
  in_image ls /run
  prints_not buildkit
fi
ok torte fsck
