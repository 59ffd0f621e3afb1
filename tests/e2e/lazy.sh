# load and pull --lazy: layers stay packed, and mount and run read files out of them.
. "$(dirname "$0")/lib.sh"
need python3
base_image

# Members that no RUN step makes.
python3 - "$work/odd.tar" $([ "$(id -u)" != 0 ] || echo devices) <<'PY'
import io, sys, tarfile
tar = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def add(name, kind=tarfile.REGTYPE, data=b"", **fields):
    member = tarfile.TarInfo(name)
    member.type, member.size, member.mtime = kind, len(data), 1234567890.25
    for key, value in fields.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(data))
add("bin", tarfile.DIRTYPE, mode=0o755)
add("bin/busybox", data=open("/bin/busybox", "rb").read(), mode=0o755)
add("bin/sh", tarfile.SYMTYPE, linkname="busybox")
add("odd", tarfile.DIRTYPE, mode=0o2751, uid=0)
add("odd/attributes", data=b"a", pax_headers={"SCHILY.xattr.user.note": "kept"})
add("odd/" + "long-name-" * 20, data=b"l")
add("odd/bytes-\udcff", data=b"b")
add("odd/empty")
add("odd/fifo", tarfile.FIFOTYPE)
add("odd/implied/deep/file", data=b"parents without an entry")
add("odd/first", data=b"linked", mode=0o4711)
add("odd/second", tarfile.LNKTYPE, linkname="odd/first")
if len(sys.argv) > 2:
    add("odd/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
tar.close()
PY
ok torte import "$work/odd.tar" odd
recipe <<'R'
FROM odd
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir /data /data/sub && dd if=/dev/urandom of=/data/big bs=1000 count=5000 2>/dev/null && \
    dd if=/dev/zero of=/data/zeros bs=1M count=20 2>/dev/null && echo 1 >/data/sub/gone && echo keep >/data/keep
RUN rm -r /data/sub && mkdir /data/sub && echo 2 >/data/sub/new && rm /data/keep && ln /data/big /data/big2 && chmod 1777 /data
CMD ["/bin/sh", "-c", "echo hello from /data/sub/*"]
R
ok torte build -t app "$work/context"
ok torte save --format oci-archive -o "$work/app.tar" app

step "nothing is unpacked, and the store is sound"
plain=$store store=$work/packed
ok torte load --lazy -i "$work/app.tar"
unpacked() { find "$store/layers" -mindepth 1 -maxdepth 1 | wc -l; }
equal "$(unpacked)" 0 "layers unpacked"
ok torte images
prints app
ok torte tree app
prints " (packed)"
ok torte fsck --deep
says_not missing
ok torte df
ok torte prune -f --blobs

step "it leaves as it came, still packed"
ok torte save --format oci-archive -o "$work/again.tar" app
cmp "$work/app.tar" "$work/again.tar" || fail "the saved image differs"
equal "$(unpacked)" 0 "layers unpacked"

if [ "$(id -u)" != 0 ]; then
  step "an ordinary user runs it, whether there is FUSE or not"
  ok torte run --rm app
  prints "hello from /data/sub/new"
  ok torte run --rm app sh -c 'cat /data/big | wc -c; echo more >>/data/big; wc -c </data/big2; cat /odd/implied/deep/file'
  prints_line 5000000
  if [ -w /dev/fuse ]; then
    equal "$(unpacked)" 0 "layers unpacked"
    step "and mounts it"
    ok "$TORTE" unshare sh -c '"$1" --root "$2" --run-root "$3" mount app "$4" && cat "$4/data/sub/new" && grep -c fuse.torte /proc/self/mountinfo' \
      - "$TORTE" "$store" "$work/run" "$(mkdir "$work/mnt" && echo "$work/mnt")"
    prints_line 2
    prints_line 1
  else
    [ "$(unpacked)" -gt 0 ] || fail "it ran from nowhere"
  fi
  ok torte fsck
  exit 0
fi

[ -w /dev/fuse ] || skip "no /dev/fuse here"
mkdir "$work/mnt" "$work/whole"
server() { pgrep -f "torte --root $store image-server" || true; }
no_server() { [ -z "$(server)" ]; }

step "the tree is the one that unpacking gives"
(store=$work/unpacked; ok torte load -i "$work/app.tar"; ok torte mount app "$work/whole")
ok torte mount --lazy app "$work/mnt"
equal "$(unpacked)" 0 "layers unpacked"
grep -F " $work/mnt " /proc/self/mountinfo | grep -q 'ro,nosuid,nodev.* fuse.torte ' || fail "mount options"
python3 "$top/tests/e2e/list_tree.py" "$work/whole" >"$work/whole.list"
python3 "$top/tests/e2e/list_tree.py" "$work/mnt" >"$work/mnt.list"
diff "$work/whole.list" "$work/mnt.list" >"$work/out" || fail "the trees differ"
[ "$(wc -l <"$work/mnt.list")" -gt 20 ] || fail "the list is too short to say anything"
(store=$work/unpacked; ok torte umount "$work/whole")

step "the server ends with the mount"
[ -n "$(server)" ] || fail "there is no server"
status 1 torte rmi app
ok torte rmi -f app
equal "$(cat "$work/mnt/data/sub/new")" 2 "a file of the removed image"
ok torte umount "$work/mnt"
wait_for 30 no_server
ok torte load --lazy -i "$work/app.tar"

step "a server that is killed leaves a mount that fails, and can be taken away"
ok torte mount app "$work/mnt"
kill -KILL "$(server)"
! cat "$work/mnt/data/big" >/dev/null 2>&1 || fail "a dead server answers"
ok torte umount "$work/mnt"
ok torte mount app "$work/mnt"
equal "$(cat "$work/mnt/data/sub/new")" 2
ok torte umount "$work/mnt"

step "containers run on it, and write over it"
ok torte run --rm app
prints "hello from /data/sub/new"
ok torte run --name writes app sh -c 'echo more >>/data/big2 && wc -c </data/big2 && ls -l /odd/first && rm /data/zeros && echo x >/data/sub/y'
prints_line 5000005
ok torte diff writes
prints "D /data/zeros" "A /data/sub/y"
ok torte rm writes

step "an index that is lost or damaged is made again"
for index in "$store"/index/seek-*; do echo x >>"$index"; done
ok torte run --rm app
rm "$store"/index/seek-*
ok torte run --rm app
prints "hello from /data/sub/new"

step "layers are unpacked when that is wanted"
ok torte mount --no-lazy app "$work/mnt"
[ "$(unpacked)" -gt 0 ] || fail "nothing was unpacked"
ok torte umount "$work/mnt"
ok torte run --rm app
prints "hello from /data/sub/new"
ok torte fsck --deep

step "a damaged blob is an error for who reads there, and for nobody else"
store=$work/damaged
ok torte load --lazy -i "$work/app.tar"
for large in $(find "$store/blobs/sha256" -type f -size +4M); do
  chmod u+w "$large"
  printf 'damage' | dd of="$large" bs=1 seek=3000000 conv=notrunc 2>/dev/null
done
ok torte mount app "$work/mnt"
! cat "$work/mnt/data/big" >/dev/null 2>"$work/err" || fail "wrong bytes were shown"
says "Input/output error"
equal "$(cat "$work/mnt/data/sub/new")" 2
ok torte umount "$work/mnt"
status 1 torte fsck --deep
prints "${large##*/}"

step "what cannot be read in the middle is unpacked, and says so"
store=$work/zstd
(store=$plain; ok torte build -t app2 --output "type=oci,dest=$work/zstd.tar,compression=zstd" "$work/context")
ok torte load --lazy -i "$work/zstd.tar" -t app2
says "unpacking all of it: layer" "it is packed in pieces of"
[ "$(unpacked)" -gt 0 ] || fail "nothing was unpacked"
ok torte run --rm app2
prints "hello from /data/sub/new"
status 1 torte mount --lazy nothing "$work/mnt"

step "nothing is left when its image goes"
ok torte rmi app2
ok torte prune -f
equal "$(find "$store/index" -name 'seek-*' | wc -l)" 0 "indexes"
