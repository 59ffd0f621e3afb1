# What torte adds to the language of recipes, behind "# syntax=torte/1".
. "$(dirname "$0")/lib.sh"
base_image

# build [FLAGS]: the recipe, without a network.
build() { torte build --network none "$@" "$work/context"; }

step "the additions are torte's own: other recipes do not have them"
for line in 'RUN --retry=2 true' 'RUN --timeout=1s true' 'COPY --if-exists a /b'; do
  recipe <<R
FROM base
$line
R
  status 1 build
  says "[needs-torte-syntax]" '# syntax=torte/1' "Recipe:2"
done
recipe <<'R'
# syntax=docker/dockerfile:1
FROM --reset=env base
R
status 1 build
says "[needs-torte-syntax]"
recipe <<'R'
# syntax=torte/2
FROM base
R
ok build
says "[UnknownSyntax]"
status 1 build --strict-syntax

step "RUN --retry: each trial begins with the files that the first one found"
recipe <<'R'
# syntax=torte/1
FROM base
RUN echo kept >/kept
RUN --mount=type=cache,target=/count --retry=3 echo x >>/count/trials; echo y >>/kept; \
    echo z >>/made; [ "$(wc -l </count/trials)" -ge 3 ]
R
ok build -t tried --progress plain
says "RUN failed with status 1; again in 1s, 3 trials left" "again in 2s, 2 trials left"
equal "$(torte run --rm --network none tried cat /kept /made | tr '\n' ' ')" "kept y z " "what the layer holds"
ok build -t tried
says "3 of 3 cached"
sed -i 's/--retry=3/--retry=5/' "$work/context/Recipe"
ok build -t tried
says "3 of 3 cached"
recipe <<'R'
# syntax=torte/1
FROM base
RUN --retry=1 echo trial; exit 7
R
status 1 build --progress plain
says "again in 1s, 1 trial left" "RUN failed with status 7"
equal "$(grep -c '^.*[0-9] trial$' "$work/err")" 2 "trials"
recipe <<'R'
# syntax=torte/1
FROM base
RUN --retry=-1 true
RUN --retry=1000 true
RUN --timeout=soon true
R
status 1 build
says "--retry takes a number" "Recipe:3" "Recipe:4" "Recipe:5" "[invalid-duration]"

step "a trigger may have them: it was for the recipe that set it to say so"
recipe <<'R'
# syntax=torte/1
FROM base
ONBUILD RUN --retry=1 echo triggered
R
ok build -t triggers
recipe <<'R'
FROM triggers
R
ok build --progress plain
says "triggered"

step "RUN --timeout: of one step, the shorter of it and --step-timeout"
recipe <<'R'
# syntax=torte/1
FROM base
RUN --timeout=300ms sleep 60
R
status 1 build
says "RUN was stopped after 0.3s, as its --timeout says" "[step-timeout]"
status 1 build --step-timeout 100ms
says "as --step-timeout says"

step "COPY --if-exists: what is not there is left out, what is there is copied"
mkdir "$work/context/conf"
echo one >"$work/context/conf/one"
recipe <<'R'
# syntax=torte/1
FROM base AS other
RUN echo two >/two
FROM base
COPY --if-exists conf/one conf/absent /etc/app/
COPY --if-exists nothing /etc/nothing
COPY --from=other --if-exists /two /three /etc/app/
ADD --if-exists archive.tar /etc/
R
ok build -t copied
equal "$(torte run --rm --network none copied sh -c 'cat /etc/app/one /etc/app/two; ls /etc/app; ls /etc/nothing 2>/dev/null' | tr '\n' ' ')" \
  "one two one two " "what was copied"
ok build -t copied
says "cached"
echo new >"$work/context/nothing"
ok build -t copied
equal "$(torte run --rm --network none copied cat /etc/nothing)" new "what came later"
sed -i 's/COPY --if-exists nothing/COPY nothing/' "$work/context/Recipe"
rm "$work/context/nothing"
status 1 build
says "[copy-source-missing]"
recipe <<'R'
# syntax=torte/1
FROM base
ADD --if-exists http://127.0.0.1:1/x /x
R
status 1 build
says "[if-exists-remote]"

step "FROM --reset: what the base says of how it is run"
recipe <<'R'
FROM base
ENV LEFT=1 OTHER=2
WORKDIR /srv
VOLUME /data
EXPOSE 80
LABEL a=b
USER 5
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "true"]
STOPSIGNAL SIGINT
HEALTHCHECK CMD true
SHELL ["/bin/sh", "-ec"]
ONBUILD RUN false
R
ok build -t full
recipe <<'R'
# syntax=torte/1
FROM --reset=all full
RUN [ -z "$LEFT" ] && [ -n "$PATH" ] && [ "$PWD" = / ] && [ "$(id -u)" = 0 ]
R
ok build -t bare
torte inspect -f '{{json .Config}}' bare >"$work/config"
python3 - "$work/config" <<'P'
import json, sys
config = json.load(open(sys.argv[1]))
path = config.pop("env")
assert len(path) == 1 and path[0].startswith("PATH="), path
left = {k: v for k, v in config.items() if v}
assert not left, left
P
recipe <<'R'
# syntax=torte/1
FROM full AS named
FROM --platform=$TARGETPLATFORM --reset=env,onbuild,volumes full AS kept
ENV NEW=3
FROM --reset=cmd kept
R
sed -i '/AS named/d' "$work/context/Recipe"
ok build -t some
torte inspect -f '{{json .Config}}' some >"$work/config"
python3 - "$work/config" <<'P'
import json, sys
config = json.load(open(sys.argv[1]))
assert [v.split("=")[0] for v in config["env"]] == ["PATH", "NEW"], config["env"]
assert not config["cmd"] and not config["volumes"], config
assert config["user"] == "5" and config["workingDir"] == "/srv" and config["labels"]["a"] == "b", config
P
recipe <<'R'
# syntax=torte/1
FROM --reset=everything base
R
status 1 build
says "--reset takes all, or cmd" "everything" "Recipe:2"
