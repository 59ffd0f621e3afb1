# The cache contract, row by row: what is in the key of a step, and what is not. [spec: cache contract]
. "$(dirname "$0")/lib.sh"
base_image

# again FLAGS...: builds the recipe again; cached N and made N say what became of its Nth step. ENV, LABEL and the like
# make no files and are no steps.
again() { ok torte build --progress plain --network none "$@" "$work/context"; }
cached() { grep -qE "^\[[^ ]* $1/[0-9]+\] cached" "$work/err" || fail "step $1 was made again"; }
made() { grep -qE "^\[[^ ]* $1/[0-9]+\] done" "$work/err" || fail "step $1 was not made"; }
edit() { sed -i "$1" "$work/context/Recipe"; }

step "FROM: not the tag, but the image"
recipe <<'R'
FROM base
RUN echo from
R
again
made 2
ok torte tag base other
edit 's/FROM base/FROM other/'
again
cached 2
printf 'FROM base\nLABEL a=b\nRUN echo more >/more\n' >"$work/base/Other"
ok torte build -f "$work/base/Other" -t other "$work/base"
again
made 2

step "RUN: command, environment, directory, user, here-document"
recipe <<'R'
FROM base
ENV NAME=value
WORKDIR /tmp
RUN echo run
R
again
edit 's/ENV/LABEL a=b\nENV/; s/^RUN/CMD ["x"]\nEXPOSE 80\nRUN/'
again
cached 3
for change in 's/echo run/echo other/' 's/NAME=value/NAME=new/' 's,WORKDIR /tmp,WORKDIR /root,' \
  's/^RUN/USER guest\nRUN/'; do
  edit "$change"
  again
  made 3
done
recipe <<'R'
FROM base
RUN <<X
echo one
X
R
again
again
cached 2
edit 's/echo one/echo two/'
again
made 2

step "RUN: host name, network, names of extra hosts; not their addresses, memory, proxies"
recipe <<'R'
FROM base
RUN echo settings
R
again --add-host there:10.0.0.1
again --add-host there:10.0.0.2
cached 2
HTTP_PROXY=http://proxy.invalid:1 again --add-host there:10.0.0.2 --build-arg http_proxy=http://proxy.invalid:2 --shm-size 32m
cached 2
again --add-host elsewhere:10.0.0.2
made 2
again --add-host elsewhere:10.0.0.2 --hostname name
made 2
edit 's/RUN/RUN --network=host/'
ok torte build --progress plain --allow network.host --add-host elsewhere:10.0.0.2 --hostname name "$work/context"
made 2

step "RUN --mount: type, target, id; not the content of caches, not the bytes of secrets"
recipe <<'R'
FROM base
RUN --mount=type=secret,id=one,required=false --mount=type=cache,id=matrix,target=/cache cat /proc/sys/kernel/random/uuid >>/cache/words
R
echo 1 >"$work/secret"
again --secret id=one,src="$work/secret"
echo 2 >"$work/secret"
again --secret id=one,src="$work/secret"
cached 2
again
cached 2
for change in 's/id=matrix/id=matrix2/' 's,target=/cache,target=/cache/below,; s,>>/cache,>>/cache/below,' 's/id=one/id=two/' \
  's/required=false/required=false,env=SECRET/'; do
  edit "$change"
  again
  made 2 || fail "$change"
done

step "RUN --mount=type=bind: the files below its source, not those beside it"
mkdir -p "$work/context/bound/in" "$work/context/bound/out"
echo 1 >"$work/context/bound/in/f"
echo 1 >"$work/context/bound/out/f"
recipe <<'R'
FROM base
RUN --mount=type=bind,source=bound/in,target=/in cat /in/f
R
again
echo 2 >"$work/context/bound/out/f"
touch "$work/context/bound/in/f"
again
cached 2
echo 2 >"$work/context/bound/in/f"
again
made 2
recipe <<'R'
FROM base AS files
COPY bound /bound
FROM base
RUN --mount=type=bind,from=files,source=/bound/in,target=/in cat /in/f
R
again
echo 3 >"$work/context/bound/out/f"
again
cached 2
echo 3 >"$work/context/bound/in/f"
again
made 2

