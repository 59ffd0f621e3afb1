# A registry as the memory of builds on several machines: what one machine ran, another with an empty store takes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
plain_registry
cache=type=registry,ref=$plain/cache

base_image
ok torte push base "$plain/base:latest"
echo content >"$work/context.file"
recipe <<R
FROM $plain/base AS tools
RUN echo tool >/tool && head -c 3000000 /dev/urandom >/unlike
FROM $plain/base
RUN date +%s%N >/when
COPY file /file
COPY --from=tools /tool /tool
RUN cat /file /tool >/both
R
echo content >"$work/context/file"
cp "$work/context/Recipe" "$work/recipe"

step "a build fills the cache, and a build in an empty store runs nothing"
ok torte build --cache-to "$cache,mode=max" -t made "$work/context"
id=$(torte inspect --format '{{.id}}' made)
when=$(torte run --rm made cat /when)
ok torte push made "$plain/first/made:1"
layers_of made | cut -d' ' -f1 | sort -u >"$work/layers"
store=$work/second
: >"$work/plain.log"
ok torte build --cache-from "$cache" -t made "$work/context"
says "7 of 7 cached"
# fetched_layers: how many layers of the image came from the registry.
fetched_layers() { fetched_blobs | grep -cFf "$work/layers" || true; }
equal "$(fetched_layers)" 0 "layers fetched by a build that runs nothing"
equal "$(ls -A "$store/layers")" "" "layers in the store"

step "layers that have not come: looked at, checked, kept, pushed within the registry and to another, dropped"
ok torte images
prints made
ok torte inspect made
ok torte history made
ok torte tree made
prints " (not fetched)"
ok torte fsck --deep
ok torte prune -f
ok torte df
: >"$work/plain.log"
ok torte push made "$plain/pushed/made:1"
equal "$(grep -c 'PUT /v2/pushed/made/blobs' "$work/plain.log")" 1 "blobs sent, the configuration alone"
equal "$(fetched_layers)" 0 "layers fetched by a push within the registry"
other_port=$(free_port)
start_registry other "$other_port" http <<C
http: {addr: "127.0.0.1:$other_port"}
C
ok torte push made "127.0.0.1:$other_port/made:1"
equal "$(ls -A "$store/layers")" "" "layers in the store"
ok torte build --push --cache-from "$cache" -t "$plain/pushed/again:1" "$work/context"
equal "$(grep -c 'PUT /v2/pushed/again/blobs' "$work/plain.log")" 1 "blobs sent by a build --push that runs nothing"
equal "$(ls -A "$store/layers")" "" "layers in the store"

step "they come when they are needed: all at once, and each once"
: >"$work/plain.log"
ok torte run --rm made cat /when
prints_line "$when"
equal "$(torte inspect --format '{{.id}}' made)" "$id" "image"
equal "$(fetched_layers)" "$(grep -c . "$work/layers")" "layers fetched by run"
ok torte fsck --deep
store=$work/saving
ok torte pull "127.0.0.1:$other_port/made:1"
equal "$(torte inspect --format '{{.id}}' "127.0.0.1:$other_port/made:1")" "$id" "image that was copied"
ok torte build --cache-from "$cache" -t made "$work/context"
ok torte rmi -f made "127.0.0.1:$other_port/made:1"
ok torte prune -a -f
ok torte build --cache-from "$cache" -t made "$work/context"
ok torte save --format oci-archive -o "$work/made.tar" made
ok torte load -i "$work/made.tar" --tag loaded
equal "$(torte inspect --format '{{.id}}' loaded)" "$id" "image that was saved"
ok torte fsck --deep

step "a step that must run has what is below it"
store=$work/extended
cp "$work/context/Recipe" "$work/context/more"
echo 'RUN cat /both /when' >>"$work/context/more"
ok torte build --cache-from "$cache" -f "$work/context/more" -t more "$work/context"
says "7 of 8 cached"
store=$work/entry

