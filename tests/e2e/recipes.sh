# Recipes as public projects write them, on a local base: the same files and the same configuration as buildah makes.
# Left out, because there BuildKit is followed and buildah differs: ADD --chown of an archive changes the owners inside it.
. "$(dirname "$0")/lib.sh"
need python3 buildah
base_image
context=$work/context
mkdir -p "$context/src/app" "$context/docker" "$context/public/css" "$context/node_modules/left" "$work/recipes"
printf '#!/bin/sh\nset -e\nexec "$@"\n' >"$context/docker/entrypoint.sh"
chmod 755 "$context/docker/entrypoint.sh"
printf 'server { listen 80; }\n' >"$context/docker/default.conf"
printf '{"name": "app", "version": "1.0.0"}\n' | tee "$context/package.json" >"$context/package-lock.json"
printf 'flask==1\n' >"$context/requirements.txt"
echo 'int main(void) { return 0; }' >"$context/src/app/main.c"
echo '<h1>hi</h1>' >"$context/public/index.html"
echo 'b {}' >"$context/public/css/a.css"
printf '.git\nnode_modules\n*.log\n!keep.log\n' >"$context/.dockerignore"
for file in debug.log keep.log node_modules/left/pad.js; do echo x >"$context/$file"; done
mkdir -p "$work/release/app-1.0/bin"
echo '#!/bin/sh' >"$work/release/app-1.0/bin/run"
chmod 4755 "$work/release/app-1.0/bin/run"
ln "$work/release/app-1.0/bin/run" "$work/release/app-1.0/bin/again"
ln -s bin/run "$work/release/app-1.0/run"
tar -C "$work/release" --owner=1234 --group=1234 -czf "$context/release.tar.gz" app-1.0

cat >"$work/recipes/01-web-server" <<'R'
FROM base
LABEL maintainer="Web <web@example.org>"
ENV SERVER_VERSION=1.25.3 PKG_RELEASE=1
RUN set -x && echo web:x:101: >>/etc/group && echo web:x:101:101:web:/var/cache/web:/sbin/nologin >>/etc/passwd \
    && mkdir -p /var/log/web /docker-entrypoint.d /etc/web/conf.d \
    && ln -sf /dev/stdout /var/log/web/access.log && ln -sf /dev/stderr /var/log/web/error.log
COPY docker/entrypoint.sh /
COPY --chmod=644 docker/default.conf /etc/web/conf.d/
ENTRYPOINT ["/entrypoint.sh"]
EXPOSE 80 443/tcp 53/udp
STOPSIGNAL SIGQUIT
CMD ["web", "-g", "daemon off;"]
R
cat >"$work/recipes/02-key-value-store" <<'R'
FROM base
RUN echo store:x:1001: >>/etc/group && echo store:x:999:1001::/:/bin/sh >>/etc/passwd
ENV STORE_DOWNLOAD_URL=http://example.org/s.tar.gz
RUN set -eux; mkdir /data && chown store:store /data; echo 'protected-mode no' > /etc/store.conf; chmod 600 /etc/store.conf
VOLUME /data
WORKDIR /data
COPY docker/entrypoint.sh /usr/local/bin/
ENTRYPOINT ["entrypoint.sh"]
EXPOSE 6379
CMD ["store-server"]
R
cat >"$work/recipes/03-node-app" <<'R'
ARG NODE_VERSION=20
FROM base AS deps
WORKDIR /usr/src/app
COPY package*.json ./
RUN --mount=type=cache,target=/root/.npm mkdir -p node_modules/left && cp package.json node_modules/left/
FROM base AS final
ARG NODE_VERSION
ENV NODE_ENV=production NODE_VERSION=${NODE_VERSION}
WORKDIR /usr/src/app
RUN echo node:x:1001: >>/etc/group && echo node:x:1001:1001::/home/node:/bin/sh >>/etc/passwd && mkdir -m 2755 /home/node
COPY --from=deps --chown=node:node /usr/src/app/node_modules ./node_modules
COPY --chown=node . .
USER node
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s --retries=2 CMD wget -q -O- http://localhost:3000/ || exit 1
CMD ["node", "server.js"]
R
cat >"$work/recipes/04-compiled" <<'R'
FROM base AS build
WORKDIR /src
COPY src ./
ARG CGO_ENABLED=0 TARGET=/out/app
RUN mkdir -p /out && cp app/main.c $TARGET && chmod 0755 $TARGET
FROM scratch
COPY --from=build /out/app /app
COPY --from=build /etc/passwd /etc/passwd
USER 65534:65534
ENTRYPOINT ["/app"]
R
cat >"$work/recipes/05-python" <<'R'
FROM base
ENV PYTHONUNBUFFERED=1 \
    PATH="/venv/bin:$PATH"
