# Images move between torte and a registry, and what others pushed or pull is the same. The registry is Debian's, on
# ports of its own: one plain, one with TLS from a CA made here and passwords.
. "$(dirname "$0")/lib.sh"
need docker-registry curl openssl htpasswd python3
# The registry takes every variable that begins with REGISTRY_ for configuration of its own.
export HOME=$work DOCKER_CONFIG=$work/docker XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run-user
unset REGISTRY_AUTH_FILE
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start_registry NAME PORT [more configuration on standard input]: its log is $work/NAME.log.
start_registry() {
  local name=$1 port=$2
  mkdir -p "$work/$name"
  {
    printf 'version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n' "$work/$name"
    cat
  } >"$work/$name.yml"
  docker-registry serve "$work/$name.yml" >"$work/$name.log" 2>&1 &
  wait_for 20 curl -sko /dev/null "$3://127.0.0.1:$port/v2/"
}

port=$(free_port)
start_registry plain "$port" http <<C
http: {addr: "127.0.0.1:$port"}
C
plain=127.0.0.1:$port

base_image
recipe <<'R'
FROM base
RUN echo ours >/file && mkdir -m 1777 /sticky && rm /bin/vi
RUN head -c 9000000 /dev/urandom >/big
LABEL from=torte
R
ok torte build -t made "$work/context"

step "push packs layers while it sends them, and the digest it prints is that of the registry"
ok torte push --digestfile "$work/digest" made "$plain/team/made:1"
prints "pushed $plain/team/made:1 sha256:"
digest=$(cat "$work/digest")
equal "$(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$plain/v2/team/made/manifests/1" |
         tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" {print $2}')" "$digest" "digest"

step "a second push sends nothing but the manifest"
: >"$work/plain.log"
ok torte push made "$plain/team/made:2"
if grep -q '"PUT /v2/.*blobs' "$work/plain.log"; then fail "it sent blobs again"; fi

step "what was pushed comes back: the same image, under the same digest"
id=$(torte inspect --format '{{.id}}' made)
ok torte rmi made
ok torte prune -a -f
ok torte pull "$plain/team/made:1"
equal "$(torte inspect --format '{{.id}}' "$plain/team/made:1")" "$id" "id"
ok torte run --rm "$plain/team/made:1" sh -c 'cat /file; stat -c %a /sticky; test ! -e /bin/vi && wc -c </big'
prints_line ours
prints_line 1777
prints_line 9000000
ok torte push --digestfile "$work/digest2" "$plain/team/made:1" "$plain/other/made:1"
equal "$(cat "$work/digest2")" "$digest" "digest after a round trip"

step "what is there already is not fetched again"
: >"$work/plain.log"
ok torte pull "$plain/team/made:2"
if grep -q '"GET /v2/.*blobs' "$work/plain.log"; then fail "it fetched blobs again"; fi

step "FROM, COPY --from and run fetch what is missing; --pull=never does not"
ok torte rmi "$plain/team/made:1" "$plain/team/made:2"
recipe <<R
FROM $plain/team/made:1 AS fetched
FROM scratch
COPY --from=$plain/other/made:1 /file /copied
COPY --from=fetched /file /again
R
status 1 torte build --pull=never -t joined "$work/context"
says "is not in the store" "the policy is never"
ok torte build -t joined "$work/context"
ok torte rmi -f "$plain/team/made:1" "$plain/other/made:1"
status 125 torte run --rm --pull=never "$plain/team/made:1" true
ok torte run --rm "$plain/team/made:1" cat /file
prints_line ours

step "an image that is not there, and a registry that is not there, are said to be so"
status 1 torte pull "$plain/team/none:1"
says "is not in the registry" "[registry-not-found]"
status 1 torte pull "127.0.0.1:$(free_port)/none:1"
says "[registry-unreachable]"

step "several processes that want the same image fetch it once"
ok torte rmi -f "$plain/team/made:1"
ok torte prune -a -f
: >"$work/plain.log"
pids=()
for i in 1 2 3 4; do torte pull -q "$plain/team/made:1" >"$work/pull.$i" 2>&1 & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid" || fail "a pull failed: $(cat "$work"/pull.*)"; done
layers=$(torte inspect --raw "$plain/team/made:1" | python3 -c 'import json,sys; print(len({l["digest"] for l in json.load(sys.stdin)["layers"]}))')
gets=$(grep -c '"GET /v2/team/made/blobs/.*" 200' "$work/plain.log" || true)
[ "$gets" -le $((layers + 4)) ] || fail "$gets blobs were fetched, the image has $layers layers"
ok torte fsck

step "TLS from a CA of our own, and passwords"
port=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -days 2 \
  -subj /CN=test-ca 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.csr" \
  -subj /CN=localhost 2>/dev/null
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 -out "$work/tls.crt" \
  -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
