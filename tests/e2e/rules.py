"""rules.py DIRECTORY PROGRAM...: builds every recipe of the table and compares what comes of it.

A case is ok(RULE, RECIPE, ...): it builds, with `config` in the configuration, `history` at its end, `run` = (shell command, its output) in
the image, `says` in the messages, `warns` and `quiet` as ids of warnings that are and are not given. Or it is
bad(RULE, RECIPE, ERROR ID, ...): it is refused, `at` LINE:COLUMN. {name: text} in `files` is the context.
"""
import json, os, subprocess, sys

CASES = []
def ok(rule, recipe, **more): CASES.append((rule, recipe, more))
def bad(rule, recipe, error, **more): CASES.append((rule, recipe, {**more, "error": error}))

S, B = "FROM scratch\n", "FROM base\n"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# --- 1. reading the file
ok("L1 byte order mark", "\ufeff" + S + "USER a", config={"user": "a"})
bad("L1 empty", "", "no-instructions")
bad("L1 comments only", "# a\n#b\n", "no-instructions")
ok("L2 CRLF", "FROM scratch\r\nLABEL a=1 \\\r\n  b=2\r\n", config={"labels": {"a": "1", "b": "2"}})
ok("L2 long line", S + "LABEL a=" + "x" * 70000, config={"labels": {"a": "x" * 70000}})
ok("L3 comments", S + "  # c\nLABEL a=1 \\\n# mid \\\n  b=#2\n", config={"labels": {"a": "1", "b": "#2"}})
ok("L5 escape", "# EsCape = `\n" + S + "LABEL a=`$x b=1 `\n c=2\n", config={"labels": {"a": "$x", "b": "1", "c": "2"}})
ok("L5 after a comment it is none", "# hello\n# escape=`\n" + S + "LABEL a=1 \\\n b=2\n", config={"labels": {"a": "1", "b": "2"}})
ok("L5 after #!", "#!/usr/bin/env torte\n# escape=`\n" + S + "LABEL a=1 `\n b=2\n", config={"labels": {"a": "1", "b": "2"}})
ok("L5 leading blanks", "  # escape=`\n" + S + "LABEL a=1 `\n b=2\n", config={"labels": {"a": "1", "b": "2"}})
bad("L5 twice", "# escape=`\n# escape=`\n" + S, "duplicate-directive", at="2:10")
bad("L5 other character", "# escape=x\n" + S, "invalid-escape", at="1:10")
ok("L6 doubled escape", S + "LABEL a=x\\\\\nLABEL b=c\n", config={"labels": {"a": "x\\", "b": "c"}})
ok("L6 nothing continued", S + "\\\nUSER a\n", config={"user": "a"})
ok("L6 end of file", S + "USER a \\", config={"user": "a"})
bad("L7 unknown keyword", S + "RUM x\n", "unknown-instruction", at="2:1", says=["did you mean RUN?"])
ok("L7 tabs", "FROM\tscratch\nUSER\ta\n", config={"user": "a"})
bad("L8 flag of CMD", S + "CMD --version\n", "unknown-flag", at="2:5")
ok("L8 lone --", S + "CMD -- --version\n", config={"cmd": ["/bin/sh", "-c", "--version"]})
ok("L8 JSON", S + 'CMD ["--version"]\n', config={"cmd": ["--version"]})
ok("L8 boolean", S + "COPY --link=TRUE Recipe /\n")
bad("L8 boolean without a value", S + "COPY --link= Recipe /\n", "invalid-flag-value")
bad("L8 boolean 1", S + "COPY --link=1 Recipe /\n", "invalid-flag-value")
bad("L8 value missing", S + "COPY --from Recipe /\n", "missing-flag-value", at="2:6")
bad("L8 twice", S + "COPY --chown=1 --chown=2 Recipe /\n", "duplicate-flag", at="2:16")
bad("L8 misspelt", S + "COPY --chwon=1 Recipe /\n", "unknown-flag", says=["did you mean --chown?"])
bad("L8 ARG", S + "ARG --x a\n", "unknown-flag")
bad("L8 STOPSIGNAL", S + "STOPSIGNAL --x 9\n", "unknown-flag")
bad("L8 HEALTHCHECK NONE", S + "HEALTHCHECK --interval=1s NONE\n", "unknown-flag")
ok("L8 quotes", B + "COPY --chmod=\"6\"4'4' Recipe /r\n", run=("stat -c %a /r", "644"))
ok("L9 one argument", S + "WORKDIR /c d\nUSER  a b \n", config={"user": "a b", "workingDir": "/c d"})
ok("L10 falls back", S + "CMD ['a']\n", config={"cmd": ["/bin/sh", "-c", "['a']"]}, warns=["JSONFormInvalid"])
bad("L10 not a string", S + 'CMD ["a", 1]\n', "json-form-not-strings", at="2:11")
ok("L10 empty clears", B + "ENTRYPOINT [\"e\"]\nCMD []\nENTRYPOINT []\n", config={"cmd": [], "entrypoint": []})
bad("L10 SHELL []", S + "SHELL []\n", "missing-argument")
bad("L10 SHELL text", S + "SHELL /bin/sh -c\n", "shell-not-json")
ok("L10 continued", S + 'CMD ["a", \\\n "b"]\n', config={"cmd": ["a", "b"]})
ok("L10 one more layer of escapes", B + 'COPY ["a\\\\\\\\b", "/x"]\n', files={"a\\b": "hi"}, run=("cat /x", "hi"))
ok("L11 words", S + "LABEL a=\"x y\" b=\\ z c='q\\' d=a\\ b\n", config={"labels": {"a": "x y", "b": " z", "c": "q\\", "d": "a b"}})
bad("L12 mixed", S + "ENV A=1 B\n", "missing-value", at="2:9")
ok("L12 legacy", S + "LABEL A  b c=d\n", config={"labels": {"A": "b c=d"}}, warns=["LegacyKeyValueFormat"])
bad("L12 empty name", S + "ENV =x\n", "empty-name")
bad("L12 no value", S + "ENV A\n", "missing-value")
ok("L13 blanks before the name", B + "RUN cat << E >/x\nhi\nE\n", run=("cat /x", "hi"))
bad("L13 not closed", B + "RUN <<E\nhi\n", "unterminated-heredoc", at="2:1")
ok("L13 tabs", B + "COPY <<-E /x\n\t\thi\n\t  ho\n\tE\n", run=("cat /x", "hi\n  ho"))
ok("L13 quoted name", B + "ENV A=1\nCOPY <<\"E\" /x\n$A\nE\nCOPY <<E /y\n$A \"q\" \\$A\nE\n", run=("cat /x /y", '$A\n1 "q" $A'))
ok("L13 descriptor", B + "RUN cat 3<<E <&3 >/x\nhi\nE\n", run=("cat /x", "hi"))
ok("L13 in ONBUILD", "FROM base AS a\nONBUILD RUN <<E\necho hi >/x\nE\nFROM a\n", run=("cat /x", "hi"))
ok("L13 two", B + "COPY <<A <<B /d/\none\nA\ntwo\nB\n", run=("cat /d/A /d/B", "one\ntwo"))

