# How a build goes about its plan: stages at once, every step made once, results known by what is in them, unchanged
# files shared between layers.
. "$(dirname "$0")/lib.sh"
base_image
word() { torte run --rm "$1" cat "$2"; }

step "independent stages run at once: each waits for the other's sign"
mkdir -p "$work/shared"
recipe meet <<'R'
FROM base AS left
RUN --mount=type=cache,id=meet,target=/m touch /m/left; while [ ! -e /m/right ]; do sleep 0.05; done; echo l >/l
FROM base AS right
RUN --mount=type=cache,id=meet,target=/m touch /m/right; while [ ! -e /m/left ]; do sleep 0.05; done; echo r >/r
FROM base
COPY --from=left /l /l
COPY --from=right /r /r
R
ok timeout 60 "$TORTE" --root "$store" build -f "$work/context/meet" -t meet "$work/context"
first_line() { grep -nF -- "$1" "$work/err" | head -n 1 | cut -d : -f 1; }
[ "$(first_line 'COPY --from=left')" -gt "$(first_line 'touch /m/left')" ] ||
  fail "the COPY began before the stage that it takes files from"
equal "$(word meet /l)$(word meet /r)" lr

step "the first failure stops the other stages and is the one that is told"
recipe fails <<'R'
FROM base AS slow
RUN sleep 600
FROM base AS broken
RUN sleep 0.3; exit 3
FROM base
COPY --from=slow /bin/busybox /x
COPY --from=broken /bin/busybox /y
R
status 1 timeout 60 "$TORTE" --root "$store" build -f "$work/context/fails" "$work/context"
says "RUN failed with status 3" "stage broken"
says_not "stage slow was not built"

step "-j 1 is one step at a time"
recipe lonely <<'R'
FROM base AS a
RUN --mount=type=cache,id=lonely,target=/m mkdir /m/lock && sleep 0.2 && rmdir /m/lock && touch /a
FROM base AS b
RUN --mount=type=cache,id=lonely,target=/m mkdir /m/lock && sleep 0.2 && rmdir /m/lock && touch /b
FROM base
COPY --from=a /a /
COPY --from=b /b /
R
ok torte build -j 1 -f "$work/context/lonely" "$work/context"

step "the same step in two stages is run once"
recipe twice <<'R'
FROM base AS a
RUN sleep 0.2; cat /proc/sys/kernel/random/uuid >/word
FROM base AS b
RUN sleep 0.2; cat /proc/sys/kernel/random/uuid >/word
FROM base
COPY --from=a /word /a
COPY --from=b /word /b
R
ok torte build -f "$work/context/twice" -t twice "$work/context"
equal "$(word twice /a)" "$(word twice /b)"

step "two processes that need the same step run it once"
recipe both <<'R'
FROM base
RUN echo run >>/dev/null; sleep 1; cat /proc/sys/kernel/random/uuid >/word
RUN sleep 0.2
R
torte build -f "$work/context/both" -t both1 "$work/context" 2>"$work/first" &
first=$!
wait_for 20 sh -c "ls '$store/locks' | grep -q '^step-'"
ok torte build --progress plain -f "$work/context/both" -t both2 "$work/context"
wait "$first"
equal "$(word both1 /word)" "$(word both2 /word)"
equal "$(ls "$store/locks" | grep -c '^step-')" 0 "claims left"

step "a rebuilt stage with the same files in question changes nothing after it"
recipe content <<'R'
FROM base AS build
COPY source /source
RUN cat /source >/dev/null; mkdir /out; echo same >/out/result; cat /source >/other
FROM base
COPY --from=build /out /out
RUN cat /proc/sys/kernel/random/uuid >/word
R
echo 1 >"$work/context/source"
ok torte build -f "$work/context/content" -t content1 "$work/context"
echo 2 >"$work/context/source"
ok torte build -f "$work/context/content" -t content2 "$work/context"
equal "$(word content2 /word)" "$(word content1 /word)"
ok torte build -f "$work/context/content" -t content3 "$work/context"
equal "$(word content3 /word)" "$(word content1 /word)"
sed -i 's/echo same/echo new/' "$work/context/content"
ok torte build -f "$work/context/content" -t content4 "$work/context"
[ "$(word content4 /word)" != "$(word content1 /word)" ] || fail "a new result went unnoticed"
equal "$(word content4 /out/result)" new