step "an entry is an ordinary image"
tag=$(curl -s "http://$plain/v2/cache/tags/list" | python3 -c 'import json,sys; print(json.load(sys.stdin)["tags"][0])')
ok torte pull "$plain/cache:$tag"

step "finished steps of a build that fails are in the cache"
recipe <<R
FROM $plain/base
RUN date +%s%N >/early
RUN false
R
status 1 torte build --cache-to "$cache" --cache-to "$cache,mode=max" -t broken "$work/context"
store=$work/third
sed -i 's/RUN false/RUN cat \/early/' "$work/context/Recipe"
: >"$work/plain.log"
ok torte build --cache-from "$cache" -t mended "$work/context"
says "2 of 3 cached"

step "a cache that is not there, or holds something else, costs nothing but a word"
store=$work/fourth
ok torte build --cache-from "type=registry,ref=127.0.0.1:1/none" --cache-to "type=registry,ref=127.0.0.1:1/none,ignore-error=true" \
  -t alone "$work/context"
says "the build itself is not affected"
equal "$(grep -c "is passed over" "$work/err")" 1 "notes about a source that does not answer"
ok torte rmi alone
status 1 torte build --retry 0 --cache-to "type=registry,ref=127.0.0.1:1/none" -t alone "$work/context"
says "cache to 127.0.0.1:1/none"
ok torte inspect alone
printf 'FROM scratch\nRUN nothing\n' >"$work/context/failing"
status 1 torte build --no-cache --cache-to "type=registry,ref=127.0.0.1:1/none" -f "$work/context/failing" "$work/context"
says_not "cache to"

step "several sources are asked, and the one that knows is enough; a build from the cache asks little"
cp "$work/recipe" "$work/context/Recipe"
store=$work/several
: >"$work/plain.log"
ok torte build --cache-from "type=registry,ref=127.0.0.1:1/none" --cache-from "type=registry,ref=$plain/empty" --cache-from "$cache" \
  -t made "$work/context"
says "7 of 7 cached"
store=$work/counted
: >"$work/plain.log"
ok torte build --cache-from "$cache" -t made "$work/context"
says "7 of 7 cached"
requests=$(grep -c '"[A-Z]* /v2/[^ ]* HTTP' "$work/plain.log")
[ "$requests" -le 24 ] || fail "7 steps took $requests requests"
status 2 torte build --cache-to "type=registry" "$work/context"
status 1 torte build --cache-to "type=s3,bucket=b" "$work/context"
says "not built"

step "what can be known before anything runs is asked for at once, not step by step"
line_port=$(free_port)
: >"$work/line"
python3 "$here/slow_line.py" "$line_port" "http://$plain" "$work/line" "$work/line.log" 2>"$work/slow_line.err" &
wait_for 20 curl -so /dev/null "http://127.0.0.1:$line_port/v2/"
{
  echo "FROM $plain/base"
  for n in $(seq 20); do echo "RUN echo $n >/$n"; done
} >"$work/context/Recipe"
store=$work/row.1
ok torte build --cache-to "type=registry,ref=127.0.0.1:$line_port/row,mode=max" -t row "$work/context"
id=$(torte inspect --format '{{.id}}' row)
store=$work/row.2
# The proxy answers none of them before sixteen have come: in a row they would wait for ever.
echo gather=$(($(grep -c '/manifests/k1-' "$work/line.log") + 16)) >"$work/line"
: >"$work/line.log"
ok torte build --retry 0 --cache-from "type=registry,ref=127.0.0.1:$line_port/row" -t row "$work/context"
says "21 of 21 cached"
equal "$(torte inspect --format '{{.id}}' row)" "$id" "image"
equal "$(grep -c '/manifests/k1-' "$work/line.log")" 20 "questions, one a step"
: >"$work/line"
sed -i 's/echo 11 /echo eleven /' "$work/context/Recipe"
store=$work/row.3
: >"$work/line.log"
ok torte build --cache-from "type=registry,ref=127.0.0.1:$line_port/row" -t row "$work/context"
says "11 of 21 cached"
equal "$(grep -c '/manifests/k1-' "$work/line.log")" 20 "questions where half is not there"
cp "$work/recipe" "$work/context/Recipe"

