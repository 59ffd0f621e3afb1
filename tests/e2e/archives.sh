# save, load and import: what goes out comes back the same, and other programs agree (interop.sh).
. "$(dirname "$0")/lib.sh"
base_image
recipe <<'R'
FROM base
RUN echo one >/file && ln /file /hard && ln -s file /soft && mkdir -m 1750 /folder && chown 12:34 /folder
RUN rm /bin/vi; rm -rf /home && mkdir /home && echo new >/home/file
LABEL kept=yes
ENV WORD="two words"
R
ok torte build -t odd "$work/context"
other() { "$TORTE" --root "$work/other" --run-root "$work/run" "$@"; }

for format in oci-archive docker-archive; do
  step "$format: saved, loaded into an empty store, the same image"
  ok torte save --format $format -o "$work/$format.tar" odd
  rm -rf "$work/other"
  ok other load -i "$work/$format.tar"
  ok other run --rm odd sh -c 'cat /soft; stat -c "%a %u:%g" /folder; ls /home; test ! -e /bin/vi; stat -c %h /file; echo "$WORD"'
  prints_line one
  prints_line "1750 12:34"
  prints_line file
  prints_line 2
  prints_line "two words"
  ok other inspect odd
  prints '"kept"'
done

step "the same image saved twice gives the same bytes"
ok torte save --format oci-archive -o "$work/again.tar" odd
cmp "$work/oci-archive.tar" "$work/again.tar" || fail "the archives differ"

step "docker-dir: a docker archive unpacked, to which images are added; load reads it, and one that docker made"
status 2 torte save --format docker-dir odd
ok torte save --format docker-dir -o "$work/docker-dir" odd
ok torte tag base other:1
ok torte save --format docker-dir -o "$work/docker-dir" other:1
rm -rf "$work/other"
ok other load -i "$work/docker-dir"
ok other images --format '{{.Name}}'
prints_line docker.io/library/odd:latest
prints_line docker.io/library/other:1
ok torte tag base odd2:latest
ok torte save --format docker-dir -o "$work/docker-dir" odd2
ok torte tag odd odd2:latest
ok torte save --format docker-dir -o "$work/docker-dir" odd2
rm "$work/docker-dir/index.json" "$work/docker-dir/oci-layout"
rm -rf "$work/other"
ok other load -i "$work/docker-dir"
equal "$(other inspect --format '{{.id}}' odd2)" "$(torte inspect --format '{{.id}}' odd)" "the image a name moved to"
ok other run --rm other:1 sh -c 'echo ran'
prints_line ran
ok torte untag odd2 other:1
tar -C "$work/docker-dir" -cf "$work/docker-dir.tar" .
rm -rf "$work/other"
ok other load -i "$work/docker-dir.tar"

step "an archive comes through a pipe, compressed or not"
rm -rf "$work/other"
torte save odd 2>"$work/err" | gzip -1 >"$work/odd.tar.gz" || fail "save to a pipe"
other load <"$work/odd.tar.gz" >"$work/out" 2>"$work/err" || fail "load from a pipe"
ok other run --rm odd cat /file

step "import makes an image of any tar of a root file system"
mkdir -p "$work/rootfs/bin" "$work/rootfs/srv"
cp /bin/busybox "$work/rootfs/bin/sh"
echo imported >"$work/rootfs/srv/file"
tar -C "$work/rootfs" -cJf "$work/rootfs.tar.xz" .
ok torte import -c 'ENV A=b' -c 'CMD ["sh", "-c", "read -r x </srv/file; echo $x $A"]' "$work/rootfs.tar.xz" imported
ok torte run --rm imported
prints_line "imported b"
tar -C "$work/rootfs" -c . | torte import - piped >"$work/out" 2>"$work/err" || fail "import from a pipe"
ok torte run --rm piped sh -c 'echo yes'
prints_line yes

step "broken archives are refused, and leave no image"
head -c 20000 "$work/oci-archive.tar" >"$work/short.tar"
rm -rf "$work/other"
status 1 other load -i "$work/short.tar"
says "error:"
head -c 4096 /dev/urandom >"$work/noise"
status 1 other load -i "$work/noise"
status 1 other import "$work/noise" noise
status 1 other load -i "$work/nowhere.tar"
says "nowhere.tar"
ok other images -q
equal "$(cat "$work/out")" "" "images after broken archives"
ok other fsck
