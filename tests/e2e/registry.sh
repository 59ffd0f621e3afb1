# Images move between torte and a registry, and what others pushed or pull is the same. The registry is Debian's, on
# ports of its own: one plain, one with TLS from a CA made here and passwords.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
need openssl htpasswd
plain_registry

base_image
recipe <<'R'
FROM base
RUN echo ours >/file && mkdir -m 1777 /sticky && rm /bin/vi
RUN head -c 9000000 /dev/urandom >/big
LABEL from=torte
R
ok torte build -t made "$work/context"

step "push packs layers while it sends them, and the digest it prints is that of the registry"
ok torte push --digestfile "$work/digest" made "$plain/team/made:1"
prints "pushed $plain/team/made:1 sha256:"
digest=$(cat "$work/digest")
equal "$(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$plain/v2/team/made/manifests/1" |
         tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" {print $2}')" "$digest" "digest"

step "a second push is a question; under another tag no blob is looked for"
requests() { sed -nE 's|.*"([A-Z]+) /v2/team/made/([a-z]+)/.*|\1 \2|p' "$work/plain.log" | tr '\n' ' '; }
: >"$work/plain.log"
ok torte push made "$plain/team/made:1"
equal "$(requests)" "HEAD manifests " "requests"
: >"$work/plain.log"
ok torte push made "$plain/team/made:2"
equal "$(requests)" "HEAD manifests HEAD manifests PUT manifests " "requests"

step "all tags of a name go together"
ok torte tag made tags:one
ok torte tag base tags:two
ok torte push --all-tags tags "$plain/team/tags"
ok torte list-tags "$plain/team/tags"
equal "$(sort "$work/out" | tr '\n' ' ')" "one two " "tags"
status 2 torte push --all-tags tags:one "$plain/team/tags"
status 1 torte push --all-tags nothing "$plain/team/tags"
ok torte untag tags:one tags:two

step "what was pushed comes back: the same image, under the same digest"
id=$(torte inspect --format '{{.id}}' made)
ok torte rmi made
ok torte prune -a -f
ok torte pull "$plain/team/made:1"
equal "$(torte inspect --format '{{.id}}' "$plain/team/made:1")" "$id" "id"
ok torte run --rm "$plain/team/made:1" sh -c 'cat /file; stat -c %a /sticky; test ! -e /bin/vi && wc -c </big'
prints_line ours
prints_line 1777
prints_line 9000000
ok torte push --digestfile "$work/digest2" "$plain/team/made:1" "$plain/other/made:1"
equal "$(cat "$work/digest2")" "$digest" "digest after a round trip"

step "what is there already is not fetched again"
: >"$work/plain.log"
ok torte pull "$plain/team/made:2"
if grep -q '"GET /v2/.*blobs' "$work/plain.log"; then fail "it fetched blobs again"; fi

step "pull --lazy fetches all and unpacks nothing; push sends it on as it came"
whole=$store store=$work/packed
ok torte pull --lazy "$plain/team/made:1"
equal "$(torte inspect --format '{{.id}}' "$plain/team/made:1")" "$id" "id"
equal "$(ls "$store/layers")" "" "layers unpacked"
: >"$work/plain.log"
ok torte pull --lazy "$plain/team/made:1"
if grep -q '"GET /v2/.*blobs/.*200\|"GET /v2/.*blobs/.*206' "$work/plain.log"; then fail "it fetched blobs again"; fi
ok torte push --digestfile "$work/digest3" "$plain/team/made:1" "$plain/third/made:1"
equal "$(cat "$work/digest3")" "$digest" "digest after a round trip"
equal "$(ls "$store/layers")" "" "layers unpacked"
ok torte run --rm "$plain/team/made:1" cat /file
prints_line ours
store=$whole

