# What goes wrong in recipes is said in the user's words, with the place in the user's file, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
base_image
mkdir -p "$work/context"
build() { torte build -t broken "$@" "$work/context"; }

step "a failing RUN names its status, its place and its last words"
recipe <<'R'
FROM base
RUN echo before && echo 'the disk sings' >&2 && exit 3
R
status 1 build
says "error: RUN failed with status 3" "[run-failed]" "Recipe:2" "the disk sings"

step "no name was given to the failed image"
status 1 torte inspect broken

step "a missing program is named"
recipe <<'R'
FROM base
RUN mke -j8 all
R
status 1 build
says "127" "mke"

step "the first failure stops the build, a killed step says so"
recipe <<'R'
FROM base
RUN sh -c 'kill -9 $$'; exit $?
RUN touch /never
R
status 1 build
says "137" "Recipe:2"

step "no recipe: the names that were tried"
rm -f "$work/context/Recipe"
status 1 build
says "Recipe" "Dockerfile"
status 1 build -f "$work/context/nowhere"
says "nowhere"

step "an empty recipe"
: >"$work/context/Recipe"
status 1 build
says "error:"

step "an unknown instruction: its line and the nearest name"
printf 'FROM base\nRUNN echo\n' >"$work/context/Recipe"
status 1 build
says "Recipe:2" "unknown instruction RUNN" "did you mean RUN?"

step "several mistakes are reported in one go"
printf 'FROM base\nRUNN echo\nCOPPY a b\n' >"$work/context/Recipe"
status 1 build
says "Recipe:2" "Recipe:3"

step "a COPY source that does not exist"
recipe <<'R'
FROM base
COPY dist/app.js /srv/
R
status 1 build
says "dist/app.js" "[copy-source-missing]" "Recipe:2"

step "a COPY source that an ignore rule hides: the rule and its line"
mkdir -p "$work/context/dist"
echo x >"$work/context/dist/app.js"
printf '# made by the build\ndist\n' >"$work/context/.dockerignore"
status 1 build
says "dist/app.js" "[copy-source-missing]" ".dockerignore:2"
rm "$work/context/.dockerignore"
ok build

step "an unknown stage: the stages there are"
recipe <<'R'
FROM base AS first
FROM base AS second
COPY --from=frist /bin/sh /x
R
status 1 build --pull=never
says "frist"

step "an unknown target"
status 1 build --target third
says "third"

step "a base image that is nowhere"
printf 'FROM not-here-at-all\n' >"$work/context/Recipe"
status 1 build --pull=never
says "not-here-at-all"

step "a context that does not exist"
status 1 torte build -t broken "$work/nowhere"
says "nowhere"

step "wrong usage is status 2 and names the flag"
status 2 torte build --no-such-flag "$work/context"
says "--no-such-flag"
status 2 torte bulid "$work/context"
says "build"

step "what may have been meant: stages, arguments of FROM, keys of flags"
printf 'FROM base AS build\nFROM buidl\n' >"$work/context/Recipe"
status 1 build --pull=never
says "no stage above is called buidl" "did you mean build?" "Recipe:2:6"
printf 'FROM base AS build\nFROM base\nCOPY --from=buidl / /x\n' >"$work/context/Recipe"
status 1 build --pull=never
says "did you mean build?" "Recipe:3:6"
printf 'FROM base AS one\nFROM base\nRUN --mount=from=0,target=/m true\n' >"$work/context/Recipe"
status 1 build --pull=never
says "COPY --from only"
printf 'ARG VERSION=1\nFROM base:$VERSIN\n' >"$work/context/Recipe"
status 1 build
says "undeclared argument VERSIN" "did you mean VERSION?" "Recipe:2:6"
printf 'FROM base\nRUN --mount=type=cache,target=/c \\\n    --mount=type=secret,id=tok,required true\n' >"$work/context/Recipe"
status 1 build
says "Recipe:3:5" "--secret id=tok"
printf 'FROM base\nRUN nosuchprogram\n' >"$work/context/Recipe"
status 1 build
says "127 is a program that the shell did not find"
printf 'FROM base\nENV A=1 B=${MISSING?}\n' >"$work/context/Recipe"
status 1 build
says "Recipe:2:11"
status 2 build -o type=ocii,dest=x
says "did you mean oci?"
status 2 build --label =x
status 2 build --iidfile "$work/none/id"
says "--iidfile"
status 1 build --secret id=a,src=/nope
says "--secret id=a: open /nope"

step "what stands in brackets is explained"
recipe <<'R'
FROM base
RUN exit 3
R
status 1 build
id=$(sed -n 's/^error: .*\(\[.*\]\)$/\1/p' "$work/err")
equal "$id" "[run-failed]"
ok torte help error "$id"
prints "run-failed" "A command of the recipe failed" "torte builds logs"
ok torte help error
prints_line "copy-source-missing              COPY or ADD names a file or directory that is not there"
prints "SecretsUsedInArgOrEnv"
status 2 torte help error run-faild
says "[unknown-error]" "torte help error run-failed"

step "a here-document stays in the image, whatever its name, also when a base image brings it"
for name in "../../../../../../../../../..$work/escaped" "$work/escaped"; do
  recipe <<R
FROM base
COPY <<$name /d/
x
$name
R
  status 1 build
  says "[heredoc-name]" "Recipe:2"
  printf 'FROM base\nONBUILD COPY <<%s /d/\nx\n%s\n' "$name" "$name" >"$work/context/Recipe"
  ok torte build -t trapped "$work/context"
  printf 'FROM trapped\n' >"$work/context/Recipe"
  status 1 build
  says "[heredoc-name]"
done
recipe <<'R'
FROM base
COPY <<../../../plain /d/
x
../../../plain
RUN test "$(cat /d/plain)" = x
R
ok build
if [ -e "$work/escaped" ]; then fail "a file was written outside of the image"; fi

step "several files do not become one"
touch "$work/context/one" "$work/context/two"
recipe <<'R'
FROM base
COPY one two /new
R
status 1 build
says "[copy-several-to-file]" "Recipe:2" "end the destination with /"
recipe <<'R'
FROM base
RUN mkdir /there
COPY one two /there
RUN test -f /there/one && test -f /there/two
R
ok build

step "nothing of all this is left half-made"
ok torte fsck