htpasswd -Bbn user 'pass:word' >"$work/passwords" 2>/dev/null
start_registry secure "$port" https <<C
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/tls.crt, key: $work/tls.key}}
auth: {htpasswd: {realm: test, path: $work/passwords}}
C
secure=127.0.0.1:$port
mkdir "$work/certs"
cp "$work/ca.crt" "$work/certs/ca.crt"
status 1 torte push "$plain/team/made:1" "$secure/made:1"
says "[registry-certificate]"
status 1 torte push --cert-dir "$work/certs" "$plain/team/made:1" "$secure/made:1"
says "[registry-denied]" "torte login"
status 1 torte push --cert-dir "$work/certs" --creds user:wrong "$plain/team/made:1" "$secure/made:1"
says "[registry-denied]"
ok torte push --cert-dir "$work/certs" --creds user:pass:word "$plain/team/made:1" "$secure/made:1"
ok torte push --tls-verify=false --creds user:pass:word "$plain/team/made:1" "$secure/made:2"

step "login keeps what works, for us and for others; logout forgets it"
status 1 torte login --cert-dir "$work/certs" -u user -p wrong "$secure"
says "[registry-denied]"
printf 'pass:word\n' >"$work/password"
torte login --cert-dir "$work/certs" -u user --password-stdin "$secure" <"$work/password" >"$work/out" 2>"$work/err" ||
  fail "login ended with status $?"
prints "logged in to $secure"
if grep -rq 'pass:word' "$work/config" "$work/out" "$work/err"; then fail "the password is readable as it is"; fi
equal "$(stat -c %a "$work/config/containers/auth.json")" 600 "mode"
ok torte login --get-login "$secure"
prints_line user
ok torte pull --cert-dir "$work/certs" "$secure/made:1"
ok torte logout "$secure"
status 1 torte pull --cert-dir "$work/certs" "$secure/made:1"
says "[registry-denied]"
status 1 torte logout "$secure"

step "certs.d, registries.conf: authorities, mirrors and blocked registries where other tools have them"
mkdir -p "$work/config/containers/certs.d/$secure"
cp "$work/ca.crt" "$work/config/containers/certs.d/$secure/"
ok torte list-tags --creds user:pass:word "$secure/made"
prints_line 1
prints_line 2
cat >"$work/config/containers/registries.conf" <<C
[[registry]]
prefix = "registry.test"
[[registry.mirror]]
location = "127.0.0.1:1"
[[registry.mirror]]
location = "$plain/team"
[[registry]]
prefix = "registry.test/forbidden"
blocked = true
C
ok torte pull registry.test/made:1
says "mirror 127.0.0.1:1/made is passed over"
ok torte run --rm registry.test/made:1 cat /file
prints_line ours
status 1 torte pull registry.test/forbidden/made:1
says "is blocked" "registries.conf"
rm "$work/config/containers/registries.conf"

step "digest, list-tags, copy and delete"
ok torte digest "$plain/team/made:1"
prints_line "$digest"
ok torte copy "docker://$plain/team/made:1" "docker://$plain/copy/made:9"
prints_line "$digest"
ok torte copy "docker://$plain/team/made:1" "oci:$work/layout:made"
ok torte copy "docker://$plain/team/made:1" "oci-archive:$work/made.tar:made"
ok torte copy "oci:$work/layout" "docker://$plain/from-layout:1"
prints_line "$digest"
ok torte copy "oci-archive:$work/made.tar" "store:from-archive"
ok torte run --rm from-archive cat /file
prints_line ours
ok torte delete "$plain/copy/made:9"
status 1 torte digest "$plain/copy/made:9"
status 1 torte list-tags "$plain/team/nothing"

step "a push that is cut off goes on; a pull that is killed keeps what it has"
ok torte rmi -f "$plain/team/made:1" "$plain/team/made:2" registry.test/made:1 "$secure/made:1" from-archive
ok torte prune -a -f
for delay in 0.02 0.05 0.1 0.15 0.2; do
  torte pull -q "$plain/team/made:1" >/dev/null 2>&1 & pid=$!
  sleep "$delay"
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
done
ok torte pull "$plain/team/made:1"
ok torte fsck --deep
ok torte run --rm "$plain/team/made:1" cat /file
prints_line ours
[ -z "$(ls -A "$store/partial" 2>/dev/null)" ] || fail "a partial blob stayed: $(ls "$store/partial")"

step "skopeo and podman read what we pushed, we read what they pushed"
need skopeo
policy=$work/config/containers/policy.json
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$policy"
skopeo_() { skopeo --policy "$policy" "$@"; }
ok skopeo_ inspect --tls-verify=false "docker://$plain/team/made:1"
prints '"from": "torte"'
ok skopeo_ copy --src-tls-verify=false --dest-tls-verify=false --format v2s2 "docker://$plain/team/made:1" "docker://$plain/docker/made:1"
ok torte pull "$plain/docker/made:1"
ok torte run --rm "$plain/docker/made:1" cat /file
prints_line ours
ok torte push --compression zstd "$plain/team/made:1" "$plain/zstd/ours:1"
ok torte rmi -f "$plain/docker/made:1" "$plain/team/made:1"
ok torte prune -a -f
ok torte pull "$plain/zstd/ours:1"
ok torte run --rm "$plain/zstd/ours:1" cat /file
prints_line ours
[ "$(id -u)" = 0 ] || exit 0
need podman
podman_() { env -u DOCKER_CONFIG podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs "$@"; }
ok podman_ pull --tls-verify=false "$plain/team/made:1"
ok podman_ push --tls-verify=false "$plain/team/made:1" "$plain/podman/made:1"
ok torte pull "$plain/podman/made:1"
ok torte run --rm "$plain/podman/made:1" cat /file
prints_line ours
