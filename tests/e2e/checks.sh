# What a recipe is asked instead of built: checks, outline, targets, plan.
. "$(dirname "$0")/lib.sh"
mkdir -p "$work/context"
recipe <<'R'
# version of the thing
ARG VERSION=1
# base what everything starts from
FROM nothing:$VERSION AS base
# flavour taste of it
ARG FLAVOUR=sweet
RUN --mount=type=secret,id=token,required --mount=type=ssh echo $FLAVOUR
FROM base
ARG VERSION
ARG EMPTY
COPY $EMPTY. /x
COPY hidden $UNKNOWN /y/
CMD sh
FROM base AS other
WORKDIR relative
ENV UNUSED_TOKEN=x
R
echo hidden >"$work/context/.dockerignore"

step "--check and lint: every stage, no image needed, status 1"
status 1 torte build --check "$work/context"
prints "[CopyIgnoredFile]" "Recipe:12" "[WorkdirRelativePath]" "[SecretsUsedInArgOrEnv]"
prints_not "[UndefinedVar]"   # the base image is not known, so anything may be set
status 1 torte lint "$work/context/Recipe"
cp "$work/out" "$work/by-word"
status 1 torte lint -f "$work/context/Recipe"
cmp -s "$work/out" "$work/by-word" || fail "--file is not FILE"
status 2 torte lint -f "$work/context/Recipe" "$work/context/Recipe"
status 1 torte lint "$work/context/Recipe"
prints "[WorkdirRelativePath]" "[SecretsUsedInArgOrEnv]"
prints_not "CopyIgnoredFile"
status 1 torte lint --format json "$work/context/Recipe"
python3 -c 'import json, sys; assert any(w["id"] == "WorkdirRelativePath" and w["location"]["line"] == 15 for w in json.load(sys.stdin)["warnings"])' <"$work/out"
status 1 torte lint --target base - # standard input is empty
says "error:"

step "a comment above an instruction turns a check off, error=true turns warnings into failure"
printf 'FROM scratch\nCOPY $WHAT /x\n' >"$work/context/Recipe"
status 1 torte lint "$work/context/Recipe"
prints "[UndefinedVar]"
printf 'FROM scratch\n# check=skip=UndefinedVar\nCOPY $WHAT /x\n' >"$work/context/Recipe"
ok torte lint "$work/context/Recipe"
prints "no warnings"
printf '# check=error=true\nFROM scratch\nCOPY hidden /x\n' >"$work/context/Recipe"
status 1 torte build "$work/context"
says "CopyIgnoredFile" "[check-failed]"
printf '# check=skip=all\nFROM scratch\nWORKDIR x\n' >"$work/context/Recipe"
ok torte build "$work/context"
says_not "WorkdirRelativePath"

step "UndefinedVar: a declared ARG without a value is no mistake"
printf 'FROM scratch\nARG ONE\nENV ONES=$ONE TWO=$TOW\n' >"$work/context/Recipe"
status 1 torte lint "$work/context/Recipe"
prints "TOW"
prints_not "variable \$ONE"

step "--call outline: arguments used, secrets, agents"
recipe <<'R'
# VERSION of the thing
ARG VERSION=1
ARG NOBODY=asks
# base what everything starts from
FROM nothing:$VERSION AS base
# FLAVOUR taste of it
ARG FLAVOUR=sweet
RUN --mount=type=secret,id=token,required --mount=type=ssh echo $FLAVOUR
# all the whole thing
FROM base AS all
FROM base AS other
ARG NOT_USED=1
R
ok torte build --call outline --target all "$work/context"
prints "TARGET:       all" "the whole thing" "VERSION" "of the thing" "FLAVOUR" "sweet" "taste of it" "token" "default"
prints_not "NOT_USED"
prints_not "NOBODY"
ok torte build --call outline,format=json --target all --build-arg FLAVOUR=sour "$work/context"
python3 - "$work/out" <<'PY'
import json, sys
outline = json.load(open(sys.argv[1]))
assert outline["name"] == "all" and outline["description"] == "the whole thing", outline
assert [(a["name"], a["value"]) for a in outline["args"]] == [("VERSION", "1"), ("FLAVOUR", "sour")], outline
assert outline["secrets"][0]["id"] == "token" and outline["secrets"][0]["required"], outline
assert outline["ssh"][0]["id"] == "default" and not outline["ssh"][0]["required"], outline
PY

step "--call targets, plan, ast"
ok torte build --call targets "$work/context"
prints "base" "nothing:1" "what everything starts from" "other (default)"
ok torte build --call targets,format=json "$work/context"
python3 -c 'import json, sys; t = json.load(sys.stdin)["targets"]; assert [x["default"] for x in t] == [False, False, True]' <"$work/out"
ok torte build --call plan --target all "$work/context"
prints "stage base" "RUN --mount=type=secret" "(target)"
ok torte build --call ast "$work/context"
python3 -c 'import json, sys; assert json.load(sys.stdin)["instructions"][0]["name"] == "arg"' <"$work/out"
status 2 torte build --call nonsense "$work/context"