step "FROM, COPY --from and run fetch what is missing; --pull=never does not"
ok torte rmi "$plain/team/made:1" "$plain/team/made:2"
recipe <<R
FROM $plain/team/made:1 AS fetched
FROM scratch
COPY --from=$plain/other/made:1 /file /copied
COPY --from=fetched /file /again
R
status 1 torte build --pull=never -t joined "$work/context"
says "is not in the store" "the policy is never"
ok torte build -t joined "$work/context"
ok torte rmi -f "$plain/team/made:1" "$plain/other/made:1"
status 125 torte run --rm --pull=never "$plain/team/made:1" true
ok torte run --rm "$plain/team/made:1" cat /file
prints_line ours

step "an image that is not there, and a registry that is not there, are said to be so"
status 1 torte pull "$plain/team/none:1"
says "is not in the registry" "[registry-not-found]"
status 1 torte pull "127.0.0.1:$(free_port)/none:1"
says "[registry-unreachable]"

step "eight processes that want the same image fetch each layer once"
size=$(layers_of "$plain/team/made:1" | awk '{ n += $2 } END { print n }')
ok torte rmi -f "$plain/team/made:1"
ok torte prune -a -f
: >"$work/plain.log"
pids=()
for i in 1 2 3 4 5 6 7 8; do torte pull -q "$plain/team/made:1" >"$work/pull.$i" 2>&1 & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid" || fail "a pull failed: $(cat "$work"/pull.*)"; done
layers_of "$plain/team/made:1" >"$work/layers"
layers=$(grep -c . "$work/layers")
equal "$(fetched_blobs | grep -cFf <(cut -d' ' -f1 "$work/layers"))" "$layers" "fetched layers"
equal "$(fetched_blobs | grep -Ff <(cut -d' ' -f1 "$work/layers") | awk '{ n += $3 } END { print n }')" "$size" "fetched bytes"
ok torte fsck

step "TLS from a CA of our own, and passwords"
port=$(free_port)
make_certificate
htpasswd -Bbn user 'pass:word' >"$work/passwords" 2>/dev/null
start_registry secure "$port" https <<C
http: {addr: "127.0.0.1:$port", tls: {certificate: $work/tls.crt, key: $work/tls.key}}
auth: {htpasswd: {realm: test, path: $work/passwords}}
C
secure=127.0.0.1:$port
mkdir "$work/certs"
cp "$work/ca.crt" "$work/certs/ca.crt"
status 1 torte push "$plain/team/made:1" "$secure/made:1"
says "[registry-certificate]"
status 1 torte push --cert-dir "$work/certs" "$plain/team/made:1" "$secure/made:1"
says "[registry-denied]" "torte login"
status 1 torte push --cert-dir "$work/certs" --creds user:wrong "$plain/team/made:1" "$secure/made:1"
says "[registry-denied]"
ok torte push --cert-dir "$work/certs" --creds user:pass:word "$plain/team/made:1" "$secure/made:1"
ok torte push --tls-verify=false --creds user:pass:word "$plain/team/made:1" "$secure/made:2"

step "layers that have not come are fetched with the credentials of the command that needs them"
recipe late <<R
FROM $secure/made:1
LABEL late=yes
R
whole=$store
access=(--cert-dir "$work/certs" --creds user:pass:word)
late_layers() {
  store=$work/late-$1
  ok torte build "${access[@]}" -f "$work/context/late" -t late "$work/context"
  equal "$(ls -A "$store/layers")" "" "layers that came too early"
}
late_layers push
ok torte push "${access[@]}" --compression zstd late "$secure/late:1"
late_layers copy
ok torte copy "${access[@]}" store:late "oci:$work/late-layout:1"
late_layers save
ok torte save "${access[@]}" -o "$work/late.tar" late
late_layers history
ok torte history "${access[@]}" --waste late
late_layers diff
ok torte diff "${access[@]}" late
late_layers flatten
ok torte flatten "${access[@]}" late late-flat
if [ "$(id -u)" = 0 ]; then
  late_layers mount
  ok torte mount "${access[@]}" --no-lazy late
  ok torte umount --all
fi
store=$whole

step "login keeps what works, for us and for others; logout forgets it"
status 1 torte login --cert-dir "$work/certs" -u user -p wrong "$secure"
says "[registry-denied]"
printf 'pass:word\n' >"$work/password"
torte login --cert-dir "$work/certs" -u user --password-stdin "$secure" <"$work/password" >"$work/out" 2>"$work/err" ||
  fail "login ended with status $?"
