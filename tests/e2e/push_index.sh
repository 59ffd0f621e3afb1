# A build for several platforms goes to a registry as one index: by --push and by -o type=registry.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
plain_registry
recipe <<'R'
FROM scratch
ARG TARGETARCH
LABEL arch=$TARGETARCH
COPY file /$TARGETARCH
R
echo content >"$work/context/file"

step "--push of two platforms: the name leads to an index of both"
ok torte build --platform linux/amd64,linux/arm64 -t "$plain/several:1" --push --metadata-file "$work/meta" "$work/context"
ok torte inspect --raw "docker://$plain/several:1"
python3 - "$work/out" "$work/meta" <<'PY'
import json, sys
index, meta = (json.load(open(path)) for path in sys.argv[1:])
assert [m["platform"]["architecture"] for m in index["manifests"]] == ["amd64", "arm64"], index
assert meta["containerimage.descriptor"]["mediaType"] == index["mediaType"], meta
PY

step "each platform pulls its own"
store=$work/other
for arch in amd64 arm64; do
  ok torte pull --platform "linux/$arch" "$plain/several:1"
  ok torte inspect "$plain/several:1"
  prints "\"arch\": \"$arch\""
done

step "-o type=registry,name=... the same, and nothing is named here"
ok torte build --platform linux/amd64,linux/arm64 -o "type=registry,name=$plain/direct:2" "$work/context"
ok torte inspect --raw "docker://$plain/direct:2"
prints '"arm64"' '"amd64"'

step "push-by-digest: what goes has no tag"
ok torte build --platform linux/amd64 -o "type=registry,name=$plain/untagged:1,push-by-digest=true" --metadata-file "$work/meta" "$work/context"
status 1 torte inspect --raw "docker://$plain/untagged:1"
digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$work/meta")
ok torte inspect --raw "docker://$plain/untagged@$digest"
