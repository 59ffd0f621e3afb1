# Flags of build that say what RUN steps may do and use: limits, rights, name servers, here-documents.
. "$(dirname "$0")/lib.sh"
base_image
mkdir -p "$work/context"
build() { torte build --network none "$@" "$work/context"; }

step "--ulimit is part of the key, limits are not"
printf 'FROM base\nRUN ulimit -n >/n; ulimit -Hn >>/n\n' >"$work/context/Recipe"
ok build -t limited --ulimit nofile=100:200
ok torte run --rm --network none limited cat /n
equal "$(tr '\n' ' ' <"$work/out")" "100 200 "
ok build --ulimit nofile=100:200 --pids-limit 50
says "2 of 2 cached"
ok build --ulimit nofile=101:200 --explain
says "ulimit" "1 of 2 cached"
status 2 build --ulimit files=1

step "--pids-limit and --memory hold for a step"
printf 'FROM base\nRUN for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait\n' >"$work/context/Recipe"
if build --pids-limit 5 >"$work/out" 2>"$work/err"; then fail "nine processes ran where five may"; fi
if [ "$(id -u)" = 0 ]; then
  printf 'FROM base\nRUN dd if=/dev/zero of=/dev/null bs=300M count=1\n' >"$work/context/Recipe"
  if build --memory 30m >"$work/out" 2>"$work/err"; then fail "300 MB fitted into 30"; fi
  says "needs more memory than --memory allows"
fi

step "--resource: the same limits by their names"
printf 'FROM base\nRUN ulimit -n >/n; df /dev/shm | tail -n 1 | sed "s/  */ /g" | cut -d " " -f 2 >>/n\n' >"$work/context/Recipe"
ok build -t resources --resource ulimit=nofile=70:70 --resource shm-size=3m
ok torte run --rm --network none resources cat /n
equal "$(tr '\n' ' ' <"$work/out")" "70 3072 "
printf 'FROM base\nRUN for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait\n' >"$work/context/Recipe"
if build --resource pids-limit=5 >"$work/out" 2>"$work/err"; then fail "nine processes ran where five may"; fi
status 2 build --resource memroy=1g
says "did you mean memory?"
status 2 build --resource memory=1g --memory 2g
says "memory is given already"
status 2 build --resource memory
says "--resource needs NAME=VALUE"

step "--isolation, --userns: what is so may be said, the rest is refused by name"
printf 'FROM base\nRUN true\n' >"$work/context/Recipe"
ok build --isolation oci --userns host
status 1 build --isolation chroot
says "--isolation chroot: torte runs no step without namespaces" "[sandbox-unsupported]"
status 2 build --isolation hyperv
says "unknown kind hyperv"
status 1 build --userns auto
says "--userns auto: steps have the users and groups that torte has"
status 2 build --userns hots
says "--userns: unknown mode hots; there are host"
others=0; [ "$(id -u)" != 0 ] || others=1
status $others build --isolation rootless
status $others build --userns private

step "--cap-drop, --security-opt: in the key too, since they change what a step can do"
printf 'FROM base\nRUN grep -E "CapBnd|NoNewPrivs" /proc/self/status >/status\n' >"$work/context/Recipe"
ok build -t rights --cap-drop ALL --security-opt no-new-privileges
ok torte run --rm --network none rights cat /status
prints "0000000000000000" "NoNewPrivs:	1"
ok build -t rights
says "1 of 2 cached"

step "--volume and --mount: directories and files of this machine in every step, read-only and in the key"
mkdir -p "$work/host/sub"
echo one >"$work/host/sub/file"
echo conf >"$work/conf"
printf 'FROM base\nRUN cat /h/sub/file /etc/conf >/seen && ! touch /h/new 2>/dev/null && ! echo x 2>/dev/null >/etc/conf\nRUN test -e /h/sub && : >/second\n' >"$work/context/Recipe"
ok build -v "$work/host:/h" -v "$work/conf:/etc/conf:ro" -t volumes
ok torte run --rm --network none volumes cat /seen
equal "$(tr '\n' ' ' <"$work/out")" "one conf "
ok build --volume "$work/host:/h" --mount "type=bind,source=$work/conf,target=/etc/conf"
says "3 of 3 cached"
echo two >"$work/host/sub/file"
ok build -v "$work/host:/h" -v "$work/conf:/etc/conf" -t volumes --explain
says "1 of 3 cached" "volume /h"
says_not "volume /etc/conf"
ok torte run --rm --network none volumes cat /seen
prints_line two

