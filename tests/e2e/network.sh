# Networks of containers. Every host is a namespace made here: this test runs in one ("host"), joined by a cable to
# another ("outside"), so that nothing of the machine is touched. [spec/network.md 7]
if [ -z "${TORTE_LAB:-}" ]; then
  command -v ip >/dev/null || PATH=$PATH:/usr/sbin:/sbin
  for program in ip nft python3; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
  done
  exec env TORTE_LAB=1 unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0"
fi
. "$(dirname "$0")/lib.sh"
mount -t tmpfs tmpfs /run
ip link set lo up
ip netns add outside
ip link add wan type veth peer name wan netns outside
ip addr add 203.0.113.1/24 dev wan
ip link set wan up
outside() { ip netns exec outside "$@"; }
outside ip link set lo up
outside ip addr add 203.0.113.2/24 dev wan
outside ip link set wan up
ip route add default via 203.0.113.2
nft list ruleset >"$work/nft" 2>&1 || skip "no nftables in this kernel: $(cat "$work/nft")"

# Servers that say who is asking. TCP: a line and the caller's address; UDP: the same.
cat >"$work/who.py" <<'PY'
import socket, sys, threading
kind, address, port, word = sys.argv[1:5]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((address, int(port)))
if kind == "tcp":
    s.listen(16)
    while True:
        c, peer = s.accept()
        c.sendall(f"{word} {peer[0]}\n".encode()); c.close()
while True:
    data, peer = s.recvfrom(100)
    s.sendto(f"{word} {peer[0]}\n".encode(), peer)
PY
cat >"$work/ask.py" <<'PY'
import socket, sys, time
kind, address, port = sys.argv[1:4]
end = time.monotonic() + 4  # servers take a while to listen on slow machines
while True:
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(2)
    try:
        s.connect((address, int(port)))
        if kind == "udp": s.send(b"x")
        text = s.recv(100).decode().strip()
        if text: break
    except OSError as e:
        text = "no answer"
        if not isinstance(e, (ConnectionRefusedError, ConnectionResetError)): break
    if time.monotonic() > end: break
    time.sleep(0.1)
print(text)
PY
ask() { python3 "$work/ask.py" "$@"; }
ask_from_outside() { outside python3 "$work/ask.py" "$@"; }

listens() { "$@" grep -q "$(printf ':%04X 00000000:0000 0A' "$port")" /proc/net/tcp; }
# serve HOST ADDRESS PORT WORD: answers WORD and the caller's address; HOST is outside or here.
here() { "$@"; }
serve() {
  local port=$3
  "$1" python3 "$work/who.py" tcp "$2" "$3" "$4" &
  wait_for 20 listens "$1"
}

base_image
# start WORD FLAGS...: a container that answers WORD at ports 80 and 81 (tcp); its address is in $address.
start() {
  local word=$1
  shift
  rm -f "$work/address.$word"  # of its last life: the port is published before the new one is written
  # Not by way of the function: a kill must meet the program, not a shell around it.
  "$TORTE" --root "$store" --run-root "$work/run" run --rm --name "$word" "$@" base sh -c "ip -4 -o addr show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'
    for port in 80 81; do while :; do echo $word | nc -l -p \$port >/dev/null; done & done
    while :; do sleep 1; done" >"$work/address.$word" 2>"$work/err.$word" &
  pids[$word]=$!
  wait_for 20 test -s "$work/address.$word"
  address=$(cat "$work/address.$word")
}
declare -A pids
finish() {
  local word
  for word in "$@"; do
    kill -KILL "${pids[$word]}" 2>/dev/null || true
    wait "${pids[$word]}" 2>/dev/null || true
    unset "pids[$word]"
  done
}
in_container() { torte run --rm "$@"; }

