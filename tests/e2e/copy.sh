# Images and indexes move between registries, files and the store: byte for byte, unless they cannot.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
plain_registry
digest_of() { echo "sha256:$(sha256sum | cut -d' ' -f1)"; }

recipe <<'R'
FROM scratch
ARG TARGETARCH
COPY file /$TARGETARCH
LABEL arch=$TARGETARCH
R
echo content >"$work/context/file"
ok torte build --platform linux/amd64,linux/arm64,linux/riscv64 -t "$plain/several:1" --push "$work/context"
several=$(torte manifest raw "$plain/several:1" | digest_of)
ok torte digest "$plain/several:1"
prints_line "$several"
torte manifest raw --platform linux/arm64 "docker://$plain/several:1" >"$work/arm64"
arm64=$(digest_of <"$work/arm64")
# What BuildKit puts beside images: a manifest that is none, with blobs of its own.
cat >"$work/attest.py" <<'PY'
import hashlib, json, sys, urllib.request

base = f"http://{sys.argv[1]}/v2/several"


def send(method, url, body=b"", headers={}):
    return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method))


def put_blob(kind, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    where = send("POST", f"{base}/blobs/uploads/").headers["Location"]
    send("PUT", f"{where}&digest={digest}", data, {"Content-Type": "application/octet-stream"})
    return {"mediaType": kind, "digest": digest, "size": len(data)}


index = json.load(urllib.request.urlopen(urllib.request.Request(
    f"{base}/manifests/1", headers={"Accept": "application/vnd.oci.image.index.v1+json"})))
manifest = json.dumps({
    "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": put_blob("application/vnd.oci.image.config.v1+json", b'{"architecture":"unknown","os":"unknown"}'),
    "layers": [put_blob("application/vnd.in-toto+json", b'{"predicate": "built"}')]}).encode()
digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
kind = "application/vnd.oci.image.manifest.v1+json"
send("PUT", f"{base}/manifests/{digest}", manifest, {"Content-Type": kind})
index["manifests"].append({"mediaType": kind, "digest": digest, "size": len(manifest),
                           "platform": {"os": "unknown", "architecture": "unknown"}})
send("PUT", f"{base}/manifests/attested", json.dumps(index).encode(), {"Content-Type": index["mediaType"]})
PY
python3 "$work/attest.py" "$plain"
attested=$(torte manifest raw "$plain/several:attested" | digest_of)

store=$work/other  # nothing of it is here

step "an index goes through every transport that can hold it, and comes back the same"
ok torte copy --all --preserve-digests "docker://$plain/several:attested" "oci:$work/layout:a"
prints_line "$attested"
ok torte copy --multi-arch all "oci:$work/layout:a" "oci-archive:$work/layout.tar:a"
ok torte copy --all "oci-archive:$work/layout.tar" "dir:$work/dir"
ok torte copy --all "dir:$work/dir" "docker://$plain/back:1"
prints_line "$attested"
for place in "oci:$work/layout:a" "oci-archive:$work/layout.tar" "dir:$work/dir" "$plain/back:1"; do
  equal "$(torte manifest raw "$place" | digest_of)" "$attested" "digest at $place"
  torte manifest raw --platform linux/arm64 "$place" >"$work/raw"
  cmp "$work/raw" "$work/arm64" || fail "another manifest at $place"
done
ok torte inspect --raw "docker://$plain/back@$arm64"

step "through the store: each image has a name, and all of it leaves again"
ok torte copy --all "docker://$plain/several:attested" store:kept:1
prints_line "$attested"
store_of_names=$(torte images --format '{{.Name}} {{.Platform}}')
for arch in arm64 riscv64; do
  grep -qx "docker.io/library/kept:1-linux-$arch linux/$arch" <<<"$store_of_names" || fail "no image for $arch: $store_of_names"
done
ok torte inspect kept:1
prints '"arch": "amd64"'
ok torte prune -f
equal "$(torte manifest raw store:kept:1 | digest_of)" "$attested" "digest in the store"
ok torte copy --all store:kept:1 "docker://$plain/stored:1"
prints_line "$attested"
ok torte copy --all "store:kept:1" "oci:$work/from-store:1"
prints_line "$attested"
ok torte rmi kept:1-linux-arm64
status 1 torte copy --all store:kept:1 "docker://$plain/lacking:1"
says "linux/arm64" "[platform-missing]" "pull --all-platforms"
ok torte rmi kept:1 kept:1-linux-riscv64

step "pull --all-platforms brings every image and the index; push --all sends them on, with all their digests"
ok torte pull --all-platforms "$plain/several:attested"
prints "pulled $plain/several:attested linux/amd64 " "pulled $plain/several:attested linux/arm64 " " linux/riscv64 "
ok torte prune -f
for store in "$work/other" "$work/third"; do
  ok torte push --all --digestfile "$work/digest" "$plain/several:attested" "$plain/pushed:1"
  equal "$(cat "$work/digest")" "$attested" "digest"
  equal "$(torte manifest raw "$plain/pushed:1" | digest_of)" "$attested" "digest in the registry"
  ok torte inspect --raw "docker://$plain/pushed@$arm64"
  store=$work/third
  ok torte pull --lazy --all-platforms "$plain/several:attested"
  equal "$(find "$store/layers" -mindepth 1 | wc -l)" 0 "layers unpacked"
  ok torte delete "$plain/pushed:1"
done
store=$work/other
status 2 torte push --all --compression zstd "$plain/several:attested" "$plain/pushed:1"
status 2 torte pull --all-platforms --platform linux/arm64 "$plain/several:1"
ok torte push --all-tags "$plain/several" "$plain/single"
ok torte digest "$plain/single:attested-linux-arm64"
prints_line "$arm64"
status 1 torte pull --all-platforms "$plain/several:none"
says "[registry-not-found]"
ok torte rmi "$plain/several:attested-linux-riscv64"
status 1 torte push --all "$plain/several:attested" "$plain/pushed:2"
says "linux/riscv64" "[platform-missing]"
status 1 torte digest "$plain/pushed:2"
ok torte rmi "$plain/several:attested" "$plain/several:attested-linux-arm64"
ok torte prune -af
equal "$(find "$store/blobs" -type f | wc -l)" 0 "blobs that nothing needs"

step "pull --all-tags brings every tag, each with all its platforms where asked"
ok torte pull --all-tags --all-platforms "$plain/several"
equal "$(torte images --format '{{.Name}}' | grep -c "/several:.*linux-arm64$")" "$(torte list-tags "$plain/several" | wc -l)" "tags"
status 2 torte pull --all-tags "$plain/several:1"
ok torte rmi -fa

step "push --all takes a list of torte manifest, and one image as it is"
ok torte manifest create joined:1 "docker://$plain/several:1"
ok torte push --all joined:1 "$plain/joined:1"
ok torte manifest raw --platform linux/arm64 "$plain/joined:1"
cmp "$work/out" "$work/arm64" || fail "another manifest for arm64"
ok torte pull "$plain/several:1"
status 1 torte push --all "$plain/several:1" "$plain/lone:1"
says "[platform-missing]"
ok torte tag "$plain/several:1" lone:1
ok torte push --all lone:1 "$plain/lone:1"
status 2 torte push --all-tags --digestfile "$work/digest" "$plain/several" "$plain/lone"
ok torte rmi -fa

step "one platform, or the index alone"
ok torte copy --platform linux/arm64 "docker://$plain/several:1" "oci:$work/one:arm"
prints_line "$arm64"
status 2 torte copy --all --platform linux/arm64 "docker://$plain/several:1" "oci:$work/one:arm"
ok torte copy --multi-arch index-only "docker://$plain/several:1" "dir:$work/alone"
prints_line "$several"
equal "$(find "$work/alone" -name '*.manifest.json' | wc -l)" 0 "manifests beside the index"
ok torte copy --multi-arch index-only "docker://$plain/several:1" "docker://$plain/several:again"
prints_line "$several"
status 1 torte copy --multi-arch index-only "docker://$plain/several:1" store:alone
says "[index-alone]"

step "a docker archive holds one image, unpacked: its digest changes, or it is refused"
status 1 torte copy --all "docker://$plain/several:1" "docker-archive:$work/all.tar"
says "[one-platform]"
[ ! -e "$work/all.tar" ] || fail "a refused archive was written"
status 1 torte copy --preserve-digests "docker://$plain/several:1" "docker-archive:$work/docker.tar:app:1"
says "[digest-changes]"
ok torte copy "docker://$plain/several:1" "docker-archive:$work/docker.tar:app:1"
archived=$(cat "$work/out")
tar -xOf "$work/docker.tar" manifest.json >"$work/manifest.json"
python3 - "$work/manifest.json" <<'PY'
import json, sys
image, = json.load(open(sys.argv[1]))
assert image["RepoTags"] == ["docker.io/library/app:1"], image
PY
ok torte copy --preserve-digests "docker-archive:$work/docker.tar" "docker-archive:$work/docker2.tar:app:2"
prints_line "$archived"
ok torte copy "docker-archive:$work/docker.tar" store:archived
ok torte copy store:archived "docker-archive:$work/docker3.tar:app:1"
prints_line "$archived"
id=$(torte inspect --format '{{.id}}' archived)
ok torte copy "store:archived" "dir:$work/from-store-dir"
ok torte copy "dir:$work/from-store-dir" store:again
equal "$(torte inspect --format '{{.id}}' again)" "$id" "id"

step "from every transport to every other: one digest, or that of the unpacked image"
own=$(torte copy --preserve-digests "docker://$plain/several:1" "oci:$work/from-layout:x" 2>"$work/err")
ok torte copy "oci:$work/from-layout:x" store:from
ok torte copy "oci:$work/from-layout:x" "oci-archive:$work/from.tar:x"
ok torte copy "oci:$work/from-layout:x" "docker://$plain/from:x"
ok torte copy "oci:$work/from-layout:x" "dir:$work/from-dir"
for from in store:from "docker://$plain/from:x" "oci:$work/from-layout:x" "oci-archive:$work/from.tar" "dir:$work/from-dir" "docker-archive:$work/docker.tar"; do
  for to in store:to "docker://$plain/to:x" "oci:$work/to-layout:x" "oci-archive:$work/to.tar:x" "docker-archive:$work/to-docker.tar:x" "dir:$work/to-dir"; do
    ok torte copy "$from" "$to"
    case $from$to in *docker-archive:*) prints_line "$archived" ;; *) prints_line "$own" ;; esac
    rm -rf "$work/to-layout" "$work/to-dir"
  done