# --- 2. variables
bad("V1 mount from", B + "ARG x=base\nRUN --mount=from=$x,target=/m true\n", "invalid-mount", at="3:5")
bad("V1 COPY --from", B + "ARG x=base\nCOPY --from=$x /etc /x\n", "from-variable", at="3:6")
ok("V1 mount options", B + "ARG i=q\nRUN --mount=type=cache,target=/c,id=$i touch /c/m\nRUN --mount=type=cache,target=/d,id=q test -e /d/m\n")
ok("V1 not in RUN", B + "ARG a=1\nRUN a=2; echo $a >/x\n", run=("cat /x", "2"))
ok("V2 the environment before", S + "ENV a=1\nENV a=2 b=$a\n", config={"env": [PATH, "a=2", "b=1"]})
bad("V3 quote", S + "LABEL a='x\n", "unterminated-quote")
bad("V4 ?", S + "ENV x=1 a=${b?}\n", "required-variable", at="2:11")
bad("V4 :? with a text", S + 'LABEL a=${b:?"my text"}\n', "required-variable", says=["b: my text"])
bad("V4 :=", S + "ENV p=${x:=1}\n", "bad-substitution")
ok("V4 patterns", S + "ARG p=/a/b/c.tar.gz\nLABEL a=${p##*/} b=${p%.*} c=${p%%.*} d=${p#/*/} e=${p/a/z} f=${p//\\//_} g=${p:+x} h=${q:-y}\n",
   config={"labels": {"a": "c.tar.gz", "b": "/a/b/c.tar", "c": "/a/b/c", "d": "b/c.tar.gz", "e": "/z/b/c.tar.gz", "f": "_a_b_c.tar.gz", "g": "x", "h": "y"}})
ok("V5 several ports", S + 'ARG P="80 443/tcp"\nEXPOSE $P 53/udp\n', config={"exposedPorts": {"80/tcp": {}, "443/tcp": {}, "53/udp": {}}})

