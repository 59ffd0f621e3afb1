# Slow lines, bad lines and registries that take no ranges: a large blob comes in several pieces at once where that helps,
# goes on where it broke off, and is right in the end.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
plain_registry
slow_port=$(free_port)
: >"$work/line"
python3 "$here/slow_line.py" "$slow_port" "http://$plain" "$work/line" "$work/line.log" 2>"$work/slow_line.err" &
wait_for 20 curl -so /dev/null "http://127.0.0.1:$slow_port/v2/"
slow=127.0.0.1:$slow_port

base_image
recipe <<'R'
FROM base
RUN head -c 32000000 /dev/urandom >/large
R
ok torte build -t made "$work/context"
ok torte push made "$plain/team/made:1"
id=$(torte inspect --format '{{.id}}' made)
layers_of made | sort -k2n | tail -n 1 >"$work/large"
read -r large size <"$work/large"

# forget: the store is as if the image had never been there.
forget() {
  ok torte rmi -f "$slow/team/made:1"
  ok torte prune -a -f
  : >"$work/line.log"
}
# large_bytes: of the large layer, as they went over the line, which notes them a moment later.
large_bytes() { sleep 0.5; grep -F "$large" "$work/line.log" | awk '{ n += $5 } END { print n + 0 }'; }
ok torte rmi -f made
ok torte prune -a -f

step "a slow connection is joined by others, and no byte comes twice"
echo rate=12000000 >"$work/line"
: >"$work/line.log"
ok torte pull "$slow/team/made:1"
equal "$(torte inspect --format '{{.id}}' "$slow/team/made:1")" "$id" "id"
[ "$(grep -F "$large" "$work/line.log" | awk '$6 > n { n = $6 } END { print n }')" -ge 3 ] || fail "$(cat "$work/line.log")"
equal "$(large_bytes)" "$size" "bytes over the line"
ok torte fsck --deep

step "connections that break go on where they were"
forget
printf 'rate=12000000\ncut=1500000\n' >"$work/line"
ok torte pull "$slow/team/made:1"
ok torte fsck --deep

step "a registry without ranges is asked for the whole, once"
forget
printf 'rate=30000000\nranges=off\n' >"$work/line"
ok torte pull "$slow/team/made:1"
equal "$(large_bytes)" "$size" "bytes over the line"
ok torte fsck --deep

step "what a killed process had fetched is not fetched again"
forget
echo rate=6000000 >"$work/line"
torte_process pull -q "$slow/team/made:1" >/dev/null 2>&1 & pid=$!
partial=$store/partial/${large/:/-}
has_come() { [ "$(stat -c %s "$partial" 2>/dev/null || echo 0)" -gt 12000000 ]; }
wait_for 30 has_come
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
kept=$(stat -c %s "$partial")
echo rate=0 >"$work/line"
sleep 1 # what was on its way when it was killed is logged
: >"$work/line.log"
ok torte pull "$slow/team/made:1"
equal "$(large_bytes)" $((size - kept)) "bytes over the line"
equal "$(torte inspect --format '{{.id}}' "$slow/team/made:1")" "$id" "id"
ok torte fsck --deep