step "a step that was run again and changed nothing does not run the steps after it again"
recipe cutoff <<'R'
FROM base
RUN : once
RUN cat /proc/sys/kernel/random/uuid >/word
R
ok torte build -f "$work/context/cutoff" -t cutoff1 "$work/context"
sed -i 's/once/again/' "$work/context/cutoff"
ok torte build -f "$work/context/cutoff" -t cutoff2 "$work/context"
equal "$(word cutoff2 /word)" "$(word cutoff1 /word)"

step "unchanged files of a COPY are shared with the layer before"
mkdir -p "$work/context/outer/tree/sub"
for i in 1 2 3; do echo "file $i" >"$work/context/outer/tree/sub/$i"; done
ln "$work/context/outer/tree/sub/1" "$work/context/outer/tree/sub/hard"
echo alone >"$work/context/outer/tree/top"
recipe shared <<'R'
FROM scratch
COPY outer /
COPY outer/tree/top /renamed
R
ok torte build -f "$work/context/shared" -t shared1 "$work/context"
sleep 0.1
echo changed >"$work/context/outer/tree/sub/2"
rm "$work/context/outer/tree/sub/hard"
cp -p "$work/context/outer/tree/sub/1" "$work/context/outer/tree/sub/hard"
ok torte build -f "$work/context/shared" -t shared2 "$work/context"
inodes() { find "$store/layers" -path "*/tree/tree/sub/$1" -printf '%i\n' | sort -u | wc -l; }
equal "$(find "$store/layers" -path '*/tree/tree/sub/3' | wc -l)" 2 "layers"
equal "$(inodes 3)" 1 "inodes of an unchanged file"
equal "$(inodes 2)" 2 "inodes of a changed file"
step "and the result is that of a build from nothing"
"$TORTE" --root "$work/store2" build -q -f "$work/context/shared" -t shared3 "$work/context" >/dev/null
equal "$(torte inspect --format '{{json .RootFS.Layers}}' shared2)" \
  "$("$TORTE" --root "$work/store2" inspect --format '{{json .RootFS.Layers}}' shared3)" "layers"
step "each layer stays whole without the other"
ok torte rmi shared1
ok torte prune
ok torte fsck --deep
ok torte save -o "$work/shared2.tar" shared2

step "a locked cache twice in one step, and in another order in two stages, is no deadlock"
recipe locked <<'R'
FROM base AS a
RUN --mount=type=cache,id=x,sharing=locked,target=/x --mount=type=cache,id=y,sharing=locked,target=/y sleep 0.1; touch /a
FROM base AS b
RUN --mount=type=cache,id=y,sharing=locked,target=/y --mount=type=cache,id=x,sharing=locked,target=/x \
  --mount=type=cache,id=x,sharing=locked,target=/again sleep 0.1; touch /again/b /b; test -e /x/b
FROM base
COPY --from=a /a /
COPY --from=b /b /
R
ok timeout 60 "$TORTE" --root "$store" build -f "$work/context/locked" "$work/context"

step "a large file is the same layer whether or not the build reads it again"
{ yes "a line of a large file" || true; } | head -c 270000001 >"$work/context/large"
printf 'FROM base\nCOPY large /large\n' >"$work/context/unread"
printf 'FROM base\nCOPY large /large\nRUN cmp /large /large\n' >"$work/context/read"
ok torte build --no-cache -f "$work/context/unread" -t unread "$work/context"
ok torte build --no-cache -f "$work/context/read" -t read "$work/context"
layer() { torte inspect --format "{{index .RootFS.Layers $2}}" "$1"; }
equal "$(layer unread 1)" "$(layer read 1)" "layer"
cmp "$work/context/large" "$(find "$store/layers" -path '*/tree/large' | head -n 1)" || fail "another content"
ok torte fsck --deep

step "steps that make the same mount target at the same time, below a cache mount"
{
  for stage in 1 2 3 4 5 6 7 8; do
    echo "FROM base AS s$stage"
    echo "ARG N"
    echo "RUN --mount=type=cache,target=/m\$N --mount=type=cache,target=/m\$N/a/b --mount=type=bind,source=file,target=/m\$N/c/d echo $stage >/made"
  done
  echo "FROM base"
  for stage in 1 2 3 4 5 6 7 8; do echo "COPY --from=s$stage /made /made$stage"; done
} | recipe
echo x >"$work/context/file"
for round in 1 2 3 4 5 6; do ok torte build -q --network none --jobs 8 --build-arg N=$round "$work/context"; done