# --- 3. arguments
bad("A1 before FROM", "ENV a=1\n" + S, "before-from", at="1:1")
ok("A1 globals", "ARG V=base\nARG W=$V\nFROM $W\nARG V\nLABEL v=$V w=$W\n", config={"labels": {"v": "base", "w": ""}}, warns=["UndefinedVar"])
ok("A1 --build-arg", "ARG V=nope\nFROM $V\nARG V\nLABEL v=$V\n", args=["--build-arg", "V=base"], config={"labels": {"v": "base"}})
ok("A2 automatic", B + "ARG TARGETSTAGE\nLABEL s=$TARGETSTAGE n=$TARGETOS\n", config={"labels": {"s": "default", "n": ""}})
ok("A2 overridden", B + "ARG TARGETARCH\nLABEL p=$TARGETARCH\n", args=["--build-arg", "TARGETARCH=zz"], config={"labels": {"p": "zz"}})
ok("A3 a default sees earlier names", S + "ARG a=1 b=$a\nLABEL b=$b\n", config={"labels": {"b": "1"}})
ok("A3 own default before the global one", "ARG x=glob\nFROM scratch\nARG x=def\nLABEL x=$x\n", config={"labels": {"x": "def"}})
ok("A4 the last writer wins", B + "ENV X=1\nARG X=2\nRUN echo $X >/x\n", run=("cat /x; echo $X", "2\n1"))
ok("A5 inherited", "FROM base AS a\nARG Q=7\nFROM a\nRUN echo $Q >/x\n", run=("cat /x", "7"))
ok("A6 proxies, both cases", B + "RUN echo $http_proxy $HTTP_PROXY >/x\n", args=["--build-arg", "http_proxy=zap"], run=("cat /x", "zap zap"))
ok("A6 no part of the key", B + "RUN echo $http_proxy $HTTP_PROXY >/x\n", args=["--build-arg", "http_proxy=zip"], run=("cat /x", "zap zap"))
ok("A6 declared", B + "ARG HTTP_PROXY\nRUN echo $HTTP_PROXY >/x\n", args=["--build-arg", "HTTP_PROXY=two"], run=("cat /x", "two"))
ok("A7 unused", S, args=["--build-arg", "NOPE=1"], warns=["UnusedBuildArg"])
ok("A7 known names", S, args=["--build-arg", "TARGETOS=1", "--build-arg", "ftp_proxy=1", "--build-arg", "SOURCE_DATE_EPOCH=1"], quiet=["UnusedBuildArg"])
ok("A8 checks skipped", S + "LABEL a $b\n", args=["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"], quiet=["LegacyKeyValueFormat", "UndefinedVar"])
bad("A8 checks as errors", S + "LABEL a $b\n", "check-failed", args=["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=error=true"])
bad("A8 no such option", S, "invalid-check", args=["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=bla=1"])
ok("A9 PATH", S, config={"env": [PATH]})

# --- 4. stages
bad("S1 two words", "FROM base AS\n", "from-arguments")
bad("S1 name", "FROM base AS 1x\n", "invalid-stage-name", at="1:14")
ok("S1 FROM sees the nearest", "FROM scratch AS a\nLABEL n=1\nFROM a AS b\nFROM scratch AS a\nLABEL n=2\nFROM b\n", config={"labels": {"n": "1"}})
ok("S1 COPY sees the last", "FROM base AS a\nRUN echo 1 >/f\nFROM base AS a\nRUN echo 2 >/f\nFROM base\nCOPY --from=a /f /f\n", run=("cat /f", "2"))
ok("S2 case", "FROM scratch AS abc\nLABEL q=1\nFROM ABC\n", config={"labels": {"q": "1"}})
bad("S4 empty platform", "ARG P\nFROM --platform=$P scratch\n", "platform-empty", at="2:6")
bad("S4 no platform", "FROM --platform=a/b/c/d scratch\n", "bad-platform", at="1:6")
ok("S5 unreachable stages ask for nothing", "FROM nowhere.invalid/x AS unused\nRUN x\nFROM scratch\n")
ok("S5 target by number", "FROM scratch AS a\nLABEL i=0\nFROM scratch\n", args=["--target", "0"], config={"labels": {"i": "0"}})
ok("S5 wrong values in unreachable stages", "FROM scratch AS unused\nEXPOSE 99999\nSTOPSIGNAL NOPE\nCOPY --chmod=99 a b\nRUN --mount=type=foo x\nFROM scratch\nUSER a\n", config={"user": "a"})
bad("S5 no such target", "FROM scratch AS build\nFROM scratch\n", "target-missing", args=["--target", "biuld"], says=["did you mean build?"])
bad("S6 a later stage", "FROM base AS a\nCOPY --from=b / /\nFROM scratch AS b\nFROM a\n", "stage-later", at="2:6")
bad("S6 itself", "FROM base AS b\nCOPY --from=b / /x\n", "stage-cycle")
bad("S6 number", B + "COPY --from=0 / /\n", "stage-unknown")
ok("S7 inherited", 'FROM scratch AS a\nENV A=1\nLABEL l=1\nUSER guest\nWORKDIR /w\nEXPOSE 1\nVOLUME /v\nSTOPSIGNAL INT\nENTRYPOINT ["e"]\nCMD ["c"]\nFROM a\n',
   config={"user": "guest", "workingDir": "/w", "entrypoint": ["e"], "cmd": ["c"], "stopSignal": "INT", "labels": {"l": "1"}, "volumes": {"/v": {}}, "env": [PATH, "A=1"]})
