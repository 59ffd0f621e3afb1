# The rules of the recipe language, one by one, each named by its id in the table (rules.py).
. "$(dirname "$0")/lib.sh"
need python3
base_image
python3 "$here/rules.py" "$work/rules" "$TORTE" --root "$store" --run-root "$work/run" >"$work/out" 2>"$work/err" ||
  fail "rules do not hold"
cat "$work/out"
