# The same inputs give the same image, and what was built once can be built again from the same things.
. "$(dirname "$0")/lib.sh"
need python3 git
base_image
mkdir -p "$work/context"
echo data >"$work/context/file"
recipe <<'R'
FROM base
ARG SOURCE_DATE_EPOCH
WORKDIR /made/here
COPY file sub/
RUN echo $SOURCE_DATE_EPOCH >epoch && mkdir d && ln -s x d/link && touch -d '2001-01-01 00:00:00' old
ENV A=1
R
ok torte save -o "$work/base.tar" base
other() { "$TORTE" --root "$work/other" --run-root "$work/run" "$@"; }
ok other load -i "$work/base.tar"
build() { torte build --pull=never "$@" "$work/context"; }
iid() { cat "$work/iid-$1"; }

# same FLAGS...: two stores, a second apart, give one image.
same() {
  touch -d "-$RANDOM seconds" "$work/context/file"
  ok torte build --pull=never --iidfile "$work/iid-1" --no-cache "$@" "$work/context"
  sleep 1.1
  touch "$work/context/file"
  ok other build --pull=never --iidfile "$work/iid-2" --no-cache "$@" "$work/context"
  equal "$(iid 1)" "$(iid 2)" "images of two stores"
}
step "--reproducible, --timestamp, --source-date-epoch with --rewrite-timestamp"
same --reproducible -t r
same --timestamp 1000000000 -t t
same --source-date-epoch 1000000000 --rewrite-timestamp -t s
same --reproducible --squash -t q
same --reproducible --squash=all -t qa

step "dates: of image, history, new files; older files and the base stay"
ok build --timestamp 1000000000 -t t
ok torte inspect t
prints "2001-09-09T01:46:40Z"
ok torte run --rm t sh -c 'cat /made/here/epoch; stat -c "%n %Y" /made/here /made/here/epoch /made/here/d/link /made/here/old /bin/busybox'
prints "1000000000" "/made/here/old 978307200" "/made/here/epoch 1000000000" "/made/here 1000000000" "/made/here/d/link 1000000000"
prints_not "/bin/busybox 1000000000"
ok build --timestamp 1000000000 -t t --progress plain
says "4 of 4 cached"

step "the environment and a global ARG say it too (E1)"
SOURCE_DATE_EPOCH=1000000001 ok build -t e
ok torte inspect e
prints "2001-09-09T01:46:41Z"
printf 'ARG SOURCE_DATE_EPOCH=1000000002\nFROM base\nCOPY file /x\n' >"$work/context/Global"
ok build -f Global -t g
ok torte inspect g
prints "2001-09-09T01:46:42Z"
status 2 build --rewrite-timestamp
status 2 build --source-date-epoch yesterday

step "git: the time of the last commit"
status 1 build --source-date-epoch git
says "git"
git -C "$work/context" init -q && git -C "$work/context" add .
GIT_COMMITTER_DATE='1000000003 +0000' git -C "$work/context" -c user.name=a -c user.email=a@b commit -qm x
ok build --source-date-epoch git -t git
ok torte inspect git
prints "2001-09-09T01:46:43Z"
same --reproducible -t r

step "files as output carry the epoch"
ok build --source-date-epoch 1000000000 -o "$work/files"
equal "$(stat -c %Y "$work/files/made/here/old" "$work/files/bin" | sort -u)" 1000000000 "times"

step "--lock writes what was used, --locked insists on it (E4)"
status 2 build --locked
status 1 build --lock "$work/lock" --locked
says "[lock-missing]"
ok build --lock "$work/lock"
grep -q '"docker.io/library/base:latest linux/' "$work/lock" || fail "no base image in the lock"
ok build --lock "$work/lock" --locked
cp "$work/lock" "$work/lock.before"
printf 'FROM base\nRUN echo changed >/changed\n' | torte build --pull=never -t base - >/dev/null 2>&1
ok build --lock "$work/lock" --locked -t locked
ok torte run --rm locked test ! -e /changed
printf 'FROM base\nCOPY --from=r /made /x\n' >"$work/context/More"
status 1 build -f More --lock "$work/lock" --locked
says "[not-locked]"
ok build -f More --lock "$work/lock"
grep -q "library/r:latest" "$work/lock" || fail "the lock was not written again"
sed 's/sha256:[0-9a-f]*/sha256:'"$(printf %064d 7)"'/' "$work/lock.before" >"$work/lock.other"
status 1 build --lock "$work/lock.other" --locked
says "[lock-drift]"
ok torte fsck