step "--volume nohash: what the directory holds is not asked; rw: a step writes to this machine"
ok build -v "$work/host:/h:nohash" -v "$work/conf:/etc/conf"
touch "$work/host/more"
ok build -v "$work/host:/h:nohash" -v "$work/conf:/etc/conf"
says "3 of 3 cached"
printf 'FROM base\nRUN echo written >/h/by-step; touch /t/x /c/x; ls /c >>/h/cache\n' >"$work/context/Recipe"
mounts=(--mount "type=bind,source=$work/host,target=/h,rw" --mount type=tmpfs,target=/t --mount type=cache,target=/c,id=flagged)
ok build "${mounts[@]}" -t written
equal "$(cat "$work/host/by-step" "$work/host/cache" | tr '\n' ' ')" "written x "
ok torte run --rm --network none written sh -c 'test ! -e /h && test ! -e /t && test ! -e /c'
ok torte cache ls
prints flagged
status 1 build -v "$work/nothing:/h"
says "--volume" "does not exist"
status 2 build -v named:/h
says "--volume named:/h" "no volumes"
status 2 build -v "$work/host:/h:U"
says "unknown option U (known: ro, rw, O, nohash)"
status 2 build -v "$work/conf:/etc/conf:O"
says "O needs a directory"

step "--volume O: a step may write, and nothing of it stays; the content counts"
printf 'FROM base\nRUN cat /h/sub/file >/seen && echo x >/h/sub/file && rm /h/more && touch /h/gone\nRUN ls -A /h >/second\n' >"$work/context/Recipe"
ok build -v "$work/host:/h:O" -t covered
[ -e "$work/host/more" ] && [ ! -e "$work/host/gone" ] && [ "$(cat "$work/host/sub/file")" = two ] || fail "a step wrote to this machine"
ok torte run --rm --network none covered cat /seen /second
prints_line two
prints_line more
prints_not gone
echo three >"$work/host/sub/file"
ok build -v "$work/host:/h:O" --explain
says "volume /h"
printf 'FROM base\nRUN ls /d >/list && touch /d/new\n' >"$work/context/Recipe"
ok build -v /usr/share:/d:O,nohash   # root's, who is nobody here for an ordinary user
[ ! -e /usr/share/new ] || fail "a step wrote to this machine"
status 2 build -v "$work/host:h"
says "must be absolute"
status 2 build -v "$work/host:/"
says "cannot be at /"
status 2 build --mount "type=bnd,source=$work/host,target=/h"
says "--mount type=bnd" "did you mean bind?"
status 2 build --mount type=secret,id=x
says "RUN --mount in the recipe"
status 2 build --mount "from=base,target=/h"
says "from= is for RUN --mount"

step "--dns: the step's name servers; no part of a key"
printf 'FROM base\nRUN cat /etc/resolv.conf >/resolv\n' >"$work/context/Recipe"
ok torte build --network host -t dns --dns 192.0.2.53 --dns-search example.org "$work/context"
ok torte run --rm --network none dns cat /resolv
prints "192.0.2.53" "example.org"
ok torte build --network host --dns 192.0.2.54 "$work/context"
says "2 of 2 cached"

step "build arguments for torte itself (A8): host name, name space of cache mounts"
printf 'FROM base\nRUN --mount=type=cache,target=/c hostname >/name; ls /c >/seen; touch /c/mark\n' >"$work/context/Recipe"
ok build -t named --build-arg BUILDKIT_SANDBOX_HOSTNAME=here --build-arg BUILDKIT_CACHE_MOUNT_NS=one
ok torte run --rm --network none named cat /name /seen
equal "$(cat "$work/out")" here
ok build -t named --no-cache --hostname flag --build-arg BUILDKIT_SANDBOX_HOSTNAME=here --build-arg BUILDKIT_CACHE_MOUNT_NS=one
ok torte run --rm --network none named cat /name /seen
equal "$(tr '\n' ' ' <"$work/out")" "flag mark "
ok build -t named --no-cache
ok torte run --rm --network none named cat /name /seen
equal "$(cat "$work/out")" build
ok build --build-arg BUILDKIT_INLINE_CACHE=1 -o type=oci,tar=false,dest="$work/inline"
grep -qr "org.torte.cache.inline" "$work/inline/blobs" || fail "the image does not tell its steps"
ok build --build-arg BUILDKIT_MULTI_PLATFORM=1
says "BUILDKIT_MULTI_PLATFORM is not built yet"

step "--cache-ttl: results that are too old are made again"
printf 'FROM base\nRUN date +%%N >/when\n' >"$work/context/Recipe"
ok build
ok build --cache-ttl 1h
says "2 of 2 cached"
sleep 1.1
ok build --cache-ttl 1s --explain
says "1 of 2 cached" "older than --cache-ttl"