step "the default network: an address, a way out, the host's address seen outside"
serve outside 203.0.113.2 99 outside
ok in_container base sh -c 'ip -4 -o addr show eth0; nc 203.0.113.2 99; cat /etc/hosts; ls /sys/class/net'
prints "inet 10.89.0." "outside 203.0.113.1" "host.docker.internal" "eth0"
ok in_container --network private base sh -c 'nc 203.0.113.2 99'
prints_line "outside 203.0.113.1"

step "containers on one bridge reach each other"
start one
one=$address
equal "$(in_container base nc "$one" 80)" one
step "outside cannot reach an unpublished port, even with a route; nor the host's loopback"
outside ip route add 10.89.0.0/16 via 203.0.113.1
equal "$(ask_from_outside tcp "$one" 80)" "no answer"
serve here 127.0.0.1 777 loopback
equal "$(ask tcp 127.0.0.1 777)" "loopback 127.0.0.1"
outside ip route add 127.0.0.1/32 via 203.0.113.1 table main 2>/dev/null || true
equal "$(in_container base sh -c 'nc -w 1 10.89.0.1 777 || echo no')" "no"

step "a published port: from outside, 127.0.0.1, a sibling, the container itself"
start two -p 8080:80
equal "$(ask_from_outside tcp 203.0.113.1 8080)" two
equal "$(ask tcp 127.0.0.1 8080)" two
equal "$(ask tcp 203.0.113.1 8080)" two
equal "$(in_container base nc -w 2 203.0.113.1 8080)" two
start three -p 8090:80
ok in_container -p 8099:80 base sh -c 'echo me | nc -l -p 80 >/dev/null & sleep 1; nc -w 2 203.0.113.1 8099'
prints_line me

step "one port, one container: the other is told who has it"
status 125 in_container -p 8080:81 base true
says "8080/tcp" "two"
serve here 0.0.0.0 8070 mine
status 125 in_container -p 8070:80 base true
says "8070/tcp" "in use by another program"

step "ranges, one address, udp beside tcp, a port of the engine's choice"
start four -p 127.0.0.1:8200-8201:80-81 -p 8300-8301:80-81/tcp
equal "$(ask tcp 127.0.0.1 8201)" four
equal "$(ask_from_outside tcp 203.0.113.1 8201)" "no answer"
equal "$(ask_from_outside tcp 203.0.113.1 8301)" four
"$TORTE" --root "$store" --run-root "$work/run" run --rm -p 8400:80/udp -p 8400:80 \
  -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v "$work:/w:ro" base sh -c '
  echo ready; /usr/bin/python3 /w/who.py udp 0.0.0.0 80 udp & while :; do echo tcp | nc -l -p 80 >/dev/null; done' \
  >"$work/udp" 2>&1 &
udp=$!
wait_for 20 grep -q ready "$work/udp"
udp_answers() { [ "$(ask_from_outside udp 203.0.113.1 8400)" != "no answer" ]; }
wait_for 20 udp_answers
equal "$(ask_from_outside tcp 203.0.113.1 8400)" tcp
equal "$(ask_from_outside udp 203.0.113.1 8400)" "udp 203.0.113.2" "udp, with the caller's own address"
kill -KILL $udp; wait $udp 2>/dev/null || true
status 125 in_container -p 80:80:80:80 base true
status 125 in_container -p 8000-8002:80-81 base true
says "same length"

step "after kill -9 the next command finds its ports free, and only the living are left"
finish two three
start two -p 8080:80
equal "$(ask_from_outside tcp 203.0.113.1 8080)" two
ok torte network ls --format json
equal "$(nft list map inet torte pub4 | grep -o '8090' | wc -l)" 0 "a dead container's port"

