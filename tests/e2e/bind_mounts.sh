# RUN --mount=type=bind: what a step sees of stages and contexts, and that nothing of it stays.
. "$(dirname "$0")/lib.sh"
base_image
mkdir -p "$work/context"
cat >"$work/context/Recipe" <<'R'
FROM base AS made
RUN mkdir -p /made/in && echo x >/made/in/file && chown 0:0 /made/in/file && ln /made/in/file /made/link && chmod 4755 /made/in/file && ln -s in/file /made/sym
FROM base
RUN --mount=from=made,target=/m,source=/made test "$(stat -c %a:%h /m/in/file)" = 4755:2 && test "$(cat /m/sym)" = x && ! touch /m/x 2>/dev/null && ! rm -f /m/link 2>/dev/null
RUN --mount=from=made,target=/m,source=/made,rw touch /m/x && rm /m/link && test -e /m/x && echo y >/m/in/file
RUN --mount=from=made,target=/m/f,source=/made/sym --mount=from=made,target=/all test -f /m/f && test "$(cat /m/f)" = x && test -e /all/bin/sh && test -e /all/made/link
RUN test ! -e /m && test ! -e /all
WORKDIR /w
RUN --mount=target=. --mount=from=made,source=/made,target=in cp Recipe /copied && test "$(stat -c %u Recipe)" = 0 && test -e in/sym && test ! -e hidden
RUN --mount=type=bind,target=/ctx,rw echo scratch >/ctx/new && rm /ctx/Recipe
RUN --mount=from=scratch,target=/none test -z "$(ls -A /none)"
RUN --mount=from=scratch,target=/none,rw touch /none/x && test "$(ls -A /none)" = x
RUN test -z "$(ls /w)" && test ! -e /ctx
R
echo secret >"$work/context/hidden"
echo hidden >"$work/context/.dockerignore"

step "read-only and writable mounts of a stage, of one file, of all of it; of the context, at the working directory"
mkdir "$work/context/in"
ok torte build --network none -t bound "$work/context"
[ -e "$work/context/Recipe" ] && [ ! -e "$work/context/new" ] || fail "a step wrote to the context"

step "built again it is all remembered; what the stage holds counts, not how it was made"
ok torte build --network none -t bound "$work/context"
says "13 of 13 cached"
sed -i 's/^RUN mkdir -p .made.in/RUN true \&\& mkdir -p \/made\/in/' "$work/context/Recipe"
ok torte build --network none -t bound "$work/context"
says "7 of 13 cached"   # the recipe lies in the context that two of them see
