# A store that cannot be written, is full, or is of another format: said plainly, and no worse afterwards.
. "$(dirname "$0")/lib.sh"
base_image
recipe <<'R'
FROM base
RUN dd if=/dev/zero of=/big bs=1M count=60
R

if [ "$(id -u)" = 0 ]; then  # an ordinary user's torte is root of its own files: modes do not stop it
  step "a read-only store is named as such, and can still be read"
  mount --bind "$store" "$store"
  mount -o remount,bind,ro "$store"
  status 1 torte build -t more "$work/context"
  says "error:" "$store"
  grep -qiE 'read-only' "$work/err" || fail "the reason is not said"
  ok torte images
  prints base
  umount "$store"
  ok torte run --rm base true
fi

step "a store of a format we do not know is left alone"
cp "$store/version" "$work/version"
echo 9999 >"$store/version"
status 1 torte build -t more "$work/context"
says "9999"
cp "$work/version" "$store/version"
ok torte images

step "a file in the place of a directory"
: >"$work/file"
status 1 "$TORTE" --root "$work/file/store" build -t x "$work/base"
says "$work/file"

if [ "$(id -u)" = 0 ]; then
  step "no space left: the file system that is full is named, and space comes back"
  mkdir "$work/small"
  mount -t tmpfs -o size=40m none "$work/small"
  cp -a "$store" "$work/small/store"
  small() { "$TORTE" --root "$work/small/store" --run-root "$work/run" "$@"; }
  status 1 small build -t big "$work/context"
  says "no space left on the file system of $work/small/store"
  ok small fsck
  ok small run --rm base true
  mount -o remount,size=200m "$work/small"
  ok small build -t big "$work/context"
  ok small fsck

  step "no inode left for a file of a container: run --rm leaves none of it"
  used=$(df --output=iused "$work/small" | tail -n 1)
  for more in $(seq 1 40); do
    mount -o "remount,nr_inodes=$((used + more))" "$work/small"
    if small run --rm base true >"$work/out" 2>"$work/err"; then break; fi
    grep -qi "no space left" "$work/err" || fail "the reason is not said"
    equal "$(small ps -a -q)" "" "containers after $more inodes"
  done
  [ "$more" -gt 5 ] || fail "it never failed"
  ok small run --rm base true
  ok small fsck
fi

step "a checksum of the records that is not its layer's: told by fsck --deep"
ok torte build -t big --network none "$work/context"
ok torte fsck --deep
python3 - "$store/torte.db" <<'P'
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
with base:
    assert base.execute("UPDATE layers SET tar_crc32 = tar_crc32 + 1 WHERE tar_crc32 IS NOT NULL").rowcount > 0
P
ok torte fsck
status 1 torte fsck --deep
prints "keeps the checksum"
python3 - "$store/torte.db" <<'P'
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
with base:
    base.execute("UPDATE layers SET tar_crc32 = tar_crc32 - 1 WHERE tar_crc32 IS NOT NULL")
P
ok torte fsck --deep

step "--durability: what a store is made to be, it stays"
ci() { "$TORTE" --root "$work/ci" --run-root "$work/run" "$@"; }
ok ci --durability none build -q -t base "$work/base"
ok ci build -q -t big --network none "$work/context"
ok ci info -f '{{.storeDurability}}'
prints_line none
status 1 ci --durability full images -q
status 1 ci --durability full build --network none "$work/context"
says "[store-durability]" "was made with durability none"
ok torte --durability full info -f '{{.storeDurability}}'
prints_line full
status 2 torte --durability half images

step "a damaged blob is found, and named"
ok torte fsck
blob=$(find "$store/blobs/sha256" -type f | head -n 1)
[ -n "$blob" ] || fail "no blob in $store"
chmod u+w "$blob"
printf 'x' | dd of="$blob" bs=1 seek=3 conv=notrunc 2>/dev/null
status 1 torte fsck
grep -qF "$(basename "$blob" | cut -c1-12)" "$work/out" "$work/err" || fail "the blob is not named"