step "user-defined networks: names and aliases, isolation, a fixed address"
ok torte network create back
ok torte network create --subnet 10.77.0.0/24 front
ok torte network create --internal -d bridge --label of=tests inner
equal "$(torte network ls -q --filter label=of=tests)" inner
equal "$(torte network ls -q --filter name=fro)" front
equal "$(torte network ls -q --filter driver=macvlan)" ""
status 2 torte network ls --filter colour=red
says "known: name, driver, label"
status 2 torte network create -d macvlan other
status 1 torte network rm nowhere
ok torte network rm -f nowhere
start db --network back --network-alias store
db=$address
ok in_container --network back base sh -c 'cat /etc/hosts; nc -w 2 db 80; nc -w 2 store 81'
prints_line db
equal "$(grep -cx db "$work/out")" 2 "answers by name and by alias"
start web --network front --ip 10.77.0.9 --mac-address 02:00:00:00:00:09
equal "$address" 10.77.0.9
equal "$(in_container --network front base nc -w 2 "$db" 80 || echo no)" no "isolation of networks"
equal "$(in_container base nc -w 2 "$db" 80 || echo no)" no "isolation from the default network"
status 125 in_container --network front --ip 10.77.0.9 base true
says "10.77.0.9" "in use"
status 125 in_container --network nowhere base true
says "nowhere" "network create"
equal "$(in_container --network inner base sh -c 'nc -w 2 203.0.113.2 99 || echo no')" no "internal"
ok torte network inspect back
prints '"hostname": "db"' '"store"'
status 1 torte network rm back
says "db"

step "members learn of each other, and forget those that left"
"$TORTE" --root "$store" --run-root "$work/run" run --rm --network back --name watcher base sh -c '
  while :; do grep -q late /etc/hosts && echo here; grep -q late /etc/hosts || echo gone; sleep 0.2; done' >"$work/watch" 2>&1 &
watcher=$!
wait_for 20 grep -q gone "$work/watch"
start late --network back
wait_for 10 grep -q here "$work/watch"
finish late
ok torte network prune
: >"$work/watch"
wait_for 10 grep -q gone "$work/watch"
kill -KILL $watcher; wait $watcher 2>/dev/null || true

step "network connect: one more interface at once, names and aliases both ways, and again at the next start"
torte run -d --name hub -p 8600:80 base sh -c 'while :; do echo hub | nc -l -p 80 >/dev/null; done' >/dev/null
hub() { torte exec hub "$@"; }
# Between two answers its server is not there for a moment.
hears() { [ "$(torte exec "$1" nc -w 2 "$2" 80 2>/dev/null)" = "$3" ]; }
published() { [ "$(ask tcp 203.0.113.1 8600)" = hub ]; }
resolves() { [ "$(torte exec "$1" cat /etc/hosts | grep -cw "$2")" != 0 ]; }
torte run -d --name peer --network back base sleep 1000 >/dev/null
ok torte network connect --alias middle back hub
ok hub ip -4 -o addr show
prints "eth0" "eth1"
resolves peer hub || fail "peer does not know hub"
resolves peer middle || fail "peer does not know hub's alias"
resolves hub peer || fail "hub does not know peer"
resolves hub db || fail "hub does not know who was there before"
wait_for 20 hears peer middle hub
wait_for 20 hears hub db db
ok hub nc 203.0.113.2 99  # the way out is as before
wait_for 20 published
ok torte network inspect back
prints '"hostname": "hub"' '"middle"'
ok torte inspect -f '{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.Interface}} {{end}}' hub
prints "back=eth1" "bridge=eth0"
equal "$(torte ps -q --filter network=back --filter name=hub | wc -l)" 1
status 1 torte network connect back hub
says "already"
status 1 torte network connect nowhere hub
status 1 torte network rm back
says hub
ok torte stop -t 0 hub
ok torte start hub
wait_for 20 hears peer middle hub