prints "logged in to $secure"
if grep -rq 'pass:word' "$work/config" "$work/out" "$work/err"; then fail "the password is readable as it is"; fi
equal "$(stat -c %a "$work/config/containers/auth.json")" 600 "mode"
ok torte login --get-login "$secure"
prints_line user
ok torte pull --cert-dir "$work/certs" "$secure/made:1"
ok torte logout "$secure"
status 1 torte pull --cert-dir "$work/certs" "$secure/made:1"
says "[registry-denied]"
status 1 torte logout "$secure"

step "a registry that is not up yet is waited for"
late_port=$(free_port)
torte push --retry 200 --retry-delay 200ms --cert-dir "$work/certs" "$secure/made:1" "127.0.0.1:$late_port/made:1" >"$work/late.out" 2>&1 &
late=$!
start_registry late "$late_port" https <<C
http: {addr: "127.0.0.1:$late_port", tls: {certificate: $work/tls.crt, key: $work/tls.key}}
C
wait "$late" || fail "$(cat "$work/late.out")"

step "certs.d, registries.conf: authorities, mirrors and blocked registries where other tools have them"
mkdir -p "$work/config/containers/certs.d/$secure"
cp "$work/ca.crt" "$work/config/containers/certs.d/$secure/"
ok torte list-tags --creds user:pass:word "$secure/made"
prints_line 1
prints_line 2
cat >"$work/config/containers/registries.conf" <<C
[[registry]]
prefix = "registry.test"
[[registry.mirror]]
location = "127.0.0.1:1"
[[registry.mirror]]
location = "$plain/team"
[[registry]]
prefix = "registry.test/forbidden"
blocked = true
C
ok torte pull registry.test/made:1
says "mirror 127.0.0.1:1/made is passed over"
ok torte run --rm registry.test/made:1 cat /file
prints_line ours
status 1 torte pull registry.test/forbidden/made:1
says "is blocked" "registries.conf"
rm "$work/config/containers/registries.conf"

step "digest, list-tags, copy and delete"
ok torte digest "$plain/team/made:1"
prints_line "$digest"
ok torte copy "docker://$plain/team/made:1" "docker://$plain/copy/made:9"
prints_line "$digest"
ok torte copy "docker://$plain/team/made:1" "oci:$work/layout:made"
ok torte copy "docker://$plain/team/made:1" "oci-archive:$work/made.tar:made"
ok torte copy "oci:$work/layout" "docker://$plain/from-layout:1"
prints_line "$digest"
ok torte copy "oci-archive:$work/made.tar" "store:from-archive"
ok torte run --rm from-archive cat /file
prints_line ours
ok torte copy "docker://$plain/team/made:1" "dir:$work/dir"
ok torte copy "dir:$work/dir" "docker://$plain/from-dir:1"
prints_line "$digest"
ok torte copy "dir:$work/dir" "store:from-dir"
ok torte run --rm from-dir cat /file
prints_line ours
ok torte rmi -f from-dir
rm "$work/dir/$(ls -S "$work/dir" | head -n 1)"
status 1 torte copy "dir:$work/dir" "docker://$plain/from-broken-dir:1"
says "[blob-missing]"
ok torte delete "$plain/copy/made:9"
status 1 torte digest "$plain/copy/made:9"
status 1 torte list-tags "$plain/team/nothing"