step "a directory is a cache too, and an OCI layout that others read; what is in it comes when it is needed"
cp "$work/recipe" "$work/context/Recipe"
store=$work/local.1
ok torte build --cache-to "type=local,dest=$work/cache,mode=max" -t made "$work/context"
id=$(torte inspect --format '{{.id}}' made)
store=$work/local.2
ok torte build --cache-from "type=local,src=$work/cache" -t made "$work/context"
says "7 of 7 cached"
equal "$(torte inspect --format '{{.id}}' made)" "$id" "image"
equal "$(ls -A "$store/layers")" "" "layers in the store"
ok torte run --rm made cat /both
prints_line content
ok torte fsck --deep
if command -v skopeo >/dev/null; then
  tag=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"])' "$work/cache/index.json")
  ok skopeo inspect --raw "oci:$work/cache:$tag"
fi
recipe lacking <<'R'
FROM scratch
COPY lacked /elsewhere
R
echo 1 >"$work/context/lacked"
ok torte build --cache-from "type=local,src=$work/cache" --explain -f "$work/context/lacking" "$work/context"
says "not cached: never built here" "not cached: not in $work/cache"
ok torte explain
prints "never built here" "not in $work/cache"
store=$work/local.3
ok torte build --cache-to "type=local,dest=$work/cache" --explain -f "$work/context/lacking" "$work/context"
says "not cached: never built here"
says_not "not cached: not in"
store=$work/local.2
status 2 torte build --cache-to "type=local" "$work/context"
status 2 torte build --cache-from "type=local,dest=$work/cache" "$work/context"

step "an image can tell its own steps"
store=$work/inline.1
ok torte build --push --cache-to type=inline -t "$plain/inline:1" "$work/context"
id=$(torte inspect --format '{{.id}}' "$plain/inline:1")
store=$work/inline.2
ok torte build --cache-from "type=registry,ref=$plain/inline:1" -t made "$work/context"
says "6 of 7 cached" # a stage that is only copied from is not in the image
status 2 torte build --cache-from type=inline "$work/context"
printf 'FROM scratch\nCOPY file /file\n' >"$work/context/both"
status 1 torte build --platform linux/amd64,linux/arm64 --cache-to type=inline -f "$work/context/both" "$work/context"
says "not built"

step "build --push sends what was built"
ok torte build --push -t "$plain/pushed:1" "$work/context"
ok torte inspect --raw "docker://$plain/pushed:1"
prints '"layers"'
ok torte inspect --format '{{.Os}} {{len .Layers}}' "docker://$plain/pushed:1"
status 2 torte build --push "$work/context"

step "build --push sends layers while later steps run: this one waits until its registry has one"
gate=$(free_port)
cat >"$work/gate.py" <<'GATE'
import glob, http.server, sys, time


class Gate(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        until = time.monotonic() + 60
        while not glob.glob(sys.argv[2]) and time.monotonic() < until:
            time.sleep(0.1)
        self.send_response(200 if glob.glob(sys.argv[2]) else 500)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Gate).serve_forever()
GATE
python3 "$work/gate.py" "$gate" "$work/plain/docker/registry/v2/repositories/early/_layers/sha256/*" 2>/dev/null &
gate_opens() { (exec 3<>"/dev/tcp/127.0.0.1/$gate") 2>/dev/null; }
wait_for 20 gate_opens
recipe early <<R
FROM $plain/base
RUN head -c 6000000 /dev/urandom >/big
RUN --network=host wget -q -O /answer http://127.0.0.1:$gate/
R
store=$work/early
: >"$work/plain.log"
ok torte build --push --allow network.host -f "$work/context/early" -t "$plain/early:1" "$work/context"
equal "$(grep -c '"PUT /v2/early/blobs' "$work/plain.log")" 3 "blobs sent: two layers and the configuration"
ok torte inspect --raw "docker://$plain/early:1"