step "network disconnect: gone from the container and from the others' names; then the last one, and back"
ok torte network disconnect back hub
ok hub ip -4 -o addr show
prints_not eth1
! resolves peer hub || fail "peer still knows hub"
! resolves hub peer || fail "hub still knows peer"
equal "$(torte exec peer nc -w 2 middle 80 2>/dev/null || echo gone)" gone
status 1 torte network disconnect back hub
says "not on network"
ok torte network connect back hub
ok torte network disconnect bridge hub
ok hub ip -4 -o addr show
prints_not eth0
ok hub nc 203.0.113.2 99  # by the other network now
equal "$(ask tcp 203.0.113.1 8600)" "no answer"
resolves hub peer || fail "hub lost peer"
wait_for 20 hears peer hub hub
ok torte network disconnect back hub
ok hub ip -o addr show
prints_not eth
ok torte network connect --ip 10.77.0.50 front hub
ok hub ip -4 -o addr show eth0
prints "10.77.0.50/24"
ok torte stop -t 0 hub
ok torte start hub
wait_for 20 published
equal "$(torte inspect -f '{{.NetworkSettings.IpAddress}}' hub)" 10.77.0.50
ok torte network disconnect front hub
torte run -d --name alone --network none base sleep 1000 >/dev/null
status 1 torte network connect back alone
says "bridge"
torte rm -f hub peer alone >/dev/null

step "a bridge that was removed comes back with its containers on it"
torte run -d --name peer --network back base sleep 1000 >/dev/null
ip link delete "$(torte network inspect -f '{{.Interface}}' back)"
equal "$(torte exec peer nc -w 2 db 80 || echo no)" no
ok torte network reload
wait_for 20 hears peer db db
torte rm -f peer >/dev/null

step "IPv6: addresses, names, the way out, published ports, isolation, also after a flush"
outside ip addr add 2001:db8::2/64 dev wan nodad
ip addr add 2001:db8::1/64 dev wan nodad
ip -6 route add default via 2001:db8::2 proto ra
echo 1 >/proc/sys/net/ipv6/conf/wan/accept_ra
who6() { sed 's/AF_INET/AF_INET6/' "$work/who.py" >"$work/who6.py"; outside python3 "$work/who6.py" tcp 2001:db8::2 99 outside6 & }
sed 's/AF_INET/AF_INET6/' "$work/ask.py" >"$work/ask6.py"
ask6() { "$1" python3 "$work/ask6.py" tcp "$2" "$3"; }
who6
ok torte network create --ipv6 six
equal "$(cat /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/wan/accept_ra | tr '\n' ' ')" "1 2 " "forwarding, and what routers announce"
equal "$(cat /proc/sys/net/ipv6/conf/torte*/accept_ra | sort -u)" 0 "what containers announce"
ok torte network inspect -f '{{.Subnet6}}' six
grep -q '^fd.*::/64$' "$work/out" || fail "not a unique local range"
ok torte network create --subnet 10.78.0.0/24 --subnet fd00:78::/64 --gateway fd00:78::ff dual
status 1 torte network create --subnet fd00:78::/80 again
says "overlaps fd00:78::/64"
status 2 torte network create --gateway fd00::1 again
status 1 torte network create --ipv6 --subnet fd00:79::/64 --gateway fd00::1 again
says "not an address of"
torte run -d --name left --network dual --ip6 fd00:78::9 -p 8700:80 -p '[2001:db8::1]:8701:80' base sh -c 'while :; do echo left | nc -l -p 80 >/dev/null; done' >/dev/null
ok torte exec left sh -c 'ip -6 -o addr show eth0; ip -6 route; cat /etc/hosts'
prints "inet6 fd00:78::9/64" "default via fd00:78::ff" "fd00:78::9	left"
! grep 'fd00:78::9/64' "$work/out" | grep -q tentative || fail "the address waits for others to object"
equal "$(torte inspect -f '{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}' left)" fd00:78::9
status 125 in_container --network dual --ip6 fd00:78::9 base true
says "fd00:78::9" "in use"
status 125 in_container --network dual --ip6 fd00:79::9 base true
says "not one for containers"
status 125 in_container --network back --ip6 fd00:78::9 base true
says "has no IPv6" "network create --ipv6"
status 125 in_container -p '[::1]:8702:80' base true
says "has no IPv6"
ok in_container --network dual base sh -c 'cat /etc/hosts; nc -w 2 fd00:78::9 80; nc -w 2 2001:db8::2 99'
prints "fd00:78::9	left" "outside6 2001:db8::1"
prints_line left
answers6() { [ "$(ask6 "$1" "$2" "$3")" = left ]; }
all_answer6() {
  wait_for 20 answers6 outside 2001:db8::1 8700
  wait_for 20 answers6 outside 2001:db8::1 8701
  wait_for 20 answers6 here 2001:db8::1 8700
}
all_answer6
equal "$(ask_from_outside tcp 203.0.113.1 8700)" left
equal "$(ask_from_outside tcp 203.0.113.1 8701)" "no answer"
status 125 in_container --network dual -p 8701:81 base true
says "8701/tcp" left
outside ip -6 route add fd00:78::/64 via 2001:db8::1
equal "$(ask6 outside fd00:78::9 80)" "no answer" "an unpublished port from outside"
equal "$(in_container --network six base nc -w 2 fd00:78::9 80 || echo no)" no "isolation of networks"
equal "$(in_container --network six base nc -w 2 2001:db8::1 8700)" left "a published port from another network"
nft flush ruleset
ok torte network reload
all_answer6
torte run -d --name mover base sleep 1000 >/dev/null
ok torte network connect --ip6 fd00:78::7 dual mover
ok torte exec mover nc -w 2 2001:db8::2 99
prints "outside6"
ok torte network disconnect dual mover
ok torte exec mover ip -6 route
prints_not default
torte rm -f left mover >/dev/null
equal "$(nft list map inet torte pub6 | grep -c elements || true)" 0 "published ports left"
ok torte network rm six dual

