# Looking into images: diff, mount, history, df, prune.
. "$(dirname "$0")/lib.sh"
base_image
recipe <<'R'
FROM base
RUN echo 1 >/added
RUN echo 2 >>/etc/passwd
RUN rm /bin/vi && head -c 5000000 /dev/urandom >/big
R
ok torte build -t seen "$work/context"

step "diff between two images: added, changed, deleted; nothing that torte put there itself"
ok torte diff base seen
prints_line "A /added"
prints_line "C /etc/passwd"
prints_line "D /bin/vi"
prints_not "/etc/hosts"
prints_not "resolv.conf"

step "history: one line a step, newest first, with sizes"
ok torte history seen
prints "rm /bin/vi" "added"

step "history looks into layers: the largest files, and what later layers hide"
recipe waste <<'R'
FROM base
RUN head -c 2000000 /dev/zero >/wasted && head -c 1000000 /dev/zero >/kept
RUN rm /wasted
R
ok torte build -f "$work/context/waste" -t waste "$work/context"
ok torte history --files 2 --format '{{.Size}} {{range .Files}}{{.Path}} {{.Size}} {{.Hidden}},{{end}}' waste
equal "$(sed -n 2p "$work/out" | cut -d' ' -f2-)" "/wasted 2000000 true,/kept 1000000 false," "the largest files"
ok torte history --waste --format '{{.Hidden}}' waste
equal "$(head -n 2 "$work/out" | tr '\n' ' ')" "0 2000000 " "hidden bytes"
ok torte history --waste --files 1 waste
prints "HIDDEN" "/wasted" "1.9 MiB"
ok torte flatten waste
ok torte history --waste --format '{{.Hidden}}' waste
equal "$(sort -u "$work/out")" 0 "hidden bytes of one layer"
ok torte rmi waste

step "diff --stat: sizes, modes and owners; --content: the lines that changed"
recipe changes <<'R'
FROM base
RUN echo third:x:3:3:third:/:/bin/sh >>/etc/passwd; chmod 600 /etc/group; rm -r /home; printf '\0\1' >/binary; ln -s there /link
R
ok torte build -f "$work/context/changes" -t changes "$work/context"
for what in changes "base changes"; do
  # shellcheck disable=SC2086  # one image or two
  ok torte diff --stat $what
  prints "mode 0644 -> 0600" "2 added, 3 changed, 1 deleted: +"
  ok torte diff --stat --format '{{.Change}} {{.Path}} {{with .Before}}{{.Mode}}{{end}} {{with .After}}{{.Mode}} {{.Size}}{{end}}' $what
  prints_line "C /etc/group 0644 0600 24"
  prints_line "A /binary  0644 2"
  ok torte diff --content $what
  prints_line "--- a/etc/passwd"
  prints_line "+third:x:3:3:third:/:/bin/sh"
  prints "+there" "/binary differ: "
  prints_not "/etc/group"
done
cp "$work/out" "$work/patch"
ok torte run --rm --network none base cat /etc/passwd
mkdir -p "$work/patched/etc"
cp "$work/out" "$work/patched/etc/passwd"
if command -v patch >/dev/null; then
  sed -n '/^--- a.etc.passwd/,/^+third/p' "$work/patch" | patch -s -p1 -d "$work/patched" || fail "patch refuses it"
  grep -q '^third:' "$work/patched/etc/passwd" || fail "patch did something else"
fi
status 2 torte diff --content --stat changes
ok torte rmi changes
ok torte prune --images

step "tree: the layers with their sizes, and which names share them"
ok torte tag base other/name:2
ok torte tree seen
prints "seen:latest" "of it in no other image" "rm /bin/vi" "base:latest, other/name:2"
ok torte tree --format '{{.Size}} {{.AlsoIn}}' seen
[ "$(head -n 1 "$work/out" | cut -d' ' -f1)" -gt 5000000 ] || fail "the newest layer is not the large one"
equal "$(head -n 1 "$work/out" | cut -d' ' -f2)" "[]" "names that share the newest layer"
[ "$(wc -l <"$work/out")" = "$(torte inspect -f '{{len .Rootfs.Layers}}' seen)" ] || fail "$(cat "$work/out")"
status 1 torte tree nothing
ok torte images --tree seen
prints "  in 2 images"
ok torte untag other/name:2

