# Where the result of a build goes, and how it is written down.
. "$(dirname "$0")/lib.sh"
need python3
base_image
mkdir -p "$work/context/d"
echo content >"$work/context/d/file"
recipe <<'R'
FROM base
LABEL keep=1 drop=2
ENV ONE=1 TWO=2
COPY --chown=guest d /d
RUN echo more >/d/more && ln -s file /d/link && rm /etc/group
RUN mkdir /d/sub && echo x >/d/sub/x && rm -r /d/sub && mkdir /d/sub && echo y >/d/sub/y
SHELL ["/bin/sh", "-e", "-c"]
HEALTHCHECK --interval=7s CMD ["true"]
ONBUILD RUN echo hi
R
build() { torte build --pull=never "$@" "$work/context"; }

# layout DIR: prints facts of an OCI layout as JSON.
cat >"$work/layout.py" <<'PY'
import json, sys
root = sys.argv[1]
blob = lambda d: json.load(open(f"{root}/blobs/{d['digest'].replace(':', '/')}"))
index = json.load(open(root + "/index.json"))
out = {"index": index, "images": []}
for entry in index["manifests"]:
    document = blob(entry)
    for m in [blob(x) for x in document["manifests"]] if "manifests" in document else [document]:
        out["images"].append({"manifest": m, "config": blob(m["config"])})
    out["entry"] = document