step "flushed rules come back with network reload, and with the next run"
nft flush ruleset
equal "$(ask_from_outside tcp 203.0.113.1 8080)" "no answer"
ok torte network reload
equal "$(ask_from_outside tcp 203.0.113.1 8080)" two
nft flush ruleset
ok in_container base sh -c 'nc -w 2 203.0.113.2 99'
prints_line "outside 203.0.113.1"

step "the MTU is the default route's, also after the bridge was empty"
ip link set wan mtu 1400
finish web
ok torte network rm front
ok torte network create narrow
for _ in 1 2; do
  ok in_container --network narrow base cat /sys/class/net/eth0/mtu
  prints_line 1400
done

step "none, host, ns:PATH"
ok in_container --network none base sh -c 'ls /sys/class/net; cat /etc/hosts'
prints_line lo
prints_not eth0
ok in_container --network host base sh -c 'nc 127.0.0.1 777'
prints_line "loopback 127.0.0.1"
ip netns add kept
ok in_container --network ns:/run/netns/kept base sh -c 'ls /sys/class/net'
prints_line lo
status 125 in_container --network "ns:$work/who.py" base true
says "not a network namespace"
status 125 in_container --network none -p 80:80 base true
says "ports"

step "--add-host, host-gateway, --dns"
ok in_container --add-host ship:192.0.2.7 --add-host me:host-gateway --dns 192.0.2.53 --dns-search example.org base \
  cat /etc/hosts /etc/resolv.conf
prints "192.0.2.7	ship" "10.89.0.1	me" "nameserver 192.0.2.53" "search example.org"

step "RUN steps have it too; none and host as asked"
recipe <<'RECIPE'
FROM base
RUN nc -w 2 203.0.113.2 99; ls /sys/class/net
RUN --network=none ls /sys/class/net | tr '\n' ' '; echo end
RUN --network=host nc 127.0.0.1 777
RECIPE
ok torte build --progress plain --allow network.host "$work/context"
says "outside 203.0.113.1" " lo end" "loopback 127.0.0.1"

