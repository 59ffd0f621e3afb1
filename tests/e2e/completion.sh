# What bash offers when the tab key is pressed.
. "$(dirname "$0")/lib.sh"
mkdir -p "$work/context"
printf 'FROM scratch AS files\nFROM files AS final-stage\nLABEL a=b\n' >"$work/context/Recipe"
ok torte build -t app:one -t other "$work/context"

# offers LINE: what the completion of bash makes of it.
offers() {
  (
    cd "$work/context"
    export TORTE_ROOT=$store TORTE_RUN_ROOT=$work/run
    bash --norc -c '
      PATH=$(dirname "$1"):$PATH
      source <(torte completion bash)
      # Words as readline splits them: at blanks, and = and : stand alone.
      line=$2 tail=
      [ "${line% }" = "$line" ] || tail=yes
      read -ra COMP_WORDS <<<"$(sed "s/[=:]/ & /g" <<<"$line")"
      [ -z "$tail" ] || COMP_WORDS+=("")
      case $line in *[=:]) COMP_WORDS+=("") ;; esac
      COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
      _torte
      printf "%s\n" "${COMPREPLY[@]}"' - "$TORTE" "$1"
  ) >"$work/out" 2>"$work/err" || fail "completion of '$1' failed"
}

step "commands and groups"
offers "torte bui"
equal "$(tr '\n' ' ' <"$work/out")" "build builds "
offers "torte builds "
prints_line show
offers "torte image "
prints_line ls
prints_line prune
offers "torte __"
equal "$(cat "$work/out")" ""   # hidden ones are not offered

step "flags and their values"
offers "torte build --no-c"
prints_line --no-cache
prints_line --no-cache-filter
offers "torte build --format "
equal "$(tr '\n' ' ' <"$work/out")" "docker oci "
offers "torte build --format=d"
equal "$(cat "$work/out")" docker
offers "torte run app:one --"
equal "$(cat "$work/out")" ""   # flags of the container's program, not ours

step "names: images, stages of the recipe, builds"
offers "torte rmi a"
prints_line app:one
offers "torte rmi app:"
prints_line one
for command in tree squash flatten "image rename"; do
  offers "torte $command a"
  prints_line app:one
done
offers "torte build --target f"
equal "$(tr '\n' ' ' <"$work/out")" "files final-stage "
offers "torte builds show "
prints_line last
offers "torte build --target=final-"
prints_line final-stage

step "names of errors"
offers "torte help error copy-source-m"
prints_line copy-source-missing
offers "torte help err"
prints_line error

step "help docker names commands that there are"
ok torte help docker
cp "$work/out" "$work/docker"
for command in $(grep -o "torte [a-z-]*" "$work/docker" | cut -d" " -f2 | sort -u); do
  case $command in does) continue ;; esac
  ok torte help "$command"
done
[ "$(grep -c "torte" "$work/docker")" -gt 15 ] || fail "that is not the table"

step "the scripts"
status 2 torte completion csh
for shell in bash zsh fish; do
  ok torte completion "$shell"
  prints "__complete 1"
done
