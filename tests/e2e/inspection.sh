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