step "--context-mode git: modes as git has them, whatever the umask was (9.4)"
mkdir -p "$work/context/modes/d"
echo 1 >"$work/context/modes/d/f"
echo 1 >"$work/context/modes/x"
chmod 600 "$work/context/modes/d/f"
chmod 700 "$work/context/modes/d" "$work/context/modes/x"
printf 'FROM base\nCOPY modes /m\nRUN stat -c %%a /m/d /m/d/f /m/x >/seen\n' >"$work/context/Recipe"
again --context-mode git -t modes
ok torte run --rm --network none modes cat /seen
equal "$(tr '\n' ' ' <"$work/out")" "755 644 755 "
chmod 640 "$work/context/modes/d/f"
chmod 750 "$work/context/modes/d" "$work/context/modes/x"
again --context-mode git
cached 2
chmod 740 "$work/context/modes/d/f"
again --context-mode git
made 2
again
made 2

step "COPY: selected content, modes, names, flags and destination; not times, owners, or files not selected"
mkdir -p "$work/context/files"
echo 1 >"$work/context/files/a"
echo 1 >"$work/context/files/b"
echo 1 >"$work/context/unselected"
recipe <<'R'
FROM base
COPY files/a /dst/
R
again
touch "$work/context/files/a"
echo 2 >"$work/context/files/b"
echo 2 >"$work/context/unselected"
[ "$(id -u)" != 0 ] || chown 1234:1234 "$work/context/files/a"
again
cached 2
echo 2 >"$work/context/files/a"
again
made 2
chmod 711 "$work/context/files/a"
again
made 2
cp -p "$work/context/files/a" "$work/context/files/c"
for change in 's,files/a,files/c,' 's,/dst/,/other/,' 's/COPY/COPY --chmod=700/' 's/COPY/COPY --chown=1:1/' 's/COPY/COPY --link/' \
  's,COPY,COPY --exclude=nothing,'; do
  edit "$change"
  again
  made 2 || fail "$change"
done

step "COPY of a directory: names below it, empty directories, links"
recipe <<'R'
FROM base
COPY files /dst/
R
again
mv "$work/context/files/b" "$work/context/files/d"
again
made 2
mkdir "$work/context/files/empty"
again
made 2
ln -s a "$work/context/files/link"
again
made 2
ln -sfn c "$work/context/files/link"
again
made 2
again
cached 2

step "COPY --link: not what is before it"
recipe <<'R'
FROM base
RUN echo before
COPY --link files/a /linked
COPY files/a /plain
R
again
edit 's/echo before/echo before >before/'
again
made 2
cached 3
made 4

step "COPY --chown by name: the user's entry"
recipe <<'R'
FROM base
RUN true
COPY --chown=guest files/a /owned
R
again
edit 's/RUN true/RUN sed -i s,guest:x:1000:,guest:x:1001:, \/etc\/passwd/'
again
made 3

step "COPY --from: the files it takes, not how they were made"
recipe <<'R'
FROM base AS maker
RUN mkdir /made; echo made >/made/file; echo 1 >/beside
FROM base
COPY --from=maker /made /made
R
again
edit 's/echo 1/echo 2/'
again
cached 2
edit 's/echo made/echo more/'
again
made 2

step "WORKDIR: its path and user"
recipe <<'R'
FROM base
WORKDIR /w
R
again
again
cached 2
edit 's,/w,/x,'
again
made 2
edit 's/WORKDIR/USER guest\nWORKDIR/'
again
made 2

step "ARG: missed by the first RUN after its declaration; a COPY only when its text changes"
recipe <<'R'
FROM base
RUN echo earlier
ARG VALUE=1
COPY files/a /dst/
RUN echo later
R
again
again --build-arg VALUE=2
cached 2
cached 3
made 4
edit 's,/dst/,/dst/$VALUE/,'
again --build-arg VALUE=2
made 3
again --build-arg VALUE=3
made 3

step "--no-cache, --no-cache-filter and platforms"
recipe <<'R'
FROM base AS first
RUN echo first
FROM first AS second
RUN echo second
R
again
again --no-cache-filter second
grep -qE '^\[first 2/2\] cached' "$work/err" || fail "first was made again"
grep -qE '^\[second 2/2\] done' "$work/err" || fail "second was not made again"
again --no-cache
grep -qE '^\[first 2/2\] done' "$work/err" || fail "first was not made again"
