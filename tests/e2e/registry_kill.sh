# A push or a pull that is killed at any moment is done right by the same command again, and no blob that was finished
# moves twice. ROUNDS=50 by hand; a few here.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/registry_lib.sh"
rounds=${ROUNDS:-5}
plain_registry
base_image
recipe <<'R'
FROM base
RUN head -c 3000000 /dev/urandom >/one
RUN head -c 20000000 /dev/urandom >/two
RUN head -c 9000000 /dev/urandom >/three
RUN head -c 5000000 /dev/zero >/four && head -c 1000000 /dev/urandom >>/four
R
ok torte build -t made "$work/context"

# run_and_kill LONGEST COMMAND...: the command lives for a random time, unless it is done before.
run_and_kill() {
  torte_process "${@:2}" >/dev/null 2>&1 & pid=$!
  python3 -c "import random, time; time.sleep(random.uniform(0.005, $1))"
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}
# seconds_of COMMAND...
seconds_of() { local from=$EPOCHREALTIME; "$@" >/dev/null 2>&1; python3 -c "print($EPOCHREALTIME - $from)"; }
# none_of FILE: no line of standard input is in FILE.
none_of() { ! grep -qxFf "$1" || fail "what was finished moved again"; }

step "push, killed at $rounds moments"
longest=$(seconds_of torte push --digestfile "$work/digest" made "$plain/push0:1")
for round in $(seq "$rounds"); do
  # Nothing may be mounted; and every other time the layers are packed anew, while they are sent.
  rm -f "$store"/index/blob-places-*
  [ $((round % 2)) = 0 ] || find "$store/blobs" -type f -size +500k -delete
  run_and_kill "$longest" push -q made "$plain/push$round:1"
  sleep 0.2 # the registry deals with what it was given
  find "$work/plain/docker/registry/v2/repositories/push$round/_layers/sha256" -mindepth 1 -maxdepth 1 -printf '%f\n' \
    >"$work/finished" 2>/dev/null || true
  : >"$work/plain.log"
  ok torte push --digestfile "$work/again" made "$plain/push$round:1"
  equal "$(cat "$work/again")" "$(cat "$work/digest")" "digest"
  [ ! -s "$work/finished" ] ||
    sed -nE 's|.*"PUT [^"]*digest=sha256(%3A\|:)([0-9a-f]+).*|\2|p' "$work/plain.log" | none_of "$work/finished"
done

step "what was pushed is whole"
id=$(torte inspect --format '{{.id}}' made)
layers_of made >"$work/layers"
ok torte rmi -f made
ok torte prune -a -f
longest=$(seconds_of torte pull "$plain/push1:1")
equal "$(torte inspect --format '{{.id}}' "$plain/push1:1")" "$id" "id"

step "pull, killed at $rounds moments"
for round in $(seq "$rounds"); do
  ok torte rmi -f "$plain/push1:1"
  ok torte prune -a -f
  run_and_kill "$longest" pull -q "$plain/push1:1"
  while read -r digest size; do
    partial=$store/partial/${digest/:/-}
    if [ "$(stat -c %s "$partial" 2>/dev/null || echo 0)" = "$size" ] || [ -e "$store/blobs/${digest/://}" ]; then echo "$digest"; fi
  done <"$work/layers" >"$work/finished"
  sleep 0.2
  : >"$work/plain.log"
  ok torte pull "$plain/push1:1"
  equal "$(torte inspect --format '{{.id}}' "$plain/push1:1")" "$id" "id"
  [ ! -s "$work/finished" ] || fetched_blobs | cut -d' ' -f1 | none_of "$work/finished"
  ok torte fsck --deep
  [ -z "$(ls -A "$store/partial")" ] || fail "a partial blob stayed: $(ls "$store/partial")"
done
