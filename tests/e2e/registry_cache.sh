# A registry as the memory of builds on several machines: what one machine ran, another with an empty store takes.
. "$(dirname "$0")/lib.sh"
need docker-registry curl python3
export HOME=$work DOCKER_CONFIG=$work/docker XDG_CONFIG_HOME=$work/config
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$work/registry"
cat >"$work/registry.yml" <<C
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
C
docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
wait_for 20 curl -so /dev/null "http://127.0.0.1:$port/v2/"
cache=type=registry,ref=127.0.0.1:$port/cache

base_image
ok torte push base "127.0.0.1:$port/base:latest"
echo content >"$work/context.file"
recipe <<R
FROM 127.0.0.1:$port/base AS tools
RUN echo tool >/tool && head -c 3000000 /dev/urandom >/unlike
FROM 127.0.0.1:$port/base
RUN date +%s%N >/when
COPY file /file
COPY --from=tools /tool /tool
RUN cat /file /tool >/both
R
echo content >"$work/context/file"

step "a build fills the cache, and a build in an empty store runs nothing"
ok torte build --cache-to "$cache,mode=max" -t made "$work/context"
id=$(torte inspect --format '{{.id}}' made)
when=$(torte run --rm made cat /when)
store=$work/second
ok torte build --cache-from "$cache" -t made "$work/context"
says "7 of 7 cached"
equal "$(torte run --rm made cat /when)" "$when" "the step ran again"
equal "$(torte inspect --format '{{.id}}' made)" "$id" "image"
ok torte fsck --deep

step "an entry is an ordinary image"
tag=$(curl -s "http://127.0.0.1:$port/v2/cache/tags/list" | python3 -c 'import json,sys; print(json.load(sys.stdin)["tags"][0])')
ok torte pull "127.0.0.1:$port/cache:$tag"

step "finished steps of a build that fails are in the cache"
recipe <<R
FROM 127.0.0.1:$port/base
RUN date +%s%N >/early
RUN false
R
status 1 torte build --cache-to "$cache" --cache-to "$cache,mode=max" -t broken "$work/context"
store=$work/third
sed -i 's/RUN false/RUN cat \/early/' "$work/context/Recipe"
: >"$work/registry.log"
ok torte build --cache-from "$cache" -t mended "$work/context"
says "2 of 3 cached"

step "a cache that is not there, or holds something else, costs nothing but a word"
store=$work/fourth
ok torte build --cache-from "type=registry,ref=127.0.0.1:1/none" --cache-to "type=registry,ref=127.0.0.1:1/none" -t alone "$work/context"
says "is passed over" "the build itself is not affected"
status 1 torte build --cache-to "type=registry,ref=127.0.0.1:1/none,ignore-error=false" -t alone "$work/context"
status 2 torte build --cache-to "type=registry" "$work/context"
status 1 torte build --cache-to "type=s3,bucket=b" "$work/context"
says "not built"

step "build --push sends what was built"
ok torte build --push -t "127.0.0.1:$port/pushed:1" "$work/context"
ok torte inspect --raw "docker://127.0.0.1:$port/pushed:1"
prints '"layers"'
ok torte inspect --format '{{.Os}} {{len .Layers}}' "docker://127.0.0.1:$port/pushed:1"
status 2 torte build --push "$work/context"