ok("S8 triggers, once", "FROM base AS a\nONBUILD COPY Recipe /df\nONBUILD LABEL o=1\nFROM a AS b\nFROM b\n", config={"labels": {"o": "1"}, "onBuild": []}, run=("ls /df", "/df"))
for trigger in ("ONBUILD RUN x", "FROM x", "MAINTAINER x"):
    bad("S8 no trigger", S + "ONBUILD " + trigger + "\n", "onbuild-trigger", at="2:9")
bad("S8 a mistake in a trigger", "FROM scratch AS a\nONBUILD COPY onlyone\nFROM a\n", "missing-argument", at="3:1", says=["ONBUILD COPY onlyone"])
ok("S9 an image under another name", "FROM foo\n", args=["--build-context", "foo=docker-image://base"])
bad("S9 no directory", B + "COPY --from=d f /f\n", "context-missing", args=["--build-context", "d=/nope"])
bad("S9 no such kind", B + "COPY --from=d f /f\n", "context-invalid", args=["--build-context", "d=foo://x"])

# --- 5. instructions
ok("I ENV keeps its place", S + "ENV A=1 B=2\nENV A=3 C=\n", config={"env": [PATH, "A=3", "B=2", "C="]})
ok("I ENTRYPOINT clears an inherited CMD", B + 'ENTRYPOINT ["x"]\n', config={"cmd": []})
ok("I ENTRYPOINT keeps the stage's CMD", B + 'CMD ["c"]\nENTRYPOINT ["x"]\n', config={"cmd": ["c"]})
bad("R1 RUN []", B + "RUN []\n", "missing-argument")
bad("R1 CMD alone", B + "CMD\n", "missing-argument")
ok("I1 SHELL", S + 'SHELL ["/bin/sh","-ec"]\nCMD a\n', config={"cmd": ["/bin/sh", "-ec", "a"], "shell": ["/bin/sh", "-ec"]})
ok("I EXPOSE ranges", S + "EXPOSE 1-3/sctp 0 65535\n", config={"exposedPorts": {"1/sctp": {}, "2/sctp": {}, "3/sctp": {}, "0/tcp": {}, "65535/tcp": {}}})
for port in ("65536", "3-1", "80/xyz", "x", "-1", "1-2-3"):
    bad("I EXPOSE " + port, S + "EXPOSE " + port + "\n", "invalid-port", at="2:8")
bad("I VOLUME empty", S + 'VOLUME [""]\n', "empty-volume")
for signal in ("SIGTERM", "term", "RTMIN+3", "SIGRTMAX-1", "9"):
    ok("I STOPSIGNAL " + signal, S + "STOPSIGNAL " + signal + "\n", config={"stopSignal": signal})
for signal in ("0", "FOO", "-1"):
    bad("I STOPSIGNAL " + signal, S + "STOPSIGNAL " + signal + "\n", "invalid-signal")
ok("I HEALTHCHECK", S + 'HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=1h --start-interval=5s --retries=3 CMD ["a"]\n')
for check, error in (("NONE x", "healthcheck-none"), ("CMD", "missing-argument"), ("--interval=1us CMD x", "invalid-duration"),
                     ("--retries=-1 CMD x", "invalid-flag-value"), ("--interval=5 CMD x", "invalid-duration"), ("FOO x", "healthcheck-type")):
    bad("I HEALTHCHECK " + check, S + "HEALTHCHECK " + check + "\n", error)
ok("I WORKDIR", B + "WORKDIR a\nWORKDIR b\nWORKDIR ../c\n", config={"workingDir": "/a/c"}, warns=["WorkdirRelativePath"])
ok("I WORKDIR of a user nobody knows", S + "USER nobody2\nWORKDIR /w\n", config={"workingDir": "/w"})
ok("I WORKDIR belongs to the user", B + "USER guest\nWORKDIR /q/w\n", run=('stat -c "%u %a" /q /q/w', "1000 755\n1000 755"))

