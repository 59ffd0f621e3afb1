# What we write, skopeo, umoci and podman read; what they write, we read.
. "$(dirname "$0")/lib.sh"
need skopeo umoci
base_image
recipe <<'R'
FROM base
RUN echo ours >/file && mkdir -m 1777 /sticky && rm /bin/vi
LABEL from=torte
R
ok torte build -t made "$work/context"
ok torte save --format oci-archive -o "$work/made.oci.tar" made
ok torte save --format docker-archive -o "$work/made.docker.tar" made
mkdir "$work/layout"
tar -C "$work/layout" -xf "$work/made.oci.tar"
tagged=$(sed -n 's/.*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\1/p' "$work/layout/index.json")
[ -n "$tagged" ] || fail "index.json names no reference: $(cat "$work/layout/index.json")"

step "skopeo reads and copies both archives"
ok skopeo inspect --config "oci-archive:$work/made.oci.tar"
prints '"from": "torte"'
ok skopeo inspect "docker-archive:$work/made.docker.tar"
prints '"from": "torte"'
ok skopeo --insecure-policy copy "oci-archive:$work/made.oci.tar" "docker-archive:$work/by-skopeo.docker.tar:by-skopeo:v1"
ok skopeo --insecure-policy copy "docker-archive:$work/made.docker.tar" "oci-archive:$work/by-skopeo.oci.tar:by-skopeo-oci"

step "umoci unpacks ours: files, modes and deletions as we left them"
rootless=(); [ "$(id -u)" = 0 ] || rootless=(--rootless)
ok umoci unpack "${rootless[@]}" --image "$work/layout:$tagged" "$work/bundle"
equal "$(cat "$work/bundle/rootfs/file")" ours
equal "$(stat -c %a "$work/bundle/rootfs/sticky")" 1777 "mode"
[ ! -e "$work/bundle/rootfs/bin/vi" ] || fail "the deletion was lost"

step "we load what skopeo wrote"
ok torte load -i "$work/by-skopeo.docker.tar"
ok torte run --rm by-skopeo:v1 cat /file
prints_line ours
ok torte load -i "$work/by-skopeo.oci.tar" --tag by-skopeo-oci
ok torte run --rm by-skopeo-oci cat /file
prints_line ours

step "we load what umoci changed"
echo changed >"$work/bundle/rootfs/file"
rm "$work/bundle/rootfs/bin/wget"
ok umoci repack --image "$work/layout:umoci" "$work/bundle"
ok skopeo --insecure-policy copy "oci:$work/layout:umoci" "oci-archive:$work/by-umoci.tar:umoci"
ok torte load -i "$work/by-umoci.tar" --tag umoci
[ "$(id -u)" = 0 ] || exit 0  # podman keeps images only where it may
ok torte run --rm umoci sh -c 'cat /file; test ! -e /bin/wget && echo gone'
prints_line changed
prints_line gone

step "podman loads ours, with the same layers"
need podman
podman_() { podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs "$@"; }
ok podman_ load -i "$work/made.docker.tar"
ok podman_ load -i "$work/made.oci.tar"
ok podman_ images
prints made

step "we load what podman saves"
ok podman_ save --format oci-archive -o "$work/by-podman.tar" made
ok torte load -i "$work/by-podman.tar" --tag by-podman
ok torte run --rm by-podman cat /file
prints_line ours