done
ok torte rmi from to

step "sync copies what is not there, keeps what is, and says which"
ok torte list-tags "$plain/several"
tags=$(sort "$work/out" | tr '\n' ' ')
ok torte sync --dry-run "docker://$plain/several" "oci:$work/synced"
prints "would copy 1 $several" "to copy, 0 kept"
[ ! -e "$work/synced" ] || fail "a dry run wrote something"
ok torte sync --tags '1*' --tags attested "docker://$plain/several" "oci:$work/synced"
prints "copied 1 $several" "copied attested $attested"
copied=$(grep -c '^copied' "$work/out")
ok torte sync "docker://$plain/several" "oci:$work/synced"
prints "kept 1 $several" " $copied kept"
ok torte sync "oci:$work/synced" "docker://$plain/synced"
ok torte list-tags "$plain/synced"
equal "$(sort "$work/out" | tr '\n' ' ')" "$tags" "tags"
: >"$work/plain.log"
ok torte sync "docker://$plain/several" "docker://$plain/synced"
prints "0 copied, "
if grep -q 'GET /v2/.*/manifests/\|"PUT /v2/\|/blobs/' "$work/plain.log"; then fail "it did more than to ask"; fi
ok torte sync --platform linux/arm64 --tags attested "docker://$plain/several" "dir:$work/synced-dir"
prints "copied attested $arm64"
ok torte sync --platform linux/arm64 --tags attested "docker://$plain/several" "dir:$work/synced-dir"
prints "kept attested $arm64"
ok torte copy "docker://$plain/single:attested-linux-arm64" "docker://$plain/synced:attested"
ok torte sync "dir:$work/synced-dir" "docker://$plain/synced"
prints "kept attested $arm64"
ok torte sync --tags attested "docker://$plain/several" "docker://$plain/synced"
prints "copied attested $attested"
status 2 torte sync "docker://$plain/several:1" "docker://$plain/synced"
status 2 torte sync "docker://$plain/several" "store:synced"