step "a manifest list joins images of several platforms, here and there"
ok torte manifest create app:1 "$plain/team/made:1"
status 1 torte manifest create app:1
says "[list-exists]"
recipe other <<'R'
FROM scratch
COPY file /file
R
echo other >"$work/context/file"
ok torte build --platform linux/arm64 -f "$work/context/other" -t other "$work/context"
ok torte manifest add --annotation a=b app:1 other
added=$(cat "$work/out")
ok torte manifest inspect app:1
prints "$digest" "$added" '"architecture":"arm64"' '"a":"b"'
ok torte manifest annotate --variant v8 app:1 "$added"
ok torte manifest push app:1 "$plain/list:1"
ok torte pull --platform linux/arm64 "$plain/list:1"
ok torte copy --all "docker://$plain/list:1" "docker://$plain/list/copy:1"
ok torte manifest inspect "docker://$plain/list/copy:1"
prints "$digest" "$added"
ok torte pull "$plain/list/copy:1"
ok torte manifest remove app:1 "$added"
ok torte manifest rm app:1
status 1 torte manifest push app:1
ok torte rmi -f "$plain/list:1" "$plain/list/copy:1" other

step "what refers to an image is found, copied and kept in a list where the registry keeps none"
cat >"$work/attach.py" <<'ATTACH'
import hashlib, json, sys, urllib.request

registry, repository, subject, size = sys.argv[1:]


def send(method, url, body=b"", headers=None):
    return urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method))


def put_blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    where = send("POST", f"http://{registry}/v2/{repository}/blobs/uploads/").headers["Location"]
    send("PUT", f"{where}&digest={digest}", data, {"Content-Type": "application/octet-stream"})
    return {"digest": digest, "size": len(data)}


manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.test.signature",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **put_blob(b"{}")},
            "layers": [{"mediaType": "text/plain", **put_blob(b"signed")}],
            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": int(size)}}
text = json.dumps(manifest).encode()
digest = "sha256:" + hashlib.sha256(text).hexdigest()
send("PUT", f"http://{registry}/v2/{repository}/manifests/{digest}", text, {"Content-Type": manifest["mediaType"]})
entry = {"mediaType": manifest["mediaType"], "digest": digest, "size": len(text), "artifactType": manifest["artifactType"]}
index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
send("PUT", f"http://{registry}/v2/{repository}/manifests/{subject.replace(':', '-')}", json.dumps(index).encode(),
     {"Content-Type": index["mediaType"]})
print(digest)
ATTACH
ok torte referrers "$plain/team/made:1"
equal "$(cat "$work/out")" "" "referrers"
torte inspect --raw "docker://$plain/team/made:1" >"$work/raw"
signature=$(python3 "$work/attach.py" "$plain" team/made "$digest" "$(stat -c %s "$work/raw")")
ok torte referrers "$plain/team/made:1"
prints_line "$signature  application/vnd.test.signature"
ok torte referrers --artifact-type text/other "$plain/team/made:1"
equal "$(cat "$work/out")" "" "referrers of another type"
ok torte copy --referrers "docker://$plain/team/made:1" "docker://$plain/signed/made:1"
prints_line "$digest"
ok torte referrers "$plain/signed/made:1"
prints_line "$signature  application/vnd.test.signature"

step "what a build attests of an image goes along with push, and with copy --referrers"
printf 'FROM scratch\nCOPY Attested /\n' >"$work/context/Attested"
ok torte build --pull=never -f "$work/context/Attested" --provenance -t "$plain/team/attested:1" --push "$work/context"
attested() { ok torte referrers --artifact-type application/vnd.in-toto+json "$1"; equal "$(grep -c '^sha256:' "$work/out")" 1 "attestations of $1"; }
attested "$plain/team/attested:1"
cp "$work/out" "$work/first"
ok torte push "$plain/team/attested:1" "$plain/team/attested:2"
attested "$plain/team/attested:2"
equal "$(cat "$work/out")" "$(cat "$work/first")" "pushed again"
ok torte copy --referrers "docker://$plain/team/attested:1" "docker://$plain/moved/attested:1"
attested "$plain/moved/attested:1"
ok torte copy --referrers "docker://$plain/moved/attested:1" "oci:$work/laid:attested"
ok torte copy --referrers "oci:$work/laid:attested" "oci-archive:$work/laid.tar:attested"
ok torte copy --referrers "oci-archive:$work/laid.tar:attested" "docker://$plain/back/attested:1"
attested "$plain/back/attested:1"
equal "$(cat "$work/out")" "$(cat "$work/first")" "by way of layouts"
status 1 torte copy --referrers "docker://$plain/team/attested:1" "dir:$work/dir"
says "[no-referrers]"
ok torte push --compression zstd "$plain/team/attested:1" "$plain/zstd/attested:1"
attested "$plain/zstd/attested:1"
printf 'FROM scratch\nARG TARGETARCH\nCOPY Attested /$TARGETARCH\n' >"$work/context/Several"
ok torte build -f "$work/context/Several" --platform linux/amd64,linux/arm64 --provenance --sbom -t "$plain/team/several:1" --push "$work/context"
torte inspect --raw "docker://$plain/team/several:1" >"$work/raw"
for digest in $(python3 -c 'import json, sys; print(*[m["digest"] for m in json.load(open(sys.argv[1]))["manifests"]])' "$work/raw"); do
  ok torte referrers --artifact-type application/vnd.in-toto+json "$plain/team/several@$digest"
  equal "$(grep -c '^sha256:' "$work/out")" 2 "attestations of $digest"
