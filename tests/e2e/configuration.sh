# Defaults for flags from files: which of them counts, and what says so.
. "$(dirname "$0")/lib.sh"
export HOME=$work/home
unset XDG_CONFIG_HOME TORTE_ROOT
mkdir -p "$HOME/.config/torte" "$work/context"
user=$HOME/.config/torte/config.toml
printf 'FROM scratch\nLABEL a=b\n' >"$work/context/Recipe"

step "without a file: the defaults"
ok torte config show
prints "log-level" "warn" "command line"

step "a build takes its flags from the user's file, and the command line wins"
printf '[build]\ntag = ["configured"]\nlabel = ["from=file"]\n' >"$user"
ok torte build "$work/context"
equal "$(torte inspect --format '{{index .Config.Labels "from"}}' configured)" file
ok torte build --label from=line -t given "$work/context"
equal "$(torte inspect --format '{{index .Config.Labels "from"}}' given)" line
status 1 torte inspect given2

step "the store itself can be named in a file; a variable and a flag count more"
printf 'root = "%s/elsewhere"\n' "$work" >"$user"
ok "$TORTE" --run-root "$work/run" build "$work/context"
[ -d "$work/elsewhere" ] || fail "the store of the file was not used"
"$TORTE" config show >"$work/out" || fail "config show"
prints "$work/elsewhere" "$user:1"
equal "$(TORTE_ROOT=$work/v "$TORTE" config show --format '{{if eq .key "root"}}{{index .values 0}} {{.origin}}{{end}}' | grep .)" "$work/v \$TORTE_ROOT"

step "--config counts more than the user's file"
printf 'color = "never"\n' >"$user"
printf 'color = "always"\n' >"$work/more.toml"
equal "$(torte --config "$work/more.toml" config show --format '{{if eq .key "color"}}{{.origin}}{{end}}' | grep .)" "$work/more.toml:1"
status 1 torte --config "$work/none.toml" images
says "no configuration file"

step "a mistake is told with its place; help works all the same"
printf '[build]\nlable = "x"\n' >"$user"
status 2 torte images
says "config.toml:2:1" "torte build has no flag --lable" "did you mean label?"
ok torte build --help