step "squash: one layer above the base, flatten: one in all; the same files, and every line of the history"
listing() { torte run --rm --network none "$1" sh -c 'find / -xdev ! -path "/proc/*" ! -path "/sys/*" ! -path "/dev/*" | sort; md5sum /big /added /etc/passwd' >"$work/listing.$2" || fail "run $1"; }
layers() { torte inspect -f '{{len .Rootfs.Layers}}' "$1"; }
lines() { torte history --format '{{.CreatedBy}}' "$1"; }
base_layers=$(layers base)
listing seen seen
for kind in squash flatten; do
  ok torte $kind seen $kind:1
  prints "$kind:1 "
  listing $kind:1 $kind
  cmp "$work/listing.seen" "$work/listing.$kind" || fail "the files of $kind differ"
  equal "$(lines $kind:1)" "$(lines seen)" "history of $kind"
done
equal "$(layers squash:1)" $((base_layers + 1)) "layers of squash"
equal "$(layers flatten:1)" 1 "layers of flatten"
ok torte squash --base base seen again
equal "$(torte inspect -f '{{.id}}' again)" "$(torte inspect -f '{{.id}}' squash:1)" "the same work twice"
ok torte squash again
equal "$(torte inspect -f '{{.id}}' again)" "$(torte inspect -f '{{.id}}' squash:1)" "nothing more to merge"
ok torte flatten again
equal "$(torte inspect -f '{{.id}}' again)" "$(torte inspect -f '{{.id}}' flatten:1)" "the name moved to the result"
status 1 torte squash --base seen base other
says "[base-differs]"
status 1 torte squash flatten:1 other
says "[base-missing]" "torte flatten"
status 2 torte flatten "$(torte inspect -f '{{.id}}' seen)"
ok torte fsck

step "image rename: the other names stay, and one that is taken is refused"
ok torte image rename again renamed:1
status 1 torte inspect again
equal "$(torte inspect -f '{{.id}}' renamed:1)" "$(torte inspect -f '{{.id}}' flatten:1)" "id"
status 1 torte image rename renamed:1 seen
says "[name-taken]"
status 2 torte image rename "$(torte inspect -f '{{.id}}' seen)" other
ok torte image rename --force renamed:1 squash:1
equal "$(torte inspect -f '{{.id}}' squash:1)" "$(torte inspect -f '{{.id}}' flatten:1)" "id"
ok torte rmi squash:1 flatten:1

step "mount shows the file system read-only, umount takes it away"
if [ "$(id -u)" = 0 ]; then
  ok torte mount seen
  mounted=$(tail -n 1 "$work/out")
  equal "$(cat "$mounted/added")" 1
  ! touch "$mounted/x" 2>/dev/null || fail "the mount can be written"
  ok torte umount seen
  [ ! -e "$mounted/added" ] || fail "still mounted at $mounted"
else
  ok torte unshare sh -c "cat \"\$('$TORTE' --root '$store' --run-root '$work/run' mount seen | tail -n 1)/added\"; '$TORTE' --root '$store' --run-root '$work/run' umount seen >/dev/null"
  prints_line 1
fi

step "df counts a shared layer once"
ok torte df
prints "Images"
ok torte df --format json

step "prune --dry-run takes nothing; prune takes what no name needs"
ok torte rmi seen
ok torte prune -a --dry-run
ok torte images
prints base
before=$(du -s "$store" | cut -f1)
ok torte prune -a
[ "$(du -s "$store" | cut -f1)" -lt $((before - 4000)) ] || fail "nothing was freed: $before KiB before"
ok torte fsck

step "caps of prune: --keep-storage, --min-free, --reserved; the dry run says what the real one does"
base_image
mkdir -p "$work/caps"
for n in 1 2 3; do
  printf 'FROM base\nRUN head -c 3000000 /dev/urandom >/random%s\n' "$n" >"$work/caps/Recipe"
  ok torte build -q --network none -t cap "$work/caps"
done
ok torte rmi cap
ok torte prune -a --images
ok torte cache prune --min-free 1
prints "freed 0"
ok torte cache prune -a --dry-run --reserved 4m
cp "$work/out" "$work/planned"
ok torte cache prune -a --reserved 4m
sed 's/would free/freed/' "$work/planned" | cmp -s - "$work/out" || fail "the dry run said: $(cat "$work/planned")"
prints "cached step" "layer "
status 2 torte cache prune --min-free lots

step "the machine and the program describe themselves"
ok torte info
ok torte version
ok torte system check
ok torte version --format json