done
printf 'FROM scratch\nLABEL without=any\nCOPY Attested /\n' >"$work/context/Plain"
ok torte build -f "$work/context/Plain" -t "$plain/team/unattested:1" --push "$work/context"
ok torte referrers "$plain/team/unattested:1"
equal "$(cat "$work/out")" "" "attestations of what was built without"
ok torte rmi -f "$plain/team/attested:1" "$plain/team/unattested:1" "$plain/team/several:1" "$plain/team/several:1-linux-arm64"

step "a push that is cut off goes on; a pull that is killed keeps what it has"
ok torte rmi -f "$plain/team/made:1" "$plain/team/made:2" registry.test/made:1 "$secure/made:1" from-archive
ok torte prune -a -f
for delay in 0.02 0.05 0.1 0.15 0.2; do
  torte_process pull -q "$plain/team/made:1" >/dev/null 2>&1 & pid=$!
  sleep "$delay"
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
done
ok torte pull "$plain/team/made:1"
ok torte fsck --deep
ok torte run --rm "$plain/team/made:1" cat /file
prints_line ours
[ -z "$(ls -A "$store/partial" 2>/dev/null)" ] || fail "a partial blob stayed: $(ls "$store/partial")"

step "skopeo and podman read what we pushed, we read what they pushed"
need skopeo
policy=$work/config/containers/policy.json
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$policy"
skopeo_() { skopeo --policy "$policy" "$@"; }
ok skopeo_ inspect --tls-verify=false "docker://$plain/team/made:1"
prints '"from": "torte"'
ok skopeo_ copy --src-tls-verify=false --dest-tls-verify=false --format v2s2 "docker://$plain/team/made:1" "docker://$plain/docker/made:1"
ok torte pull "$plain/docker/made:1"
ok torte run --rm "$plain/docker/made:1" cat /file
prints_line ours
ok skopeo_ copy --src-tls-verify=false "docker://$plain/team/made:1" "dir:$work/skopeo-dir"
ok torte copy "dir:$work/skopeo-dir" "docker://$plain/skopeo-dir:1"
ok torte copy "docker://$plain/team/made:1" "dir:$work/our-dir"
ok skopeo_ copy --dest-tls-verify=false "dir:$work/our-dir" "docker://$plain/our-dir:1"
ok torte push --compression zstd --compression-level 19 "$plain/team/made:1" "$plain/zstd/ours:1"
ok torte rmi -f "$plain/docker/made:1" "$plain/team/made:1"
ok torte prune -a -f
ok torte pull "$plain/zstd/ours:1"
ok torte run --rm "$plain/zstd/ours:1" cat /file
prints_line ours
[ "$(id -u)" = 0 ] || exit 0
need podman
podman_() { env -u DOCKER_CONFIG podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs "$@"; }
ok podman_ pull --tls-verify=false "$plain/team/made:1"
ok podman_ push --tls-verify=false "$plain/team/made:1" "$plain/podman/made:1"
ok torte pull "$plain/podman/made:1"
ok torte run --rm "$plain/podman/made:1" cat /file
prints_line ours
