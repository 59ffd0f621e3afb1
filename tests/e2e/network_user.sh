# Networks of an ordinary user: pasta and slirp4netns. The hosts are made by network_user.lab.sh. [spec/network.md 4]
. "$(dirname "$0")/lib.sh"
[ -n "${TORTE_LAB:-}" ] && [ "$TORTE_LAB" != none ] || skip "needs root to make hosts out of namespaces, ip and python3"
need pasta slirp4netns
[ -w /dev/net/tun ] || skip "/dev/net/tun cannot be opened here"
base_image
run() { torte run --rm "$@"; }

# answer PORT: what the host outside gets from that port of ours.
answer() {
  rm -f "$TORTE_LAB/tmp/answer"
  echo "$1" >"$TORTE_LAB/ask"
  wait_for 10 test -s "$TORTE_LAB/tmp/answer"
  cat "$TORTE_LAB/tmp/answer"
}
# pasta's way from another host is not to be relied on (see runner/network/forwarder.cc): ask from the host itself.
published() {
  if [ "$mode" = pasta ]; then
    [ "$(/usr/bin/python3 -c '
import socket, sys
try: print(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).recv(100).decode().strip())
except OSError: print("no answer")' "$1")" = "$2" ]
  else
    [ "$(answer "$1")" = "$2" ]
  fi
}

for mode in private pasta slirp4netns; do
  step "$mode: a way out, the host's address seen outside, sysfs of the container's own"
  ok run --network "$mode" base sh -c 'sleep 1 | nc 198.51.100.7 99; ls /sys/class/net'
  prints_line "outside 203.0.113.1"
  prints_line lo
  says_not warning

  step "$mode: the host's loopback is out of reach"
  ok run --network "$mode" base sh -c 'nc -w 1 127.0.0.1 99 || echo no'
  prints_line no

  step "$mode: a published port"
  "$TORTE" --root "$store" --run-root "$work/run" run --rm --network "$mode" -p 8080:80 base \
    sh -c 'while :; do (echo inside; sleep 0.3) | nc -l -p 80 >/dev/null; done' >"$work/server" 2>&1 &
  server=$!
  wait_for 1 published 8080 inside

  step "$mode: a port that is taken is said to be"
  status 125 run --network "$mode" -p 8080:80 base true
  says "8080/tcp" "in use"

  step "$mode: killed, it leaves no process behind"
  kill -KILL $server
  wait $server 2>/dev/null || true
  gone() { ! pgrep -u "$(id -u)" -f -- '--netns' >/dev/null; }
  wait_for 10 gone
done

step "the default is such a network, and RUN has it"
ok run base sh -c 'sleep 1 | nc 198.51.100.7 99'
prints_line "outside 203.0.113.1"
recipe <<'RECIPE'
FROM base
RUN sleep 1 | nc 198.51.100.7 99
RUN --network=none ls /sys/class/net | tr '\n' ' '; echo end
RECIPE
ok torte build --progress plain "$work/context"
says "outside 203.0.113.1" " lo end"
for mode in pasta slirp4netns; do
  ok torte build --progress plain --network $mode "$work/context"
  says "outside 203.0.113.1" "2 of 3 cached"
done

step "with ids of its own a container has a network too"
ok run --network private --userns keep-id base sh -c 'id -u; sleep 1 | nc 198.51.100.7 99'
prints_line "outside 203.0.113.1"
prints_line "$(id -u)"

step "a port below 1024 is root's"
status 125 run -p 80:80 base true
says "80/tcp" "ip_unprivileged_port_start"

step "networks with names: addresses, names, the way out, isolation"
ok torte network create back
ok torte network create --ipv6 --subnet 10.77.0.0/24 --label of=tests front
ok torte network create --internal inner
status 1 torte network create --subnet 10.0.2.0/25 wrong
says "in use"
ok torte network ls
prints back front 10.77.0.0/24 inner
server='for port in 80 81; do while :; do echo inside | nc -l -p $port >/dev/null; done & done; while :; do sleep 1; done'
torte run -d --name db --network back --network-alias store base sh -c "$server" >/dev/null
torte run -d --name web --network front --ip 10.77.0.9 -p 127.0.0.1:8500:80 base sh -c "$server" >/dev/null
recipe <<'RECIPE'
FROM base
RUN nc -w 2 db 80; sleep 1 | nc 198.51.100.7 99
RECIPE
ok torte build --progress plain --network private:back "$work/context"
says inside "outside 203.0.113.1"
status 1 torte build --network private:nowhere "$work/context"
says "no network nowhere" "network create"
ok run --network back base sh -c 'cat /etc/hosts; nc -w 2 db 80; nc -w 2 store 81; sleep 1 | nc 198.51.100.7 99'
equal "$(grep -cx inside "$work/out")" 2 "answers by name and by alias"
prints_line "outside 203.0.113.1"
prints "host.torte.internal"
equal "$(run --network back base sh -c 'nc -w 2 10.77.0.9 80 || echo no')" no "isolation of networks"
equal "$(run --network inner base sh -c 'nc -w 2 198.51.100.7 99 || echo no')" no "internal"
ok torte network inspect back
prints '"hostname": "db"' '"store"'
status 1 torte network rm back
says "db"
status 125 run --network front --ip 10.77.0.9 base true
says "10.77.0.9" "in use"
status 125 run --network nowhere base true
says "nowhere" "network create"
ok torte exec db ip -4 -o addr show eth0
prints inet
ok run --network container:web base ip -4 -o addr show eth0
prints 10.77.0.9
ok run --network back --userns keep-id base sh -c 'id -u; nc -w 2 db 81'
prints_line "$(id -u)"
prints_line inside
ok run --network front base sh -c 'ip -6 -o addr show eth0 scope global'
prints "inet6 fd"