# --- 6. RUN
ok("R2 a script", B + "RUN <<E\n#!/bin/sh\necho $0 >/x\nE\n", run=("cat /x; ls /dev/pipes 2>/dev/null", "/dev/pipes/E"))
ok("R2 a body", B + "RUN <<-E\n\techo hi >/x\n\tE\n", run=("cat /x", "hi"))
ok("R2 several", B + "RUN cat <<A >/a && cat <<B >/b\n1\nA\n2\nB\n", run=("cat /a /b", "1\n2"))
ok("R3 HOME, directory, input", B + "USER guest\nRUN echo $HOME >/tmp/x; pwd >>/tmp/x; cat >>/tmp/x\n", run=("cat /tmp/x", "/home/guest\n/"))
bad("R4 insecure", B + "RUN --security=insecure true\n", "not-allowed")
bad("R4 host network", B + "RUN --network=host true\n", "not-allowed", args=["--network", "none"])
bad("R4 no such network", B + "RUN --network=foo true\n", "invalid-flag-value", at="2:5")
bad("R5 no such user", B + "USER nobody2\nRUN true\n", "user-not-found")
ok("R5 number with groups", B + "USER 1000\nRUN id -u >/tmp/x; id -g >>/tmp/x\n", run=("cat /tmp/x", "1000\n1000"))
ok("R5 number without a name", B + "USER 77\nRUN id -u >/tmp/x; id -g >>/tmp/x\n", run=("cat /tmp/x", "77\n0"))
for mount in ("type=tmpfs,target=/t,size=10m", "size=10m,type=tmpfs,target=/t", "type=secret,id=x", "type=cache,target=/c,ro=T", "TYPE=cache,TARGET=/c",
              "'type=cache,\"target=/c,d\"'"):
    ok("R6 " + mount, B + "RUN --mount=" + mount + " true\n")
for mount in ("type=cache,target=/c,sharing=bad", "type=cach,target=/c", "target=/c,size=5", "type=tmpfs,target=/", "type=secret", "type=secret,id=x,from=base",
              "type=ssh,source=/x", "type=cache,target=/c,mode=9", "type=cache,target=/c,uid=x", "type=cache,target=/c,readonly=maybe", "type=cache,target=/c,sharng=locked",
              "type=bind,target=/m,mode=0755"):
    bad("R6 " + mount, B + "RUN --mount=" + mount + " true\n", "invalid-mount", at="2:5")
bad("R6 a read-only tmpfs", B + "RUN --mount=type=tmpfs,target=/t,ro touch /t/x\n", "run-failed")
bad("R6 no target", B + "RUN --mount=type=cache true\n", "mount-target-root")
bad("R6 required secret", B + "RUN --mount=type=secret,id=x,required true\n", "secret-missing", says=["--secret id=x"])
bad("R6 no such source", B + "RUN --mount=type=bind,source=nope,target=/m true\n", "mount-source-missing")
ok("R6 no trace of a target", B + "WORKDIR /w\nRUN --mount=type=tmpfs,target=rel/x touch rel/x/y\nRUN ls -A /w >/out\n", run=("cat /out", ""))
ok("R6 writes to a bind mount are gone", B + "RUN --mount=target=/m,rw touch /m/zz\nRUN --mount=target=/m ! ls /m/zz\n")
ok("R6 secret as a variable", B + 'RUN --mount=type=secret,id=s,env=V,required test "$V" = v && ! ls /run/secrets/s\nRUN --mount=type=secret,id=s,env=V,target=/t test "$(cat /t)" = v\n',
   args=["--secret", "id=s,env=RULES_SECRET"])
ok("R7 host name and /dev/shm", B + "RUN hostname >/h; df -k /dev/shm | tail -1 | awk '{print $2}' >>/h\n", run=("cat /h", "build\n65536"))

# --- 7. COPY and ADD
F = {"a": "A", "b": "B", "d/x": "X", "d/s/y": "Y", "e.md": "", "d/e.md": ""}
ok("7.3 a wildcard may match nothing", B + "COPY z* /q/\n", files=F)
bad("7.3 a path must be there", B + "COPY zz /q/\n", "copy-source-missing", at="2:6", files=F)
ok("7.3 .. stays inside", B + "COPY ../../a /q\n", files=F, run=("cat /q", "A"))
ok("7.4 --parents with pivot", B + "COPY --parents ./d/./s/y d/x /q/\n", files=F, run=("find /q -type f | sort", "/q/d/x\n/q/s/y"))
ok("7.4 ** stands for any number", B + "COPY --parents **/*.md /q/\nCOPY --parents d/**/y /r/\nCOPY --parents ./d/./**/y /s/\n", files=F,
   run=("find /q /r /s -type f | sort", "/q/d/e.md\n/q/e.md\n/r/d/s/y\n/s/s/y"))
