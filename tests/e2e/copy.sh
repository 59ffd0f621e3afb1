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
