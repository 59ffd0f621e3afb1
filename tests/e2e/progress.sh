# Progress for people in pipes and for programs.
. "$(dirname "$0")/lib.sh"
need python3
base_image
recipe <<'R'
FROM base AS a
RUN for n in 1 2 3 4 5; do echo "a says $n"; sleep 0.2; done
FROM base AS b
RUN for n in 1 2 3 4 5; do echo "b says $n"; sleep 0.2; done
FROM base
COPY --from=a /bin/sh /a
COPY --from=b /bin/sh /b
R

step "plain: a header and a footer a step, its lines together, no control characters"
ok torte build -t p --progress plain "$work/context"
says "RUN for n in" "a says 5" "b says 5" "done"
[ ! -s "$work/out" ] || [ "$(wc -l <"$work/out")" -le 1 ] || fail "progress on standard output"
! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$work/err" || fail "control characters"
grep -oE '[ab] says [1-5]' "$work/err" | cut -c1 | uniq >"$work/order"
equal "$(wc -l <"$work/order")" 2 "blocks of lines"

step "json: one object a line, a version first, the log lines, the result"
ok torte build -t p --no-cache --progress json "$work/context"
cat "$work/out" "$work/err" >"$work/events"
python3 - "$work/events" <<'P' || fail "the event stream"
import json, sys
events = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]
types = [event["type"] for event in events]
assert types[0] == "build.start" and events[0]["v"] == 1, events[0]
assert types[-1] == "build.end", types[-1]
for wanted in ("plan", "step.start", "step.log", "step.end"):
    assert wanted in types, (wanted, set(types))
times = [event["t"] for event in events]
assert times == sorted(times), "time goes backwards"
assert any("a says 3" in json.dumps(event) for event in events)
P

step "quiet: the image id and nothing else"
ok torte build -q -t p "$work/context"
grep -qE '^(sha256:)?[0-9a-f]{12,64}$' "$work/out" || fail "not an id: $(cat "$work/out")"
[ ! -s "$work/err" ] || fail "something on standard error"

step "--metadata-file describes the result"
ok torte build -t p --metadata-file "$work/metadata" "$work/context"
python3 -c 'import json, sys; print(json.load(open(sys.argv[1])))' "$work/metadata" >"$work/out"
prints "sha256:"