ok("7.4 where a match lies counts", B + "COPY --parents */y /q/\n", files={"one/y": ""}, run=("find /q -type f", "/q/one/y"))
ok("7.4 where a match lies counts, moved", B + "COPY --parents */y /q/\n", files={"two/y": ""}, run=("find /q -type f", "/q/two/y"))
ok("7.5 a new directory", B + "COPY d /q\n", files=F, run=("stat -c %a /q", "755"))
bad("7.5 file over directory", B + "RUN mkdir /etc/b\nCOPY b /etc/\n", "copy-file-over-directory", files=F)
bad("7.5 directory over file", B + "COPY a /d/s\nCOPY d /d\n", "copy-directory-over-file", files=F)
ok("7.5 --link replaces", B + "COPY a /d/s\nCOPY --link d /d\n", files=F, run=("cat /d/s/y", "Y"))
bad("7.5 unknown user", B + "COPY --chown=nobody9 a /q\n", "user-unknown", files=F)
bad("7.5 --link has no names", B + "COPY --link --chown=guest a /q\n", "user-unknown", files=F, says=["give a number"])
ok("7.5 owners", B + "COPY --chown=guest a /q\nCOPY --chown=55 a /r\nCOPY --chown=guest:0 a /s\n", files=F, run=("stat -c %u:%g /q /r /s", "1000:1000\n55:55\n1000:0"))
bad("7.1 mode", B + "COPY --chmod=999 a /q\n", "invalid-mode", at="2:6", files=F)
ok("7.1 symbolic modes", B + "COPY --chmod=u=rwX,go=rX d /q\nCOPY --chmod=+x a /r\nCOPY --link --chmod=g=u a /s\n", files=F, run=("stat -c %a /q/s /q/x /r /s", "755\n644\n755\n664"))
ok("7.1 --chmod of nothing", B + "COPY --chmod=$none a /q\n", files=F, run=("stat -c %a /q", "644"))
ok("7.1 --exclude is about what a directory holds", B + "COPY --exclude=* a b* d /q/\n", files=F, run=("find /q | sort", "/q\n/q/a\n/q/b"))
ok("7.3 links of one match", "FROM base AS s\nRUN mkdir /d && echo a > /d/x && ln /d/x /d/y\n" + B + "COPY --from=s /d /q/\nCOPY --from=s /d/* /r/\n",
   run=("stat -c %h /q/x /r/x", "2\n1"))
ok("7.5 a new directory has the time of its source", "FROM base AS s\nRUN mkdir /d && chmod 700 /d && echo a > /d/x && touch -d @1000 /d\n" + B + "COPY --from=s /d /q/r\n",
   run=("stat -c '%a %Y' /q/r", "755 1000"))
ok("7.1 --exclude", B + "COPY --exclude=s --exclude=*.md d /q/\n", files=F, run=("find /q", "/q\n/q/x"))
bad("7.1 --checksum of a file", B + "ADD --checksum=sha256:" + "0" * 64 + " a /q\n", "checksum-not-remote", files=F)
bad("7.1 --keep-git-dir of COPY", B + "COPY --keep-git-dir a /q\n", "unknown-flag", files=F)
bad("7.2 COPY of a URL", B + "COPY https://x.invalid/a /q\n", "copy-source-url", at="2:6")
bad("7.2 COPY of a repository", B + "COPY git@h:x/y.git /q\n", "copy-source-url", at="2:6")
bad("7.1 here-document as destination", B + "COPY a <<E\nx\nE\n", "heredoc-destination", files=F)
bad("7.1 no destination", B + "COPY a\n", "missing-argument", files=F)

