# What is remembered, what is run again, and why.
. "$(dirname "$0")/lib.sh"
base_image

# Steps that leave a random word: equal words mean that the step was not run again.
recipe <<'R'
FROM base
COPY first /first
RUN cat /proc/sys/kernel/random/uuid >/after-first
COPY second /second
RUN cat /proc/sys/kernel/random/uuid >/after-second
ARG WORD=none
RUN echo "$WORD" >/word
R
echo 1 >"$work/context/first"
echo 2 >"$work/context/second"
word() { torte run --rm "$1" cat "$2"; }
ok torte build -t one "$work/context"

step "a second build runs nothing and gives the same image"
ok torte build -t two --progress plain "$work/context"
says "cached"
equal "$(word two /after-first)" "$(word one /after-first)"
equal "$(torte inspect --format '{{.Id}}' one)" "$(torte inspect --format '{{.Id}}' two)" "image ids"

step "new times on the same bytes change nothing"
touch "$work/context/first"
ok torte build -t two "$work/context"
equal "$(word two /after-second)" "$(word one /after-second)"

step "a changed file runs its step and those after it, not those before"
echo changed >"$work/context/second"
ok torte build -t three "$work/context"
equal "$(word three /after-first)" "$(word one /after-first)"
[ "$(word three /after-second)" != "$(word one /after-second)" ] || fail "the step after the change was not run"

step "the changed mode of a file counts too"
chmod 755 "$work/context/second"
ok torte build -t four "$work/context"
[ "$(word four /after-second)" != "$(word three /after-second)" ] || fail "the mode was not noticed"

step "a build argument reaches only the steps that can see it"
ok torte build -t five --build-arg WORD=other "$work/context"
equal "$(word five /word)" other
equal "$(word five /after-second)" "$(word four /after-second)"

step "--no-cache runs everything"
ok torte build -t six --no-cache "$work/context"
[ "$(word six /after-first)" != "$(word one /after-first)" ] || fail "nothing was run"

step "--explain says which input changed"
echo again >"$work/context/second"
ok torte build -t seven --explain "$work/context"
says "not cached: changed input" "second"

step "cache ls, inspect, rm: steps by the beginning of their key"
recipe listed <<'R'
FROM base
RUN --mount=type=cache,id=my-cache,target=/c echo listed >/c/file
R
ok torte build -f "$work/context/listed" "$work/context"
ok torte cache ls --steps --format '{{.key}} {{.text}}'
key=$(grep -F "RUN echo listed" "$work/out" | cut -d' ' -f1)
[ ${#key} = 64 ] || fail "no key"
ok torte cache inspect "${key:0:12}"
prints "argv echo listed >/c/file" '"type": "step"'
ok torte cache rm "${key:0:12}"
ok torte build --progress plain -f "$work/context/listed" "$work/context"
says "2/2] done"
status 1 torte cache rm nothing-like-it
says "no cached step or cache mount nothing-like-it"

step "cache mounts by their id; prune takes them only when asked"
ok torte cache ls --mounts
prints "my-cache"
ok torte df --format '{{.type}} {{.totalCount}}'
prints_line "Cache mounts 1"
ok torte prune -a
ok torte cache ls --mounts --format '{{.id}}'
prints_line "my-cache"
ok torte prune --mounts --dry-run
prints "my-cache"
ok torte cache rm my-cache
ok torte cache ls --mounts --format json
equal "$(cat "$work/out")" "[]"
equal "$(ls "$store/cache-mounts" | grep -v create.lock)" "" "left in cache-mounts"
