# What a build attests of an image: provenance, and that it goes where the image goes.
. "$(dirname "$0")/lib.sh"
need python3
base_image
mkdir -p "$work/context"
recipe <<'R'
FROM base
ARG TOKEN=none
RUN --mount=type=secret,id=key test -n "$TOKEN" && cat /run/secrets/key >/dev/null
R
echo top-secret >"$work/key"
build() { torte build --pull=never --secret "id=key,src=$work/key" --build-arg TOKEN=hunter2 "$@" "$work/context"; }

# statements LAYOUT: a line for each attestation of an OCI layout: what it is about, its type; the statement to $work/TYPE.json.
cat >"$work/statements.py" <<'PY'
import hashlib, json, sys
root, work = sys.argv[1:3]
def blob(d):
    data = open(f"{root}/blobs/{d['digest'].replace(':', '/')}", "rb").read()
    assert len(data) == d["size"] and "sha256:" + hashlib.sha256(data).hexdigest() == d["digest"]
    return json.loads(data)
entries = json.load(open(root + "/index.json"))["manifests"]
images = {e["digest"] for e in entries if "artifactType" not in e}
for entry in list(entries):
    document = blob(entry)
    images |= {m["digest"] for m in document.get("manifests", [])}
for entry in entries:
    if entry.get("artifactType") != "application/vnd.in-toto+json": continue
    manifest = blob(entry)
    assert manifest["artifactType"] == entry["artifactType"] and blob(manifest["config"]) == {}
    statement = blob(manifest["layers"][0])
    subject = manifest["subject"]["digest"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert subject in images and ["sha256:" + s["digest"]["sha256"] for s in statement["subject"]] == [subject], statement
    assert manifest["layers"][0]["annotations"]["in-toto.io/predicate-type"] == statement["predicateType"]
    kind = statement["predicateType"].split("/")[-2]
    json.dump(statement, open(f"{work}/{kind}.json", "w"))
    print(statement["subject"][0]["name"], statement["predicateType"])
PY
statements() { python3 "$work/statements.py" "$1" "$work" >"$work/out" 2>"$work/err" || fail "$1 is not as it should be"; }
predicate() { python3 -c "import json, sys
p = json.load(open('$work/$1.json'))['predicate']
$2" 2>"$work/err" || fail "$1: $2"; }

step "nothing unless asked; the provenance is in the metadata file always"
ok build -t app --metadata-file "$work/meta" -o type=oci-dir,dest="$work/none" --load
statements "$work/none"
equal "$(cat "$work/out")" "" "attestations"
python3 - "$work/meta" <<'PY' || fail "the metadata file lacks it"
import json, sys
provenance = json.load(open(sys.argv[1]))["buildx.build.provenance"]
assert provenance["buildDefinition"]["resolvedDependencies"][0]["uri"].startswith("pkg:docker/base@latest?platform=linux%2F")
PY

step "--provenance: base images by digest, names of arguments; in OCI outputs, and in save"
ok build -t app --provenance -o type=oci-dir,dest="$work/min" --load
statements "$work/min"
prints_line "docker.io/library/app https://slsa.dev/provenance/v1"
id=$(torte inspect --format '{{.id}}' base)
predicate provenance "
d = p['buildDefinition']
assert d['externalParameters']['buildArgs'] == ['TOKEN'] and d['externalParameters']['context'] == 'local', d
assert d['resolvedDependencies'][0]['annotations']['imageId'] == '$id', d
assert 'recipe' not in d['internalParameters']
assert p['runDetails']['metadata']['startedOn'] <= p['runDetails']['metadata']['finishedOn']"
equal "$(torte inspect --format '{{json .attestations}}' app)" '["https://slsa.dev/provenance/v1"]' "inspect"
ok torte save --format oci-dir -o "$work/saved" app
statements "$work/saved"
prints_line "docker.io/library/app https://slsa.dev/provenance/v1"
ok torte save -o "$work/app.tar" app

step "mode=max has the recipe's text; a later one takes the place of an earlier; secrets and values are in none"
ok build -t app --attest type=provenance,mode=max -o type=oci-dir,dest="$work/max" --load
statements "$work/max"
equal "$(wc -l <"$work/out")" 1 "attestations"
predicate provenance "assert p['buildDefinition']['internalParameters']['recipe'] == open('$work/context/Recipe').read()"
! grep -E "hunter2|top-secret|$work" "$work/provenance.json" || fail "it tells what nobody is to know"
ok build -t app -o type=oci-dir,dest="$work/kept" --load
statements "$work/kept"
prints_line "docker.io/library/app https://slsa.dev/provenance/v1"

step "--sbom: the packages that dpkg and apk know"
mkdir -p "$work/db"
printf 'Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b2\nMaintainer: A <a@b>\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n' >"$work/context/status"
printf 'P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n\n' >"$work/context/installed"
printf 'ID=debian\nVERSION_ID="12"\n' >"$work/context/os-release"
cat >"$work/context/Packages" <<'R'
FROM base
COPY os-release /etc/
COPY status /var/lib/dpkg/status
COPY installed /lib/apk/db/
R
ok build -f "$work/context/Packages" -t packages --sbom --provenance -o type=oci-dir,dest="$work/packages" --load
says_not sbom-incomplete
statements "$work/packages"
prints_line "docker.io/library/packages https://spdx.dev/Document"
prints_line "docker.io/library/packages https://slsa.dev/provenance/v1"
predicate spdx.dev "
assert p['spdxVersion'] == 'SPDX-2.3' and p['packages'][0]['versionInfo'] == '$(torte inspect --format '{{.id}}' packages)'
refs = [x['externalRefs'][0]['referenceLocator'] for x in p['packages'][1:]]
assert refs == ['pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12', 'pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64&distro=debian-12'], refs
assert {r['relatedSpdxElement'] for r in p['relationships']} == {x['SPDXID'] for x in p['packages']}"
cp "$work/context/Packages" "$work/context/Rpm"
python3 - "$work/context/rpmdb.sqlite" <<'PY'
import sqlite3, struct, sys
def header(**tags):
    numbers = dict(name=1000, version=1001, release=1002, epoch=1003, license=1014, arch=1022, source=1044)
    index, data = b"", b""
    for name, value in tags.items():
        index += struct.pack(">IIII", numbers[name], 4 if name == "epoch" else 6, len(data), 1)
        data += struct.pack(">I", value) if name == "epoch" else value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + index + data
base = sqlite3.connect(sys.argv[1])
base.execute("PRAGMA journal_mode=WAL")
base.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
for blob in [header(epoch=1, name="vim", version="9.1", release="2.fc40", arch="x86_64", license="Vim", source="vim-all-9.1-2.fc40.src.rpm"),
             header(name="gpg-pubkey", version="1", release="2")]:
    base.execute("INSERT INTO Packages (blob) VALUES (?)", (blob,))
base.commit()
base.close()
PY
printf 'COPY rpmdb.sqlite /var/lib/rpm/\n' >>"$work/context/Rpm"
ok build -f "$work/context/Rpm" -t rpm --sbom -o type=oci-dir,dest="$work/rpm" --load
says_not sbom-incomplete
statements "$work/rpm"
predicate spdx.dev "
vim = [x for x in p['packages'] if x['name'] == 'vim'][0]
assert vim['versionInfo'] == '1:9.1-2.fc40' and vim['sourceInfo'] == 'built from vim-all' and vim['licenseComments'] == 'Vim', vim
assert vim['externalRefs'][0]['referenceLocator'] == 'pkg:rpm/debian/vim@9.1-2.fc40?arch=x86_64&distro=debian-12&epoch=1', vim
assert not [x for x in p['packages'] if x['name'] == 'gpg-pubkey']"
printf 'COPY status /var/lib/rpm/rpmdb.sqlite-wal\n' >>"$work/context/Rpm"
ok build -f "$work/context/Rpm" --attest type=sbom -t rpm
says "/var/lib/rpm/rpmdb.sqlite of the image is not read" "[sbom-incomplete]"
printf 'COPY status /var/lib/rpm/rpmdb.sqlite\n' >>"$work/context/Packages"
ok build -f "$work/context/Packages" --attest type=sbom -t packages
says "/var/lib/rpm/rpmdb.sqlite of the image is not read" "[sbom-incomplete]"
status 2 build --sbom=generator=other
says "--sbom"

step "layouts with attestations are read as before"
ok torte load -i "$work/max" --tag again
ok torte load -i "$work/max"
equal "$(torte inspect --format '{{.id}}' again)" "$(torte inspect --format '{{.id}}' app)" "ids"
ok torte copy "oci:$work/max" store:copied
ok torte fsck --deep

step "several platforms: one for each"
printf 'FROM scratch\nARG TARGETARCH\nCOPY Recipe /$TARGETARCH\n' >"$work/context/Recipe"
ok build --platform linux/amd64,linux/arm64 --provenance -t many -o type=oci-dir,dest="$work/many"
statements "$work/many"
equal "$(grep -c provenance "$work/out")" 2 "attestations"

step "what cannot be is said"
status 2 build --provenance -o "$work/files"
says "no --output is one"
status 2 build --provenance -o type=docker,dest="$work/docker.tar"
says "a docker archive carries no attestations"
status 2 build --provenance=mode=most
says "--provenance: unknown mode most"
status 2 build --attest type=vex
says "--attest: unknown type vex"
ok build --provenance=false -o "$work/files"
