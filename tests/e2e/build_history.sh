# What is kept of a build: why steps ran, what took how long.
. "$(dirname "$0")/lib.sh"
need python3
base_image
recipe <<'R'
FROM base AS one
ARG V=1
ARG API_TOKEN=none
RUN sleep 0.3; echo $V >/one
FROM base AS two
COPY file /file
RUN sleep 0.3; cat /file >/two
FROM base
COPY --from=one /one /one
COPY --from=two /two /two
RUN cat /one /two
R
echo 1 >"$work/context/file"
build() { torte build --pull=never -t app "$@" "$work/context"; }

step "build --trace: lanes of steps that ran at once, their parts, and the rest of the build"
ok build --trace "$work/trace.json"
cat >"$work/trace.py" <<'PY'
import json, sys
trace = json.load(open(sys.argv[1]))
spans = [e for e in trace["traceEvents"] if e["ph"] == "X"]
names = {(e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
steps = [e for e in spans if e["cat"] == "step"]
ran = [e for e in steps if e["args"]["result"] == "done"]
assert {"run", "commit", "queued", "look up", "plan"} <= {e["name"] for e in spans}, spans
slow = [e for e in ran if "sleep" in e["name"]]
assert len(slow) == 2 and slow[0]["tid"] != slow[1]["tid"], "they ran one after the other, or share a lane"
assert names[(slow[0]["pid"], slow[0]["tid"])].startswith("slot ")
assert all(e["dur"] >= 300000 and e["args"]["stage"] in ("one", "two") and not e["args"]["cached"] for e in slow)
for part in spans:
    if part["cat"] == "phase" and part["name"] in ("run", "commit"):
        assert any(s["tid"] == part["tid"] and s["ts"] <= part["ts"] and
                   part["ts"] + part["dur"] <= s["ts"] + s["dur"] + 2 for s in steps), part
assert any(e["args"]["cached"] for e in steps)
PY
ok python3 "$work/trace.py" "$work/trace.json"

step "builds trace: the same afterwards"
ok torte builds trace -o "$work/later.json"
cmp "$work/trace.json" "$work/later.json" || fail "the trace of the record is another one"
ok torte builds trace
cmp "$work/trace.json" "$work/out" || fail "it is another one on standard output"

step "a trace goes where it was asked to, or the build is not begun"
status 2 build --trace "$work/nowhere/trace.json"
says "there is no such directory"
status 2 build --check --trace "$work/trace.json"
says "--trace"
status 2 build --trace ""
says "a file has a name"
status 2 build --trace "$work"
says "that is a directory"
status 2 build --trace - --report -
says "standard output can take one"
status 2 build --trace - --output -
says "standard output can take one"
ok torte -q build --pull=never --trace - "$work/context"
ok python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/trace.json"
status 1 build --trace /dev/full
says "[no-space]"

step "explain: which input changed, and what follows from it; no value of a variable that looks secret"
echo 2 >"$work/context/file"
ok build --build-arg V=2 --build-arg API_TOKEN=hunter-22
ok torte explain
prints "changed input: env V: 1 -> 2" "env API_TOKEN: another value" "changed input: file file: digest=" "also affected: steps" \
  "follows from step" "steps of" "did not run" "(hit in build"
prints_not "FROM base"
ok torte explain last 4 --format json
ok torte builds explain --format json
python3 - "$work/out" <<'PY' || fail "not the explanation of this build"
import json, sys
steps = {s["step"]: s for s in json.load(open(sys.argv[1]))["steps"]}
run = next(s for s in steps.values() if "sleep 0.3; echo" in s["text"])
assert [m["component"] for m in run["misses"]] == ["env V", "env API_TOKEN"], run
assert run["misses"][0]["old"] == "V=1" and run["misses"][0]["new"] == "V=2"
last = steps[max(steps)]
assert last["step"] in run["affected"] and last["causes"] and last["before"], last
PY
! grep -rqF hunter-22 "$store/builds" "$work/out" || fail "the value of API_TOKEN is in the record"

step "explain: a cached step, a forced one, a base image that is another one"
ok build --build-arg V=2
ok torte explain
prints "did not run"
ok torte explain last 0
prints "cached"
ok build --no-cache --build-arg V=2
ok torte explain
prints "forced by --no-cache" "(hit in build"
recipe another <<'R'
FROM base
RUN echo another >/another
R
ok torte build -t base -f "$work/context/another" "$work/context"
ok build --build-arg V=2
ok torte explain
prints "base image" "-> sha256:" "follows from step"

step "explain: of many files ten, with --all each"
recipe wide <<'R'
FROM scratch
COPY many /
R
mkdir "$work/context/many"
for i in $(seq 10 29); do echo 1 >"$work/context/many/f$i"; done
ok torte build -f "$work/context/wide" "$work/context"
for i in $(seq 10 29); do echo 2 >"$work/context/many/f$i"; done
ok torte build -f "$work/context/wide" --explain "$work/context"
equal "$(grep -c "changed input file f" "$work/err")" 10 "changes shown by --explain"
says "not cached: 10 more: torte explain --all"
ok torte explain
equal "$(grep -c "changed input: file f" "$work/out")" 10 "changes shown"
prints "10 more: --all shows them"
ok torte explain --all
equal "$(grep -c "changed input: file f" "$work/out")" 20 "changes shown by --all"

step "explain: nothing by that number or name"
status 1 torte explain last 99
says "[step-missing]"
status 2 torte explain last four
says "STEP is a number"
status 1 torte explain nothing
says "[build-missing]"

step "a build that fails has a trace and an explanation too, and one that never began a trace"
recipe failing <<'R'
FROM base
RUN echo fine
RUN exit 3
R
status 1 build -f "$work/context/failing" --trace "$work/failed.json"
python3 -c 'import json, sys; t = json.load(open(sys.argv[1]))
assert any(e.get("args", {}).get("exitStatus") == 3 for e in t["traceEvents"])' "$work/failed.json" || fail "no failed step in the trace"
ok torte explain
prints "miss, failed with 3" "never built here"
recipe lacking <<'R'
FROM nothing-of-this-name
R
status 1 build -f "$work/context/lacking" --trace "$work/none.json"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/none.json" || fail "no trace"

step "a build that is interrupted: its trace, and why its step had begun"
recipe long <<'R'
FROM base
RUN echo begun; sleep 60
R
"$TORTE" --root "$store" --run-root "$work/run" build --pull=never --progress plain --trace "$work/cut.json" \
  -f "$work/context/long" "$work/context" >"$work/out" 2>"$work/err" &
build=$!
wait_for 20 grep -q "0 begun" "$work/err"
kill -INT "$build"
code=0
wait "$build" || code=$?
equal "$code" 130 status
python3 -c 'import json, sys; assert any(e.get("args", {}).get("result") == "cancelled" for e in json.load(open(sys.argv[1]))["traceEvents"])' "$work/cut.json" || fail "no cancelled step"
ok torte explain
prints "miss, cancelled after" "never built here"

step "a record of an older version: shown and explained, but it has no times"
old=$store/builds/00000000001-0a0b0c0d
mkdir "$old"
cat >"$old/record.json" <<'J'
{"id": "00000000001-0a0b0c0d", "recipe": "R", "tag": "old", "platform": "linux/amd64", "started": "2026-01-01T00:00:00Z",
 "seconds": 1.5, "succeeded": true, "steps": [{"step": 0, "stage": "0", "index": 1, "count": 1, "text": "RUN x",
 "line": 1, "result": "done", "seconds": 1.0}]}
J
ok torte builds show 0a0b
ok torte explain 0a0b
prints "miss, ran 1.0s" "does not say why"
status 1 torte builds trace 0a0b
says "[build-times-missing]"
