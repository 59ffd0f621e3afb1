# The manual pages: every command has one, and what formats them finds nothing wrong.
. "$(dirname "$0")/lib.sh"

step "a page for torte and for every command that --help lists"
ok torte debug manual "$work/man1"
torte --help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)  .*/\1/p' >"$work/commands"
[ "$(wc -l <"$work/commands")" -gt 80 ] || fail "the commands were not found in the help"
while read -r name; do
  [ -s "$work/man1/torte-${name// /-}.1" ] || fail "no page for torte $name"
done <"$work/commands"

step "they say what --help says"
grep -q '^\.TH "torte\\-cache\\-prune" 1' "$work/man1/torte-cache-prune.1" || fail "heading"
for flag in $(torte build --help | sed -n 's/^ *\(-., \)\?--\(\[no-\]\)\?\([a-z-]*\).*/\3/p'); do
  grep -qF -- "${flag//-/\\-}" "$work/man1/torte-build.1" || fail "torte-build.1 says nothing of --$flag"
done
equal "$(cat "$work/man1/torte-image-ls.1")" ".so man1/torte-images.1"

if command -v groff >/dev/null; then
  step "groff has no complaints"
  cd "$work"
  for page in man1/*.1; do
    groff -man -ww -z -Tutf8 "$page" 2>&1 | grep -v 'cannot adjust line\|can.t break line' >>"$work/complaints" || true
  done
  [ ! -s "$work/complaints" ] || fail "$(head "$work/complaints")"
fi