step "going back and forth between two states of a stage runs nothing again"
variant() { printf 'FROM base AS a\nRUN echo %s >/a; echo %s >/b\nFROM base\nCOPY --from=a /a /a\nRUN cat /a\n' "$1" "$2" >"$work/context/Recipe"; }
variant 1 1; ok build
variant 2 2; ok build
variant 1 3; ok build
says "4 of 5 cached"   # the stage is new, but what is copied of it was there two builds ago

step "--unsetannotation"
printf 'FROM scratch\nCOPY Recipe /\n' >"$work/context/Recipe"
ok build --annotation keep=1 --annotation gone=1 --unsetannotation gone -o type=oci,tar=false,dest="$work/layout"
grep -qr '"keep"' "$work/layout/blobs" || fail "the annotation is not there"
! grep -qr '"gone"' "$work/layout/blobs" || fail "the annotation is still there"

step "--heredoc-errexit: a here-document stops where a command fails"
printf 'FROM base\nRUN <<E\nfalse\ntouch /went-on\nE\n' >"$work/context/Recipe"
ok build
status 1 build --heredoc-errexit
says "RUN failed with status 1"

step "# syntax= of another language is a warning, with --strict-syntax an error (L5)"
printf '# syntax=docker/dockerfile:1.9-labs\nFROM base\n' >"$work/context/Recipe"
ok build --strict-syntax
says_not "UnknownSyntax"
printf '# syntax=example.org/other/frontend:1\nFROM base\n' >"$work/context/Recipe"
ok build
says "UnknownSyntax" "Recipe:1"
status 1 build --strict-syntax
says "[unknown-syntax]"
status 1 build --build-arg BUILDKIT_SYNTAX=mine/own --strict-syntax

step "--device and RUN --device: the device is there for that step, and asked for by name"
device=/dev/fuse
if [ -c "$device" ]; then
  printf 'FROM base\nRUN test -c %s && echo with >/seen\nRUN test -c %s || echo without >>/seen\n' $device $device >"$work/context/Recipe"
  ok build --device $device -t both
  status 1 build --no-cache
  sed -i "2s,RUN,RUN --device=$device,; 3s,RUN,RUN ," "$work/context/Recipe"
  status 1 build
  says "[not-allowed]" "--allow device=$device"
  ok build --allow device=$device -t one
  ok torte run --rm --network none one cat /seen
  equal "$(tr '\n' ' ' <"$work/out")" "with without "
  ok build --allow device
  says "3 of 3 cached"
fi
printf 'FROM base\nRUN --device=vendor.example/thing=all true\n' >"$work/context/Recipe"
ok build --allow device
says "no device vendor.example/thing=all" "[device-missing]"
printf 'FROM base\nRUN --device=vendor.example/thing=all,required true\n' >"$work/context/Recipe"
status 1 build --allow device
says "error: this machine has no device" "Recipe:2"

if [ "${TORTE_AS:-root}" = root ] || [ "${TORTE_AS:-}" = subuid ]; then
  step "--group-add: further groups of a step's user"
  printf 'FROM base\nUSER guest\nRUN id -G >/tmp/groups\n' >"$work/context/Recipe"
  ok build --group-add 77 -t groups
  ok torte run --rm --network none groups cat /tmp/groups
  prints "77"
  ok build --group-add 78 --explain
  says "group"
  status 1 build --group-add nobodys
fi

step "--security-opt seccomp=FILE: the profile holds for steps and is in the key"
printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}' >"$work/profile"
printf 'FROM base\nRUN mkdir /made || touch /refused\n' >"$work/context/Recipe"
ok build --no-cache --security-opt "seccomp=$work/profile" -t refused
ok torte run --rm --network none refused ls /refused
ok build -t refused
says "1 of 2 cached"
echo no >"$work/profile"
status 1 build --security-opt "seccomp=$work/profile"

step "--step-timeout ends a step, --timeout the build"
printf 'FROM base\nRUN sleep 600\n' >"$work/context/Recipe"
status 1 build --step-timeout 300ms
says "error: RUN was stopped after 0.3s" "[step-timeout]" "Recipe:2"
status 1 build --timeout 300ms
says "the build was stopped after 300ms" "[build-timeout]"
ok build --call plan --timeout 10m

step "--layers=false: later builds find nothing of it"
printf 'FROM base\nRUN date +%%s%%N >/when\n' >"$work/context/Recipe"
ok build --layers=false
ok build
says "1 of 2 cached"
ok build --layers=false
says "2 of 2 cached"
status 2 build --layers=false --cache-to "type=local,dest=$work/cache"