# --- 8. ignore files
ok("G1 the recipe's own", B + "COPY . /q/\n", files={**F, "Recipe.dockerignore": "*\n!a", ".dockerignore": "a"}, run=("find /q -type f", "/q/a"))
ok("G1 .containerignore first", B + "COPY . /q/\n", files={**F, ".containerignore": "*\n!b", ".dockerignore": "b"}, run=("find /q -type f", "/q/b"))
bad("G2 a lone !", B + "COPY . /q/\n", "bad-pattern", files={**F, ".dockerignore": "\n!"}, says=[".dockerignore:2"])
bad("G3 class", B + "COPY . /q/\n", "bad-pattern", files={**F, ".dockerignore": "[a"}, says=[".dockerignore:1"])
ok("G4 a skipped pattern", B + "COPY . /q/\n", files={"a/b": "1", "a/c": "1", ".dockerignore": "a\n!a/b\na\nRecipe\n.dockerignore"}, run=("find /q -type f", "/q/a/b"))
ok("G6 depth", B + "COPY d e.md* /q/\n", files={**F, ".dockerignore": "*.md"}, run=("find /q -type f | sort", "/q/e.md\n/q/s/y\n/q/x"))
bad("G1 an ignored source", B + "COPY d/x /q/\n", "copy-source-missing", files={**F, ".dockerignore": "# c\n\nd\n"}, warns=["CopyIgnoredFile"], says=[".dockerignore:3: d"])

# --- 9. git references
bad("9.2 fragment and query", B + "ADD https://h.invalid/a.git?ref=x#y /z\n", "git-reference", at="2:5")
bad("9.2 unknown key", B + "ADD https://h.invalid/a.git?foo=x /z\n", "git-reference", at="2:5")
bad("9.2 tag and branch", B + "ADD https://h.invalid/a.git?tag=x&branch=y /z\n", "git-reference", at="2:5")

# --- 10. the image
ok("M3 labels", S + "LABEL a=1 b=2\n", args=["--label", "a=9", "--label", "c=3"], config={"labels": {"a": "9", "b": "2", "c": "3"}})
ok("M2 created by", B + "ARG a=b\nRUN true && :\nCOPY --chown=1:1 a /q\nENV a=b c=\"d e\"\nWORKDIR /x\nCMD [\"sh\"]\nEXPOSE 80\nVOLUME /v /w\nADD a /z\n", files=F,
   history=["ARG a=b", "RUN |1 a=b /bin/sh -c true && : # buildkit", "COPY --chown=1:1 a /q # buildkit", "ENV a=b c=d e", "WORKDIR /x", 'CMD ["sh"]', "EXPOSE [80/tcp]",
            'VOLUME [/v /w]', "ADD a /z # buildkit"])

# --- 12. dates
ok("E1 global ARG", "ARG SOURCE_DATE_EPOCH=86400\nFROM base\nWORKDIR /w\n", run=("stat -c %Y /w", "86400"))
ok("E1 build argument first", "ARG SOURCE_DATE_EPOCH=86400\nFROM base\nWORKDIR /w\n", args=["--build-arg", "SOURCE_DATE_EPOCH=1000"], run=("stat -c %Y /w", "1000"))
ok("E1 context has none here", B, args=["--source-date-epoch", "context"])
ok("E2 rewritten", B + "RUN touch /new\n", args=["--rewrite-timestamp", "--source-date-epoch", "3000"], run=("stat -c %Y /new", "3000"))
bad("E2 rewritten to what", B, "usage", args=["--rewrite-timestamp"])