step "build --network: a network with a name, the namespace at a path; they are in the key"
recipe <<'RECIPE'
FROM base
RUN (nc -w 2 db 80 || echo no db) >/answer; ls /sys/class/net >/links
RUN --network=none ls /sys/class/net >/none
RECIPE
asked() { torte build --progress plain -t asked "$@" "$work/context"; }
ok asked --network private:back
ok in_container asked cat /answer
prints_line db
ok asked --network back
says "3 of 3 cached"
ok asked --network ns:/run/netns/kept --explain
says "network: back -> ns:/run/netns/kept" "1 of 3 cached"
ok in_container asked cat /answer /links
prints_line "no db"
prints_line lo
status 1 asked --network private:nowhere
says "nowhere" "network create"
status 1 asked --network "ns:$work/who.py" --no-cache
says "not a network namespace"
status 2 asked --network container:db
says "--network" "ns:/proc/PID/ns/net"

step "a firewall that drops what is forwarded is told, and what allows it"
check() { torte system check | awk '$1 == "forwarding" {$1 = $1; print}' >"$work/out"; }
check
prints_line "forwarding yes no"
nft 'add table inet foreign; add chain inet foreign f { type filter hook forward priority 0; policy drop; }'
check
prints "forwarding no no a firewall of this machine drops"
nft 'add rule inet foreign f iifname "torte*" accept; add rule inet foreign f ct state established,related accept'
check
prints_line "forwarding yes no"
nft delete table inet foreign
equal "$(ip -br link | grep -cE '^(torteprb|probe)' || true)" 0 "interfaces left"

step "steps on the default network do not reach each other; on a named one they do"
recipe <<'END'
FROM base AS listener
ARG NETWORK
RUN --mount=type=cache,target=/shared ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/' >/shared/$NETWORK.new; \
    mv /shared/$NETWORK.new /shared/$NETWORK; (sleep 30 | timeout 25 nc -l -p 7777 >/heard) & \
    while [ -e /shared/$NETWORK ]; do sleep 0.1; done; touch /heard
FROM base AS caller
ARG NETWORK
RUN --mount=type=cache,target=/shared until [ -e /shared/$NETWORK ]; do sleep 0.1; done; sleep 0.5; \
    echo hello | nc -w 1 "$(cat /shared/$NETWORK)" 7777; sleep 0.2; rm /shared/$NETWORK; touch /called
FROM base
COPY --from=caller /called /called
COPY --from=listener /heard /heard
END
ok torte network create steps
for network in private private:steps; do
  ok torte build -j 4 -t apart --network $network --build-arg NETWORK=${network#*:} "$work/context"
  equal "$(torte run --rm --network none apart cat /heard)" "$([ $network = private ] || echo hello)" "heard on $network"
done
ok torte network rm steps

step "many at once: no address twice, nothing left"
finish one two four db
for i in $(seq 200); do echo "$i"; done | xargs -P 16 -I{} "$TORTE" --root "$store" --run-root "$work/run" run --rm base \
  sh -c 'ip -4 -o addr show eth0 | sed "s/.*inet \([0-9.]*\).*/\1/"' >"$work/all" 2>"$work/err" || fail "a launch failed"
equal "$(sort -u "$work/all" | wc -l)" 200 "different addresses"

step "killed at any moment, nothing stays"
for i in $(seq 40); do
  "$TORTE" --root "$store" --run-root "$work/run" run --rm -p $((9000 + i)):80 base true >/dev/null 2>&1 &
  victim=$!
  sleep "0.0$((RANDOM % 8))$((RANDOM % 10))"
  kill -KILL $victim 2>/dev/null || true
  wait $victim 2>/dev/null || true
done
no_links() { ! ip -br link | grep -q '^e[0-9a-f]\{12\}'; }
wait_for 20 no_links
for network in back narrow; do ok torte network rm "$network"; done
ok torte network prune --all
equal "$(find "$work/run/net/leases" /run/torte/net/leases -type f | wc -l)" 0 "leases left"
equal "$(nft list ruleset | grep -c 'elements' || true)" 0 "elements left"
equal "$(ip -br link | grep -c torte || true)" 0 "bridges left"