step "a layer that is gone from the registry is missed when it is needed, and a build can make it again"
store=$work/missing
cp "$work/recipe" "$work/context/Recipe"
ok torte build --cache-from "$cache" -t made "$work/context"
while read -r digest; do rm -rf "$work/plain/docker/registry/v2/repositories/cache/_layers/sha256/${digest#sha256:}"; done <"$work/layers"
status 125 torte run --rm made true
says "fetched now that it is needed"
ok torte build --no-cache -t made "$work/context"
ok torte run --rm made true

step "cache export and import: what one store remembers, another takes from a directory or a registry, and runs nothing"
store=$work/exporting
recipe <<R
FROM $plain/base AS tools
RUN echo tool >/tool && echo more >/more
FROM $plain/base
RUN date +%s%N >/when
COPY file /file
COPY --from=tools /tool /tool
RUN cat /file /tool >/both
R
status 1 torte cache export "$work/exported"
says "[cache-not-found]"
ok torte build -t made "$work/context"
id=$(torte inspect --format '{{.id}}' made)
when=$(torte run --rm made cat /when)
ok torte cache export --image made "$work/exported"
prints "exported 4 steps"
ok torte cache export "$work/exported"
prints "exported 5 steps"
ok torte cache export "$plain/exported"
ok torte cache export "type=registry,ref=$plain/exported,scope=other"
ok torte list-tags "$plain/exported"
equal "$(grep -c '^k1-[0-9a-f]*$' "$work/out") $(grep -c '^k1-other-' "$work/out")" "5 5" "entries"
step "an entry is an image of its own, with what lies below the step"
entry=$(torte cache ls --steps --format '{{.Key}} {{.Text}}' | awk '/cat \/file/ {print $1}')
ok torte run --rm "$plain/exported:k1-$entry" cat /both
prints_line tool
for place in "$work/exported" "$plain/exported" "type=registry,ref=$plain/exported,scope=other"; do
  store=$(mktemp -d "$work/importing.XXXXXX")
  ok torte cache import "$place"
  prints "imported 5 steps, 0 known already"
  equal "$(ls "$store/layers" | wc -l)" 5 "layers"
  ok torte cache import "$place"
  prints "imported 0 steps, 5 known already"
  ok torte fsck --deep
  ok torte cache ls
  prints "RUN cat /file /tool >/both"
  ok torte build -t made "$work/context"
  says "7 of 7 cached"
  equal "$(torte inspect --format '{{.id}}' made)" "$id" "image"
  equal "$(torte run --rm made cat /when)" "$when" "content"
done
store=$work/importing-lazily
ok torte cache import --lazy "$work/exported"
equal "$(ls -A "$store/layers")" "" "layers in the store"
ok torte build -t made "$work/context"
says "7 of 7 cached"
equal "$(torte run --rm made cat /when)" "$when" "content"
status 2 torte cache export type=inline

step "entries that are not what their key says are not taken"
python3 - "$work/exported" <<'PY'
import hashlib, json, os, sys
os.chdir(sys.argv[1])
index = json.load(open("index.json"))
blob = lambda digest: "blobs/sha256/" + digest.split(":")[1]
def put(data):
    digest = hashlib.sha256(data).hexdigest()
    open("blobs/sha256/" + digest, "wb").write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}
for number, entry in enumerate(index["manifests"]):
    manifest = json.load(open(blob(entry["digest"])))
    config = json.load(open(blob(manifest["config"]["digest"])))
    record = config["org.torte.cache.record"]
    if number == 0: record["definition"] += "x"
    if number == 1: config["org.torte.cache.record"] = ["odd"]
    if number == 2: del config["org.torte.cache.record"]
    manifest["config"].update(put(json.dumps(config).encode()))
    entry.update(put(json.dumps(manifest).encode()))
json.dump(index, open("index.json", "w"))
PY
store=$work/importing-odd
ok torte cache import "$work/exported"
prints "imported 2 steps, 0 known already, 3 without a definition passed over"
