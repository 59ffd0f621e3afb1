# samples/services: nginx, PostgreSQL and Redis, built, connected, limited, paused, entered, stopped and kept.
# Needs a package mirror. The network is made in a namespace of this test's own.
. "$(dirname "$0")/lib.sh"
need mmdebstrap curl python3 nft
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
curl -sfI --max-time 20 "$mirror/dists/bookworm/InRelease" >/dev/null || skip "the package mirror $mirror cannot be reached"

step "three services are built from one recipe, on one base"
ok "$top/samples/web/make-base.sh" "$work/debian.tar"
ok torte import "$work/debian.tar" debian:12
rm "$work/debian.tar"
for service in database cache front; do
  ok torte build --network host --pull=never -t "$service" --target "$service" "$top/samples/services"
done

# From here on in a network namespace of its own, so that nothing of the machine is touched.
unshare --net --mount sh -c 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec sleep 3600' >"$work/lab" &
lab=$!
wait_for 10 grep -q ready "$work/lab"
in_lab() { nsenter --net="/proc/$lab/ns/net" --mount="/proc/$lab/ns/mnt" "$@"; }
torte() { in_lab "$TORTE" --root "$store" --run-root "$work/run" "$@"; }

step "started in the background, on a network by name"
ok torte network create back
ok torte run -d --name cache --network back -m 48m cache
ok torte run -d --name database --network back database
ok torte run -d --name front --network back -p 8080:80 -p 6380:6379 front
health() { torte inspect database | grep -q '"status": "healthy"'; }
wait_for 60 health

step "a published port answers; behind it two of them talk by name"
answers() { [ "$(in_lab curl -sf --max-time 5 http://127.0.0.1:8080/)" = "in front" ]; }
wait_for 30 answers
say_to_cache() {
  in_lab python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", 6380), 10)
s.sendall(sys.argv[1].encode() + b"\r\n"); print(s.recv(1000).decode().strip())' "$1"
}
equal "$(say_to_cache "SET key value")" "+OK"
ok torte exec cache redis-cli get key
prints_line value
ok torte exec database bash -c 'exec 3<>/dev/tcp/cache/6379; echo PING >&3; read -r -t 10 line <&3; echo "$line"'
prints "+PONG"

step "entered: a table is made with the container's own client, as its own user"
ok torte exec database psql -qc "create table cakes (name text, layers int)" postgres
ok torte exec database psql -qc "insert into cakes values ('torte', 7)" postgres
ok torte exec database id -un
prints_line postgres

step "paused nobody enters it; woken it answers"
ok torte pause database
status 125 torte exec database psql -c "select 1" postgres
says "paused"
ok torte unpause database
ok torte exec database psql -Atc "select layers from cakes" postgres
prints_line 7

step "memory is limited: who takes more is killed, and inspect says so"
status_of() { torte ps -a --filter "name=$1" --format '{{.State}}'; }
torte exec cache redis-cli eval 'for i = 1, 3000000 do redis.call("set", i, string.rep("x", 200)) end' 0 >"$work/out" 2>&1 || true
gone() { [ "$(status_of cache)" = exited ]; }
wait_for 30 gone
ok torte inspect cache
prints '"oomKilled": true' '"exitCode": 137'

step "stopped by its stop signal, in good order"
ok torte stop -t 30 database
ok torte logs database
grep -q "received fast shutdown request" "$work/out" "$work/err" || fail "no fast shutdown in the log"
grep -q "database system is shut down" "$work/out" "$work/err" || fail "not shut down in good order"
ok torte inspect database
prints '"exitCode": 0'
ok torte stop -t 30 front
equal "$(status_of front)" exited

step "committed, and started again from that image: the data is there"
ok torte commit database database:with-data
ok torte rm database
ok torte run -d --name again --network back database:with-data
asked() { torte exec again psql -Atc "select name from cakes" postgres >"$work/out" 2>&1; }
wait_for 60 asked
prints_line torte
ok torte rm -f again cache front
ok torte network rm back
ok torte fsck
kill "$lab"
