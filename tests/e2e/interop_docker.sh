# docker as the other side: it pulls and runs what torte pushed and saved, torte pulls and runs what it pushed and saved, and
# digests stay what they are. dockerd runs here in namespaces of its own, without touching the machine's network.
. "$(dirname "$0")/lib.sh"
need dockerd containerd docker docker-registry unshare
if [ "${OWN_NAMESPACES:-}" != yes ]; then
  rm -r "$work"
  OWN_NAMESPACES=yes exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash "$0"
fi
ip link set lo up
. "$(dirname "$0")/registry_lib.sh"
# A hybrid hierarchy stops runtimes that take it for the unified one.
umount -l /sys/fs/cgroup/unified 2>/dev/null || true
plain_registry
mkdir "$work/docker"
echo '{}' >"$work/docker/daemon.json"
dockerd --config-file "$work/docker/daemon.json" --data-root "$work/docker/data" --exec-root "$work/docker/run" \
  --pidfile "$work/docker/pid" -H "unix://$work/docker/socket" --iptables=false --bridge=none >"$work/dockerd.log" 2>&1 &
export DOCKER_HOST=unix://$work/docker/socket
wait_for 60 eval 'docker version >/dev/null 2>&1'
docker_run() { docker run --rm --network none "$@"; }

base_image
recipe <<'R'
FROM base
RUN echo from torte >/made && chmod 1777 /made && chown 7:8 /made
CMD ["cat", "/made"]
R
ok torte build -t made "$work/context"
for how in gzip zstd; do
  step "docker pulls and runs what torte pushed with $how"
  ok torte push --compression "$how" made "$plain/made:$how"
  ok docker pull "$plain/made:$how"
  ok docker_run "$plain/made:$how"
  prints_line "from torte"
  ok docker_run "$plain/made:$how" stat -c '%a %u:%g' /made
  prints_line "1777 7:8"
done

step "torte pulls and runs what docker built on it and pushed, and hands it on under the same digest"
printf 'FROM %s/made:gzip\nRUN echo from docker >/more\nCMD ["cat", "/more"]\n' "$plain" >"$work/context/more"
ok env DOCKER_BUILDKIT=0 docker build --network none -f "$work/context/more" -t "$plain/more:1" "$work/context"
ok docker push "$plain/more:1"
digest=$(docker inspect --format '{{index .RepoDigests 0}}' "$plain/more:1")
ok torte pull "$plain/more:1"
ok torte run --rm --network none "$plain/more:1"
prints_line "from docker"
ok torte push "$plain/more:1" "$plain/other:1"
ok torte digest "$plain/other:1"
prints_line "${digest#*@}"

step "files go both ways too"
ok docker save -o "$work/more.tar" "$plain/more:1"
ok torte load -i "$work/more.tar" --tag again
ok torte run --rm --network none again
prints_line "from docker"
ok torte save -o "$work/made.tar" made
ok docker load -i "$work/made.tar"
ok docker_run made
prints_line "from torte"