print(json.dumps(out))
PY
check() { python3 "$work/layout.py" "$1" | python3 -c "import json, sys
o = json.load(sys.stdin); i = o['images'][0]; m = i['manifest']; c = i['config']
$2" || fail "layout $1: $2"; }

step "files: a directory, a tar, standard output"
ok build -o "$work/files"
equal "$(cat "$work/files/d/file" "$work/files/d/more" "$work/files/d/sub/y")" "content
more
y" "files"
[ -L "$work/files/d/link" ] && [ ! -e "$work/files/etc/group" ] && [ ! -e "$work/files/d/sub/x" ] || fail "the tree is another one"
ok build -o type=tar,dest="$work/files.tar"
tar -tf "$work/files.tar" >"$work/listing"
grep -qx d/sub/y "$work/listing" || fail "no d/sub/y in the tar"
build -o - 2>"$work/err" >"$work/stdout.tar" || fail "tar on standard output"
cmp -s "$work/files.tar" "$work/stdout.tar" || fail "two tars of one image differ"
ok torte images -q
equal "$(wc -l <"$work/out")" 1 "images in the store: a build of files leaves none"

step "mode=delete wants to be allowed outside the working directory"
touch "$work/files/old"
status 1 build -o type=local,dest="$work/files",mode=delete
says "[not-allowed]" "local.delete"
ok build -o type=local,dest="$work/files",mode=delete --allow local.delete
[ ! -e "$work/files/old" ] && [ -e "$work/files/d/file" ] || fail "delete did not"

step "OCI: HEALTHCHECK, SHELL and ONBUILD stay in the configuration (M4)"
ok build -t app:1 -o type=oci-dir,dest="$work/oci" --annotation a=b --annotation manifest-descriptor:c=d \
  --env THREE=3 --unsetenv ONE --label extra=1 --unsetlabel drop
check "$work/oci" "
assert c['config']['Healthcheck'] == {'Test': ['CMD', 'true'], 'Interval': 7000000000}, c
assert c['config']['Shell'] == ['/bin/sh', '-e', '-c'] and c['config']['OnBuild'] == ['RUN echo hi']
assert m['annotations'] == {'a': 'b'} and o['index']['manifests'][0]['annotations']['c'] == 'd'
assert 'ONE=1' not in c['config']['Env'] and 'TWO=2' in c['config']['Env'] and 'THREE=3' in c['config']['Env']
assert c['config']['Labels'] == {'keep': '1', 'extra': '1'}, c['config']['Labels']
assert sum(not h.get('empty_layer') for h in c['history']) == len(c['rootfs']['diff_ids']) == len(m['layers'])"
ok build -t app:1 -o type=oci,dest="$work/app.tar" -o type=docker,dest="$work/docker.tar"
ok torte load -i "$work/app.tar"
tar -xOf "$work/docker.tar" manifest.json | grep -q 'app:1' || fail "no name in the docker archive"
status 1 torte inspect app:2

step "--format docker, --compression"
ok build -t app:docker --format docker --compression zstd --load -o type=oci-dir,dest="$work/docker"
check "$work/docker" "
assert m['mediaType'] == 'application/vnd.docker.distribution.manifest.v2+json'
assert m['config']['mediaType'] == 'application/vnd.docker.container.image.v1+json'
assert m['layers'][-1]['mediaType'] == 'application/vnd.docker.image.rootfs.diff.tar.zstd', m['layers']"
ok torte save --format oci-dir -o "$work/again" app:docker
check "$work/again" "assert m['mediaType'].startswith('application/vnd.docker.')"

step "--compression-level: a level is what was asked for, not what was packed before"
seq 200000 >"$work/context/numbers"
printf 'FROM scratch\nCOPY numbers /\n' >"$work/context/Numbers"
packed() {  # packed DIR: how large the layer in it is; what comes out of it is right
  local blob
  blob=$(python3 "$work/layout.py" "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["images"][0]["manifest"]["layers"][-1]["digest"])')
  blob=$1/blobs/${blob/://}
  (store=$1-store; torte load -q -i "$1" && torte build -q -f "$work/context/Back" --pull=never -o "$1-files" "$work/context") >/dev/null 2>&1 &&
    cmp -s "$1-files/numbers" "$work/context/numbers" || { echo "the layer of $1 does not give the file back"; return; }
  stat -c %s "$blob"
}
printf 'FROM numbers\n' >"$work/context/Back"
ok build -f "$work/context/Numbers" -t numbers --compression gzip -o type=oci-dir,dest="$work/level-" --load
ok build -f "$work/context/Numbers" -t numbers --compression-level 1 -o type=oci-dir,dest="$work/level-1"
ok build -f "$work/context/Numbers" -t numbers -o type=oci-dir,dest="$work/level-9",compression=gzip,compression-level=9
ok torte save numbers --format oci-dir -o "$work/level-9-saved" --compression gzip --compression-level 9
ok torte save numbers --format oci-dir -o "$work/level-19" --compression zstd --compression-level 19
ok torte save numbers --format oci-dir -o "$work/level-z1" --compression zstd --compression-level 1
for pair in "1 9" "z1 19"; do
  weak=$(packed "$work/level-${pair% *}") strong=$(packed "$work/level-${pair#* }")
  [ "$weak" -gt "$strong" ] || fail "levels $pair: $weak, $strong"
done
cmp -s "$work/level-9/index.json" "$work/level-9-saved/index.json" || fail "the same level gave another image"
status 2 build --compression-level 10
says "gzip has levels 0 to 9"
status 2 build -o type=oci-dir,dest="$work/no",compression=zstd,compression-level=23
says "zstd has levels 1 to 22"
status 2 torte push numbers --compression-level high
says "compression-level is a small number"
status 2 torte save numbers --format oci-dir -o "$work/no" --compression none --compression-level 3
says "compression none does not pack"
rm "$work/context/numbers" "$work/context/Numbers" "$work/context/Back"

step "--squash: one layer of this build, or one in all; the same files"
ok torte save --format oci-dir -o "$work/base-layout" base
base_layers=$(python3 "$work/layout.py" "$work/base-layout" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["images"][0]["config"]["rootfs"]["diff_ids"]))')
listing() { torte build --pull=never "$@" -o - "$work/context" 2>/dev/null | tar -tvf - | sort -k6; }
plain=$(listing)
for kind in new all; do
  ok build -t squashed --squash=$kind -o type=oci-dir,dest="$work/squash-$kind" --load
  [ "$kind" = new ] && wanted=$((base_layers + 1)) || wanted=1
  check "$work/squash-$kind" "
assert len(c['rootfs']['diff_ids']) == len(m['layers']) == $wanted, c['rootfs']
assert sum(not h.get('empty_layer') for h in c['history']) == $wanted
assert any('COPY' in h['created_by'] for h in c['history'])"
  equal "$(listing --squash=$kind)" "$plain" "files of --squash=$kind"
done
ok torte run --rm squashed sh -c 'cat /d/file /d/sub/y; ls /d/sub; test ! -e /etc/group'
prints "content" "y"
prints_not "x"

step "cacheonly, several outputs, iidfile, metadata"
ok build --no-cache -o type=cacheonly
ok build -t app:meta --iidfile "$work/iid" --metadata-file "$work/meta"
python3 - "$work" <<'PY'
import json, sys
meta = json.load(open(sys.argv[1] + "/meta"))
iid = open(sys.argv[1] + "/iid").read()
assert meta["containerimage.config.digest"] == iid and iid.startswith("sha256:") and len(iid) == 71
assert meta["image.name"] == "docker.io/library/app:meta"
assert meta["torte.build"]["cached"] == meta["torte.build"]["steps"]
assert any(k.startswith("docker.io/library/base:latest ") for k in meta["torte.build"]["baseImages"])
PY

step "several platforms are joined in an index"
cat >"$work/context/Multi" <<'R'
FROM scratch
ARG TARGETARCH
LABEL arch=$TARGETARCH
COPY d/file /$TARGETARCH
R
ok build -f "$work/context/Multi" --platform linux/amd64,linux/arm64 -t multi -o type=oci-dir,dest="$work/multi" --load
check "$work/multi" "
assert len(o['index']['manifests']) == 1 and len(o['images']) == 2
assert [x['platform']['architecture'] for x in o['entry']['manifests']] == ['amd64', 'arm64']
assert [x['config']['config']['Labels']['arch'] for x in o['images']] == ['amd64', 'arm64']"
ok torte inspect multi
ok build -f "$work/context/Multi" --platform linux/amd64,linux/arm64 -o "$work/split"
[ -e "$work/split/linux_arm64/arm64" ] && [ -e "$work/split/linux_amd64/amd64" ] || fail "no directory a platform"

step "several --target: each its own result, what they share made once"
cat >"$work/context/Two" <<'R'
FROM base AS common
RUN date +%s%N >/when
FROM common AS web
LABEL is=web
RUN echo web >/what
FROM common AS api
RUN echo api >/what
R
ok build -f "$work/context/Two" --target web -t web --target api -t api:2 --iidfile "$work/ids" --metadata-file "$work/meta.json"
ok torte run --rm --network none web cat /what /when; cp "$work/out" "$work/web"
ok torte run --rm --network none api:2 cat /what /when
equal "$(sed -n 1p "$work/web") $(sed -n 1p "$work/out")" "web api"
equal "$(sed -n 2p "$work/web")" "$(sed -n 2p "$work/out")" "the shared step"
equal "$(grep -c '^sha256:' "$work/ids")" 2 "ids"
ok torte inspect web
prints '"is": "web"'
python3 - "$work/meta.json" "$work/ids" <<'PY'
import json, sys
meta, ids = json.load(open(sys.argv[1])), open(sys.argv[2]).read().split()
targets = meta["torte.build"]["targets"]
assert [t["containerimage.config.digest"] for t in targets.values()] == ids and list(targets) == ["web", "api"]
assert targets["api"]["image.name"] == "docker.io/library/api:2", targets
PY
ok build -q -f "$work/context/Two" --target web --target 0
equal "$(wc -l <"$work/out")" 2 "ids printed"
status 2 build -f "$work/context/Two" --target web --target api -t web
says "one --tag each"
status 2 build -f "$work/context/Two" --target web --target api -o "$work/files"
status 2 build -f "$work/context/Two" --target web --target api --check

step "wrong usage is named"
status 2 build -o type=nothing
status 2 build -o type=oci,dest=x,what=1
status 2 build -o type=local
status 2 build -o type=registry
says "needs a name"
status 2 build --debug-on-error
says "terminal"
ok torte fsck