step "sync: one tag that fails does not keep the others; a damaged blob of a layout is written again"
mkdir "$work/synced-dir/broken"
echo '{"schemaVersion":2}' >"$work/synced-dir/broken/manifest.json"
ok torte delete "$plain/synced:attested"
status 1 torte sync "dir:$work/synced-dir" "docker://$plain/synced"
prints "copied attested $arm64" "1 copied, 0 kept, 1 failed"
says "tag broken"
blob=$work/synced/blobs/sha256/$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][0]["digest"].split(":")[1])' "$work/arm64")
printf x | dd of="$blob" bs=1 seek=20 conv=notrunc status=none
touch -d '2001-01-01' "$work/synced/blobs/sha256/${arm64#sha256:}"
ok torte copy --all "docker://$plain/several:1" "oci:$work/synced:again"
equal "sha256:$(sha256sum <"$blob" | cut -d' ' -f1)" "sha256:$(basename "$blob")" "blob"
equal "$(stat -c %Y "$work/synced/blobs/sha256/${arm64#sha256:}")" "$(date -d 2001-01-01 +%s)" "time of a blob that was right"

step "damage is found on the way, and nothing is left that looks right"
blob=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][0]["digest"].split(":")[1])' "$work/arm64")
printf x | dd of="$work/dir/$blob" bs=1 seek=20 conv=notrunc status=none
status 1 torte copy --all "dir:$work/dir" "oci-archive:$work/damaged.tar"
[ ! -e "$work/damaged.tar" ] || fail "an archive of damaged blobs was written"
status 1 torte copy --all "dir:$work/dir" "docker://$plain/damaged:1"
status 1 torte digest "$plain/damaged:1"

step "skopeo reads what we wrote, and we read what it wrote"
need skopeo
policy=$work/policy.json
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$policy"
skopeo_() { skopeo --policy "$policy" "$@"; }
ok skopeo_ copy --all --preserve-digests "oci:$work/layout:a" "dir:$work/skopeo"
ok torte copy --all --preserve-digests "dir:$work/skopeo" "docker://$plain/skopeo:1"
prints_line "$attested"
ok torte copy --all "docker://$plain/several:1" "dir:$work/ours"
ok skopeo_ copy --all --preserve-digests --dest-tls-verify=false "dir:$work/ours" "docker://$plain/ours:1"
ok torte digest "$plain/ours:1"
prints_line "$several"
ok skopeo_ inspect "docker-archive:$work/docker.tar"
