# shellcheck shell=bash
# Sourced as root in namespaces of the test's own: a host with a cable to another one, where servers tell who asks.
PATH=$PATH:/usr/sbin:/sbin
lab=none
if command -v ip >/dev/null && [ -x /usr/bin/python3 ]; then
  mount -t tmpfs tmpfs /run
  ip link set lo up
  ip netns add outside
  ip link add wan type veth peer name wan netns outside
  ip addr add 203.0.113.1/24 dev wan
  ip link set wan up
  ip route add default via 203.0.113.2
  ip netns exec outside ip link set lo up
  ip netns exec outside ip addr add 203.0.113.2/24 dev wan
  ip netns exec outside ip link set wan up
  # Not the gateway's own address: what comes from there is special to pasta.
  ip netns exec outside ip addr add 198.51.100.7/32 dev lo
  ip netns exec outside /usr/bin/python3 -c '
import socket, time
s = socket.create_server(("198.51.100.7", 99))
while True:
    c, peer = s.accept()
    c.sendall(("outside %s\n" % peer[0]).encode())
    time.sleep(0.3)  # pasta of 2023 may lose an end that comes with the first bytes
    c.close()' &
  # Asks the host for what is published there, when told to: one line "PORT" gives one line of answer.
  mkfifo -m 666 "$world/ask"
  ip netns exec outside /usr/bin/python3 -c '
import socket, sys
while True:
    for line in open(sys.argv[1]):
        try:
            s = socket.create_connection(("203.0.113.1", int(line)), 3, ("198.51.100.7", 0)); text = s.recv(100).decode().strip()
        except OSError: text = ""
        open(sys.argv[2], "w").write(text or "no answer")' "$world/ask" "$world/tmp/answer" &
  # Machines for people have it so.
  mknod -m 666 "$world/tun" c 10 200 2>/dev/null || true
  chmod 666 "$world/tun"
  [ ! -e /dev/net/tun ] || mount --bind "$world/tun" /dev/net/tun
  # Changes the host when told to.
  mkfifo -m 666 "$world/order"
  while :; do
    while read -r order; do
      case $order in
        no-route) ip route del default ;;
        route) ip route add default via 203.0.113.2 ;;
        no-tun) chmod 600 "$world/tun" ;;
        tun) chmod 666 "$world/tun" ;;
      esac
      echo "$order" >"$world/tmp/obeyed"
    done <"$world/order"
  done &
  lab=$world
fi
