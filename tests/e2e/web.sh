# samples/web from nothing: a Debian base, a compiled program, a web server that answers. Needs a package mirror.
. "$(dirname "$0")/lib.sh"
need mmdebstrap curl python3
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
curl -sfI --max-time 20 "$mirror/dists/bookworm/InRelease" >/dev/null || skip "the package mirror $mirror cannot be reached"
cp -r "$top/samples/web" "$work/web"

step "a Debian base is made and imported"
ok "$work/web/make-base.sh" "$work/debian.tar"
ok torte import "$work/debian.tar" debian:12
ok torte run --rm debian:12 cat /etc/debian_version
grep -q '^12\.' "$work/out" || fail "not Debian 12: $(cat "$work/out")"

step "the sample is built: packages are installed in both stages"
ok torte build --network host --pull=never -f "$work/web/Recipe" -t web "$work/web"
ok torte inspect web
prints "8080/tcp" "/run/web" "www-data" "--check" "SIGQUIT"

step "building again runs nothing"
ok torte build --network host --pull=never --progress plain -f "$work/web/Recipe" -t web "$work/web"
says "cached"

step "it answers to curl, with what the environment says"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$TORTE" --root "$store" --run-root "$work/run" run --rm --network host -e PORT="$port" -e GREETING="Good morning" web \
  >"$work/server.out" 2>"$work/server.err" &
server=$!
answers() { curl -sf --max-time 5 "http://127.0.0.1:$port/" >"$work/page"; }
running() { kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/server.out" "$work/server.err")"; answers; }
wait_for 60 running
grep -qF "Good morning" "$work/page" || fail "the page: $(cat "$work/page")"
ok curl -sf "http://127.0.0.1:$port/style.css"
prints "sans-serif"
status 22 curl -sf "http://127.0.0.1:$port/nothing-here"

step "SIGQUIT ends it in good order"
kill -QUIT "$server"
got=0; wait "$server" || got=$?
equal "$got" 0 "status of the server"
ok torte fsck
