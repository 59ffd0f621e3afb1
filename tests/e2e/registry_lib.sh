# shellcheck shell=bash
# Sourced after lib.sh by the tests that talk to a registry: Debian's docker-registry, on ports of its own. Credentials
# and settings are those of the test alone.
need docker-registry curl python3
# The registry takes every variable that begins with REGISTRY_ for configuration of its own.
export HOME=$work DOCKER_CONFIG=$work/docker XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run-user
unset REGISTRY_AUTH_FILE
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start_registry NAME PORT SCHEME: more configuration comes on standard input; its log is $work/NAME.log.
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

# plain_registry: one without TLS and passwords, at $plain; it logs to $work/plain.log.
plain_registry() {
  local port
  port=$(free_port)
  start_registry plain "$port" http <<C
http: {addr: "127.0.0.1:$port"}
C
  plain=127.0.0.1:$port
}

# make_certificate: $work/ca.crt, and tls.crt with tls.key for this machine.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -days 2 \
    -subj /CN=test-ca 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.csr" \
    -subj /CN=localhost 2>/dev/null
  openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 -out "$work/tls.crt" \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
}

# fetched_blobs: a line "DIGEST STATUS BYTES" for each GET of a blob in $work/plain.log.
fetched_blobs() {
  sed -nE 's|.*"GET /v2/[^ ]*/blobs/(sha256:[0-9a-f]+) HTTP/1.1" ([0-9]+) ([0-9]+) .*|\1 \2 \3|p' "$work/plain.log"
}
# fetched_bytes: all of them.
fetched_bytes() { fetched_blobs | awk '{ n += $3 } END { print n + 0 }'; }
# layers_of NAME: a line "DIGEST SIZE" for each layer of an image of the store.
layers_of() {
  torte inspect --raw "$1" | python3 -c 'import json,sys
for digest, size in {l["digest"]: l["size"] for l in json.load(sys.stdin)["layers"]}.items(): print(digest, size)'
}
# torte_process ARGUMENT... &: the process itself is what $! names, not a shell around it.
torte_process() { exec "$TORTE" --root "$store" --run-root "$work/run" "$@"; }