WORKDIR /code
COPY requirements.txt /code/
RUN mkdir -p /venv/bin /venv/lib && ln -s ../lib /venv/bin/lib && cp requirements.txt /venv/lib/
COPY . /code/
RUN find /code -name '*.log' > /code/found.txt; rm -rf /code/docker
CMD python manage.py runserver 0.0.0.0:8000
R
cat >"$work/recipes/06-database" <<'R'
FROM base
RUN set -eux; echo db:x:70: >>/etc/group; echo db:x:70:70::/var/lib/db:/bin/sh >>/etc/passwd; mkdir -p /var/lib/db /var/spool/db; chown -R db:db /var/lib/db; chmod 3777 /var/spool/db
ENV PGDATA /var/lib/db/data
RUN mkdir -p "$PGDATA" && chown -R db:db "$PGDATA" && chmod 1777 "$PGDATA"
VOLUME ["/var/lib/db/data"]
COPY --chown=70:70 docker/entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN ln -s usr/local/bin/docker-entrypoint.sh /docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["db"]
R
cat >"$work/recipes/07-here-documents" <<'R'
FROM base
ARG GREETING=hello
COPY <<EOF /etc/motd
$GREETING from the motd
EOF
COPY <<'EOF' <<"B" /etc/conf/
$GREETING stays
EOF
second
B
RUN <<EOF
set -e
mkdir -p /opt/a
echo "$GREETING" > /opt/a/b
EOF
R
cat >"$work/recipes/08-onbuild-and-inheritance" <<'R'
FROM base AS parent
ENV A=1 B=2
LABEL one=1 two=2
CMD ["parent"]
FROM parent
ENV A=3
LABEL two=3
USER root
RUN id -u > /who && pwd > /where
ONBUILD COPY . /app
ONBUILD RUN make
ENTRYPOINT ["/bin/echo"]
R
cat >"$work/recipes/09-static-site" <<'R'
FROM base AS builder
COPY public /site
RUN cd /site && for f in $(find . -name '*.css'); do cp "$f" "$f.min"; done
FROM base
COPY --from=builder /site /srv/www
COPY --from=builder /site/css/*.min /srv/www/min/
ADD public/index.html /srv/www/404.html
RUN rm /srv/www/index.html && mkdir /srv/www/index.html && rmdir /srv/www/index.html && echo again > /srv/www/index.html
EXPOSE 8080
R
cat >"$work/recipes/10-archives-and-owners" <<'R'
FROM base
ADD release.tar.gz /opt/
COPY --chown=guest:guest public /home/guest/
COPY release.tar.gz /tmp/
RUN cd /tmp && tar xzf release.tar.gz && rm release.tar.gz
WORKDIR relative/dir
R

# Facts of two OCI layouts: every file of the merged layers, and the configuration. Prints what differs.
cat >"$work/facts.py" <<'PY'
import gzip, hashlib, io, json, sys, tarfile

def facts(layout):
    load = lambda d: open(f"{layout}/blobs/{d['digest'].replace(':', '/')}", "rb").read()
    manifest = json.loads(load(json.load(open(layout + "/index.json"))["manifests"][0]))
    config = json.loads(load(manifest["config"]))["config"]
    tree = {}
    for layer in manifest["layers"]:
        data = load(layer)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        tar = tarfile.open(fileobj=io.BytesIO(data))
        members = [(m.name.strip("/").removeprefix("./"), m) for m in tar]
        for path, m in members:  # what a layer hides is below it, wherever its marks stand
            folder, _, base = path.rpartition("/")
            if not base.startswith(".wh."):
                continue
            gone = folder if base == ".wh..wh..opq" else "/".join(filter(None, [folder, base[4:]]))
            tree = {k: v for k, v in tree.items() if not k.startswith(gone + "/") and (k != gone or base == ".wh..wh..opq")}
        for path, m in members:
            if path in (".", "") or path.rpartition("/")[2].startswith(".wh."):
                continue
            if not m.isdir():
                tree = {k: v for k, v in tree.items() if not k.startswith(path + "/")}
            if m.islnk():
                tree[path] = tree[m.linkname.strip("/").removeprefix("./")]
                continue
            content = hashlib.sha256(tar.extractfile(m).read()).hexdigest() if m.isfile() else m.linkname
            tree[path] = [m.type.decode(), oct(m.mode & 0o7777), m.uid, m.gid, content]
    hidden = ("dev", "proc", "sys", "run", "etc/hosts", "etc/resolv.conf", "etc/hostname", "etc/mtab")
    tree = {k: v for k, v in tree.items() if not any(k == h or k.startswith(h + "/") for h in hidden)}
    keep = {k: config.get(k) or None for k in ("Entrypoint", "Cmd", "User", "ExposedPorts", "Volumes", "StopSignal")}
    # ONBUILD, SHELL and HEALTHCHECK are not compared: buildah drops them from OCI images.
    keep["Env"] = sorted(config.get("Env") or [])
    keep["Labels"] = {k: v for k, v in (config.get("Labels") or {}).items() if k != "io.buildah.version"}
    keep["WorkingDir"] = config.get("WorkingDir") or "/"
    return tree, keep

(ours, config), (theirs, other) = facts(sys.argv[1]), facts(sys.argv[2])
bad = [f"{k}: {ours.get(k)} / {theirs.get(k)}" for k in sorted(ours.keys() | theirs.keys()) if ours.get(k) != theirs.get(k)]
bad += [f"{k}: {config[k]} / {other[k]}" for k in config if config[k] != other[k]]
print("\n".join(bad))
sys.exit(bool(bad))
PY

peer() { buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs "$@"; }
ok torte save --format oci-archive -o "$work/base.tar" base
status 0 peer pull -q "oci-archive:$work/base.tar"
peer tag "$(cat "$work/out")" docker.io/library/base:latest localhost/base:latest
for recipe in "$work"/recipes/*; do
  step "$(basename "$recipe")"
  ok torte build --pull=never --network none -f "$recipe" -o type=oci-dir,dest="$work/ours" "$context"
  peer build --isolation chroot --pull=never --layers=false -q -t peer -f "$recipe" "$context" >"$work/out" 2>"$work/err" || {
    # Debian 12's does not know here-documents.
    [[ $recipe = *here-documents ]] || fail "buildah cannot build it"
    echo "   (this buildah cannot build it: not compared)"
    rm -rf "${work:?}/ours"
    continue
  }
  status 0 peer push -q peer "oci:$work/theirs:x"
  python3 "$work/facts.py" "$work/ours" "$work/theirs" >"$work/out" || fail "ours / theirs differ"
  rm -rf "${work:?}/ours" "${work:?}/theirs"
done