step "networks with names: a published port, given back and taken again, also when it is started anew"
answers() {
  [ "$(/usr/bin/python3 -c '
import socket, sys
try: print(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).recv(100).decode().strip())
except OSError: print("no answer")' "$1")" = "$2" ]
}
wait_for 20 answers 8500 inside
equal "$(answer 8500)" "no answer" "a port published on loopback, asked from outside"
ok torte port web
prints "127.0.0.1:8500"
ok torte restart -t 0 web
wait_for 20 answers 8500 inside
status 125 run --network front -p 8500:80 base true
says "8500/tcp" "in use"
torte rm -f web >/dev/null
wait_for 10 answers 8500 "no answer"
torte run -d --name web --network front -p 8500:80 base sh -c "$server" >/dev/null
published_outside() { [ "$(answer 8500)" = inside ]; }
wait_for 20 published_outside

step "networks with names: connect, disconnect, names both ways"
ok torte network connect --alias middle back web
ok torte exec web ip -4 -o addr show
prints eth0 eth1
# Port 80 has the connection from outside until that asks again.
hears_web() { [ "$(torte exec db nc -w 2 middle 81 2>/dev/null)" = inside ]; }
wait_for 20 hears_web
ok torte network disconnect back web
equal "$(torte exec db nc -w 2 middle 80 2>/dev/null || echo gone)" gone
ok torte network reload
wait_for 20 published_outside
torte create --name alone base >/dev/null
status 1 torte network connect back alone
says "network of another kind"
status 1 torte network connect bridge db
says "no bridge"
torte rm alone >/dev/null

step "networks with names: many at once, killed ones, and nothing left at the end"
for i in $(seq 12); do echo "$i"; done | xargs -P 6 -I{} "$TORTE" --root "$store" --run-root "$work/run" run --rm --network back base \
  sh -c 'ip -4 -o addr show eth0 | sed "s/.*inet \([0-9.]*\).*/\1/"' >"$work/all" 2>"$work/err" || fail "a launch failed"
equal "$(sort -u "$work/all" | wc -l)" 12 "different addresses"
"$TORTE" --root "$store" --run-root "$work/run" run --rm --network back -p 8501:80 base sleep 1000 >"$work/victim" 2>&1 &
victim=$!
has_member() { [ "$(torte network inspect -f '{{len .Containers}}' back)" = "$1" ]; }
wait_for 20 has_member 2
kill -KILL $victim
wait $victim 2>/dev/null || true
wait_for 10 has_member 1
ok run --network back -p 8501:80 base true
torte rm -f db web >/dev/null
gone() { ! pgrep -u "$(id -u)" -f 'network-holder|slirp4netns' >/dev/null; }
wait_for 20 gone
[ ! -e "$work/run/net/holder.sock" ] || fail "the holder's socket is left"
ok torte network rm back
ok torte network prune
equal "$(torte network ls -q | wc -l)" 0
equal "$(find "$work/run/net/leases" -type f 2>/dev/null | wc -l)" 0 "leases left"

step "networks with names where two start at the same moment, and at once after the last one went"
ok torte network create pair
for _ in 1 2 3; do
  run --network pair base true >"$work/one" 2>&1 & one=$!
  run --network pair base true >"$work/two" 2>&1 & two=$!
  wait $one || fail "the first: $(cat "$work/one")"
  wait $two || fail "the second: $(cat "$work/two")"
  sleep 0.5
done
wait_for 20 gone
ok torte network rm pair

order() {
  echo "$1" >"$TORTE_LAB/order"
  wait_for 10 grep -qsx "$1" "$TORTE_LAB/tmp/obeyed"
}
step "no default route: what needs no way out goes on"
order no-route
ok run base true
ok run -p 18099:80 base true
ok run --network slirp4netns base ls /sys/class/net
prints tap0
recipe <<'R'
FROM base
RUN echo offline >/built
R
ok torte build --no-cache "$work/context"
order route

step "/dev/net/tun that is closed to users: said, and not half a network"
order no-tun
status 125 run --network private base true
says "/dev/net/tun cannot be opened"
ok run base ls /sys/class/net
prints_line lo
says warning "/dev/net/tun"
order tun

step "without a program for it: a warning and none, or an error when it was asked for"
mkdir -p "$work/bin"
for program in newuidmap newgidmap; do
  ! path=$(command -v $program) || ln -s "$path" "$work/bin/"
done
ok env PATH="$work/bin" "$TORTE" --root "$store" --run-root "$work/run" run --rm base /bin/ls /sys/class/net
prints_line lo
says warning "pasta: is not installed" "slirp4netns: is not installed"
status 125 env PATH="$work/bin" "$TORTE" --root "$store" --run-root "$work/run" run --rm --network private base true
says "is not installed"