# --- 13. checks: (id, a recipe that triggers it, one that does not)
CHECKS = [
    ("StageNameCasing", "FROM scratch AS A", "FROM scratch AS a"),
    ("FromAsCasing", "FROM scratch as a", "from scratch as a"),
    ("NoEmptyContinuation", S + "ENV A=1 \\\n\n B=2", S + "ENV A=1 \\\n# c\n B=2"),
    ("ConsistentInstructionCasing", S + "Env A=1", S + "ENV A=1"),
    ("ConsistentInstructionCasing", S + "ENV A=1\nenv B=1", "from scratch\nenv A=1"),
    ("DuplicateStageName", "FROM scratch AS a\nFROM scratch AS a", "FROM scratch AS a\nFROM scratch AS b"),
    ("ReservedStageName", "FROM scratch AS context", "FROM scratch AS contexts"),
    ("JSONArgsRecommended", S + "ENTRYPOINT a", S + 'SHELL ["a"]\nENTRYPOINT a'),
    ("MaintainerDeprecated", S + "MAINTAINER a", S),
    ("UndefinedArgInFrom", "FROM b$X\n" + S, "ARG X=ase\nFROM b$X"),
    ("WorkdirRelativePath", S + "WORKDIR a", "FROM scratch AS b\nWORKDIR /a\nFROM b\nWORKDIR b"),
    ("UndefinedArgInFrom", "FROM ${X:-scratch}", "ARG X\nFROM ${X:-scratch}"),
    ("UndefinedVar", S + "LABEL a=$b", S + "ARG b\nLABEL a=$b"),
    ("UndefinedVar", S + "COPY <<E /x\n$b\nE", S + "COPY <<'E' /x\n$b\nE"),
    ("MultipleInstructionsDisallowed", S + 'CMD ["a"]\nCMD ["b"]', "FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]"),
    ("LegacyKeyValueFormat", S + "LABEL a b", S + "LABEL a=b"),
    ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM scratch", "FROM --platform=$BUILDPLATFORM scratch"),
    ("SecretsUsedInArgOrEnv", S + "ARG MY_TOKEN", "ARG TOKEN=x\n" + S + "ARG TOKEN_FILE MY_PUBLIC_KEY MONKEY"),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 scratch AS x", "FROM --platform=linux/amd64 scratch AS build_amd64"),
    ("InvalidDefinitionDescription", "# check=experimental=all\n# bla\nARG A=1\n" + S, "# check=experimental=all\n# A bla\nARG A=1\n" + S),
    ("InvalidDefinitionDescription", "# check=experimental=InvalidDefinitionDescription\n# bla\n" + "FROM scratch AS x", "# bla\nARG A=1\n" + S),
    ("ExposeProtoCasing", S + "EXPOSE 1/TCP", S + "EXPOSE 1/tcp"),
    ("ExposeInvalidFormat", S + "EXPOSE 1:2", S + "EXPOSE 1-2"),
    ("JSONFormInvalid", S + "CMD [a]", S + 'CMD ["a"]'),
]
ok("13 InvalidDefaultArgInFrom", "ARG X\nFROM $X\n", args=["--check", "--build-arg", "X=scratch"], warns=["InvalidDefaultArgInFrom"], check=1)
ok("13 not InvalidDefaultArgInFrom", "ARG X=scratch\nFROM $X\n", args=["--check"], quiet=["InvalidDefaultArgInFrom"], check=0)
bad("13 warnings of a recipe that has mistakes too", "ARG X\nFROM $X\n", "from-empty", args=["--check"], warns=["InvalidDefaultArgInFrom"])
for name, wrong, right in CHECKS:
    ok("13 " + name, wrong + "\n", args=["--check"], warns=[name], check=1)
    ok("13 not " + name, right + "\n", args=["--check"], quiet=[name], check=None)


def problems(number, recipe, more, top, program):
    directory = f"{top}/{number}"
    os.makedirs(directory)
    for name, text in {**more.get("files", {}), "Recipe": recipe}.items():
        os.makedirs(os.path.dirname(f"{directory}/{name}"), exist_ok=True)
        with open(f"{directory}/{name}", "w", newline="", encoding="utf-8") as file: file.write(text)
    def torte(*words):
        return subprocess.run([*program, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "RULES_SECRET": "v"})
    built = torte("build", "--pull=never", "--network", "host", "-t", "rule", *more.get("args", []), directory)
    said = built.stdout + built.stderr
    for text in more.get("says", []) + ["[" + name + "]" for name in more.get("warns", [])]:
        if text not in said: yield f"does not say {text}"
    for name in more.get("quiet", []):
        if f"[{name}]" in said: yield f"warns of {name}"
    if "at" in more and f"Recipe:{more['at']}" not in said: yield f"is not at {more['at']}"
    if "error" in more:
        if built.returncode == 0: yield "is not refused"
        if f"[{more['error']}]" not in said: yield f"is not {more['error']}"
        return
    if "check" in more:
        if more["check"] not in (None, built.returncode) or "error:" in said: yield f"check ends with {built.returncode}"
        return
    if built.returncode != 0:
        yield f"status {built.returncode}"
        return
    if "history" in more:
        lines = [line["createdBy"] for line in json.loads(torte("inspect", "rule").stdout)[0]["history"]]
        if lines[-len(more["history"]):] != more["history"]: yield f"history is {lines}"
    if "config" in more:
        config = json.loads(torte("inspect", "rule").stdout)[0]["config"]
        for key, value in more["config"].items():
            if config[key] != value: yield f"{key} is {config[key]!r:.200}, not {value!r:.200}"
    if "run" in more:
        command, output = more["run"]
        ran = torte("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "/bin/sh", "rule", "-c", command)
        if ran.stdout.rstrip("\n") != output: yield f"{command} prints {ran.stdout!r} {ran.stderr[-300:]!r}, not {output!r}"


failed = 0
for number, (rule, recipe, more) in enumerate(CASES):
    for problem in problems(number, recipe, more, sys.argv[1], sys.argv[2:]):
        failed += 1
        print(f"{rule}: {problem}\n    " + recipe.replace("\n", "\n    "), file=sys.stderr)
print(f"-- {len(CASES)} cases, {len(set(rule for rule, *_ in CASES))} rules")
sys.exit(1 if failed else 0)
