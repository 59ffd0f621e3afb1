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
ok torte build --cache-from "type=registry,ref=127.0.0.1:1/none" --cache-to "type=registry,ref=127.0.0.1:1/none" -t alone "$work/context"
says "is passed over" "the build itself is not affected"
status 1 torte build --cache-to "type=registry,ref=127.0.0.1:1/none,ignore-error=false" -t alone "$work/context"
status 2 torte build --cache-to "type=registry" "$work/context"
status 1 torte build --cache-to "type=s3,bucket=b" "$work/context"
says "not built"

step "build --push sends what was built"
ok torte build --push -t "$plain/pushed:1" "$work/context"
ok torte inspect --raw "docker://$plain/pushed:1"
prints '"layers"'
ok torte inspect --format '{{.Os}} {{len .Layers}}' "docker://$plain/pushed:1"
status 2 torte build --push "$work/context"