step "a program for another machine is named, not run"
base_image
recipe <<'R'
FROM --platform=linux/s390x scratch AS foreign
COPY --chmod=755 program /program
RUN ["/program"]
R
printf '\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2\0\26\0\0\0\1' >"$work/context/program"
head -c 200 /dev/zero >>"$work/context/program"
: >"$work/context/.dockerignore"
if [ ! -e /proc/sys/fs/binfmt_misc/qemu-s390x ]; then
  status 1 torte build "$work/context"
  says "linux/s390x" "[foreign-platform]" "qemu-user-static"
fi

step "TARGETPLATFORM and its like (A2), InvalidBaseImagePlatform (S4)"
recipe <<'R'
FROM --platform=$BUILDPLATFORM base
ARG TARGETPLATFORM
ARG TARGETARCH
ARG BUILDARCH
ARG TARGETSTAGE
ENV WHERE="$TARGETPLATFORM $TARGETARCH $BUILDARCH $TARGETSTAGE"
R
ok torte build --platform linux/arm/v7 -t where "$work/context"
ok torte inspect where
prints "WHERE=linux/arm/v7 arm "
says_not "InvalidBaseImagePlatform"
printf 'FROM base\n' >"$work/context/Recipe"
ok torte build --pull=never --platform linux/arm64 "$work/context"
says "InvalidBaseImagePlatform"

mkdir -p "$work/more"

step "LayerDuplicatesContent: an owner changed after the fact stores the files once more (M5)"
cat >"$work/more/Recipe" <<'R'
FROM base
RUN head -c 3000000 /dev/urandom >/big
RUN chmod 600 /big
R
ok torte build --network none "$work/more"
says "LayerDuplicatesContent" "/big" "Recipe:3"
sed -i 's/^RUN chmod/# check=skip=LayerDuplicatesContent\nRUN  chmod/' "$work/more/Recipe"
ok torte build --network none --no-cache "$work/more"
says_not "LayerDuplicatesContent"

step "CacheMountOwnerMismatch: one cache, two owners"
cat >"$work/more/Recipe" <<'R'
FROM base
RUN --mount=type=cache,target=/c,id=shared true
RUN --mount=type=cache,target=/c,id=shared,mode=0700 true
R
status 1 torte lint "$work/more/Recipe"
prints "CacheMountOwnerMismatch" "Recipe:3"
sed -i 2d "$work/more/Recipe"
ok torte lint "$work/more/Recipe"
printf 'FROM base\nRUN --mount=type=cache,target=/c,id=shared true\n' >"$work/more/First"
ok torte build --network none -f "$work/more/First" "$work/more"
ok torte build --network none --no-cache "$work/more"
says "CacheMountOwnerMismatch"

step "LargeContextUnused: asked for with --check, since it reads the whole context"
truncate -s 200M "$work/more/dump.bin"
printf 'FROM scratch\nCOPY Recipe /\n' >"$work/more/Recipe"
status 1 torte build --check "$work/more"
prints "LargeContextUnused" "dump.bin"
echo dump.bin >"$work/more/.dockerignore"
ok torte build --check "$work/more"
rm "$work/more/dump.bin" "$work/more/.dockerignore"

step "--call plan says which steps are cached"
cat >"$work/more/Recipe" <<'R'
FROM base AS tools
COPY First /tools/
FROM base
COPY --from=tools /tools /t
RUN echo last >/last
R
ok torte build --network none "$work/more"
ok torte build --network none --call plan "$work/more"
prints "COPY First /tools/  [cached]" "RUN echo last >/last  [cached]"
echo "# changed" >>"$work/more/First"
sed -i 's/echo last/echo least/' "$work/more/Recipe"
ok torte build --network none --call plan,format=json "$work/more"
python3 - "$work/out" <<'PY'
import json, sys
steps = {s["text"]: s["prediction"] for stage in json.load(open(sys.argv[1]))["stages"] for s in stage["steps"]}
assert steps["COPY First /tools/"] == "runs" and steps["RUN echo least >/last"] == "runs", steps
PY
ok torte build --network none --call plan --build-context tools=docker-image://nowhere "$work/more"
prints "COPY --from=tools /tools /t  [unknown]"

step "--file again: recipes in a row are one"
printf 'FROM base AS one\nRUN echo 1 >/one' >"$work/more/a"
printf 'RUN echo 2 >/two\nWORKDIR relative\n' >"$work/more/b"
ok torte build --network none -f "$work/more/a" -f "$work/more/b" -t both "$work/more"
says "/a + " "/b"
ok torte run --rm --network none both cat /one /two
equal "$(tr -d '\n' <"$work/out")" 12
status 1 torte build -f "$work/more/a" -f "$work/more/missing" "$work/more"
