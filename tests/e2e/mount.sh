# torte mount and umount: an image's files as a directory, and what keeps its layers meanwhile.
. "$(dirname "$0")/lib.sh"
base_image
recipe <<'R'
FROM base
RUN echo 1 >/added && chmod 4755 /bin/busybox
R
ok torte build -t seen "$work/context"
mkdir "$work/mnt" "$work/other"

if [ "$(id -u)" != 0 ]; then
  step "an ordinary user is told where mounts work, and there they do"
  status 1 torte mount seen "$work/mnt"
  says "torte unshare"
  cat >"$work/inside" <<'INSIDE'
set -e
torte() { "$TORTE" --root "$1/store" --run-root "$1/run" "${@:2}"; }
torte "$1" mount seen "$1/mnt"
cat "$1/mnt/added"
torte "$1" umount "$1/mnt"
torte "$1" mount seen "$1/mnt"
INSIDE
  ok env TORTE="$TORTE" "$TORTE" unshare bash "$work/inside" "$work"
  prints_line 1
  step "a container that does not run is mounted there too; one that does cannot be"
  ok torte create --network none --name box seen sh -c 'cat /from-outside'
  cat >"$work/inside" <<'INSIDE'
set -e
torte() { "$TORTE" --root "$1/store" --run-root "$1/run" "${@:2}"; }
torte "$1" mount box "$1/mnt"
cat "$1/mnt/added"
echo given >"$1/mnt/from-outside"
torte "$1" umount box
INSIDE
  ok env TORTE="$TORTE" "$TORTE" unshare bash "$work/inside" "$work"
  prints_line 1
  ok torte start -a box
  prints_line given
  ok torte rm box
  step "what ended with the user namespace is forgotten"
  ok torte rmi seen
  ok torte fsck
  exit 0
fi

step "read-only, without set-id rights and devices"
ok torte mount seen "$work/mnt"
equal "$(cat "$work/mnt/added")" 1
! touch "$work/mnt/x" 2>/dev/null || fail "the mount can be written"
grep -F " $work/mnt " /proc/self/mountinfo | grep -q 'ro,nosuid,nodev' || fail "mount options"

step "a container that does not run: read and written, and neither started nor removed meanwhile"
ok torte create --network none --name box seen sh -c 'cat /from-outside; echo said >/from-inside; sleep 1000'
ok torte mount box "$work/other"
echo given >"$work/other/from-outside"
grep -F " $work/other " /proc/self/mountinfo | grep -q 'rw,nosuid,nodev' || fail "mount options"
ok torte mount --format '{{.name}} {{.path}}'
prints_line "box $work/other"
status 1 torte start box
says "mounted" "torte umount"
status 1 torte rm box
says "mounted"
status 1 torte cp box:/from-outside "$work/copied"
ok torte umount box
ok torte diff box
prints_line "A /from-outside"

step "a container that runs: what it writes is seen, and the other way round; it lives on"
ok torte start box
wait_for 10 sh -c "'$TORTE' --root '$store' --run-root '$work/run' logs box | grep -q given"
ok torte mount box
box=$(cat "$work/out")
equal "$(cat "$box/from-inside")" said
echo back >"$box/reply"
ok torte exec box cat /reply
prints_line back
[ -z "$(ls "$box/proc")" ] || fail "the container's /proc is shown"
ok torte stop -t 0 box
equal "$(cat "$box/from-inside")" said
status 1 torte start box
umount "$box"  # by somebody else
ok torte start box
ok torte exec box cat /reply
ok torte mount box "$work/other"
ok torte rm -f box
[ ! -e "$work/other/reply" ] || fail "still in sight"
! grep -qF "$work/other" /proc/self/mountinfo || fail "a mount is left"

step "the list of mounts, and a directory of torte's own"
ok torte mount seen
own=$(cat "$work/out")
equal "$(cat "$own/added")" 1
ok torte mount seen
equal "$(cat "$work/out")" "$own" "second mount without a directory"
ok torte mount --format '{{.path}}'
prints_line "$work/mnt"
prints_line "$own"

step "errors name the thing"
echo x >"$work/file"
status 1 torte mount seen "$work/file"
says "$work/file is not a directory"
status 1 torte mount seen "$work/nowhere"
says "$work/nowhere"
status 1 torte mount no-such-image "$work/other"
says "no-such-image"
status 1 torte umount "$work/other"
says "not mounted by torte"
status 1 torte umount /proc
says "not mounted by torte"
status 2 torte umount

step "layers of a mounted image stay, whatever happens to the image"
status 1 torte rmi seen
ok torte rmi -f seen
ok torte prune -a
equal "$(cat "$work/mnt/added")" 1
ok "$work/mnt/bin/busybox" true

step "in use: refused, and with --force out of sight"
(cd "$work/mnt" && exec sleep 600) &
user=$!
wait_for 20 sh -c "[ \"\$(readlink /proc/$user/cwd)\" = '$work/mnt' ]"
status 1 torte umount "$work/mnt"
says "in use"
ok torte umount --force "$work/mnt"
[ ! -e "$work/mnt/added" ] || fail "still in sight"
kill "$user"

step "--all takes the rest, and torte's own directory with it"
ok torte umount --all
[ ! -e "$own" ] || fail "left: $own"
! grep -qF "$work" /proc/self/mountinfo || fail "mounts left"
equal "$(ls "$store/containers")" "" "records"

step "a mount that somebody else took away is forgotten"
ok torte build -t base "$work/base"
ok torte build -t seen "$work/context"
ok torte mount seen "$work/mnt"
umount "$work/mnt"
ok torte rmi seen
equal "$(ls "$store/containers")" "" "records"

step "mounts of a store that cannot be written or read are found in the kernel's table"
ok torte build -t base "$work/base"
ok torte build -t seen "$work/context"
ok torte mount seen "$work/mnt"
ok torte mount seen "$work/other"
mount --bind "$store" "$store"
mount -o remount,bind,ro "$store"
status 1 torte umount "$work/mnt"
says "ead-only file system"
prints_line "$work/mnt is unmounted"
[ ! -e "$work/mnt/added" ] || fail "still mounted"
equal "$(cat "$work/other/added")" 1
status 1 torte umount --all
prints_line "$work/other is unmounted"
umount "$store"
ok torte umount --all
equal "$(ls "$store/containers")" "" "records"

step "no layers, one layer, many layers"
recipe empty <<'R'
FROM scratch
LABEL a=b
R
recipe one <<'R'
FROM scratch
COPY <<X /f
1
X
R
{ echo FROM scratch; for i in $(seq 300); do printf 'COPY <<X /f%s\n%s\nX\n' "$i" "$i"; done; } | recipe many
ulimit -Sn 256  # as little as shells give: torte takes what it may
for image in empty:0 one:1 many:300; do
  ok torte build -f "$work/context/${image%:*}" -t "${image%:*}" "$work/context"
  ok torte mount "${image%:*}" "$work/mnt"
  equal "$(ls "$work/mnt" | wc -l)" "${image#*:}" "files of ${image%:*}"
  ok torte umount "$work/mnt"
done
ok torte fsck
