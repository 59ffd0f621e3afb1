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
status 1 torte build --network private:named "$work/context"
says "networks of ordinary users are not built yet"

step "with ids of its own a container has a network too"
ok run --network private --userns keep-id base sh -c 'id -u; sleep 1 | nc 198.51.100.7 99'
prints_line "outside 203.0.113.1"
prints_line "$(id -u)"

step "a port below 1024 is root's"
status 125 run -p 80:80 base true
says "80/tcp" "ip_unprivileged_port_start"

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
