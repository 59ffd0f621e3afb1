# The first five minutes: samples/hello is built, run, listed, renamed and removed.
. "$(dirname "$0")/lib.sh"
[ -x /bin/busybox ] || skip "/bin/busybox (Debian package busybox-static) is not installed"
mkdir "$work/context"
cp /bin/busybox "$top/samples/hello/hello.sh" "$work/context/"

step "an image is built from the sample"
ok torte build -f "$top/samples/hello/Recipe" -t hello --iidfile "$work/id" "$work/context"
grep -qE '^sha256:[0-9a-f]{64}$' "$work/id" || fail "--iidfile holds: $(cat "$work/id")"

step "it runs as its own user, with the files the build left"
ok torte run --rm hello
prints "Hello from an image made by torte." "message: OK" "squares: OK" "I am 0:0" "greeting world" "3: 9"

step "arguments replace CMD, -e replaces ENV"
ok torte run --rm -e WHO=you hello message
prints "greeting you" "Here is message:"

step "a build argument changes the message, and the first image is as it was"
ok torte build -f "$top/samples/hello/Recipe" -t greeting --build-arg GREETING=Salut "$work/context"
ok torte run --rm greeting
prints "Salut from an image made by torte."
ok torte run --rm hello
prints "Hello from"

step "it is listed, inspected, and its history names its steps"
ok torte images
prints "hello"
ok torte inspect hello
prints '"WHO=world"' "org.opencontainers.image.title"
ok torte history --no-trunc hello
prints "ls -l" "ENTRYPOINT"

step "a second name, the first removed, the image stays"
ok torte tag hello other:v1
ok torte rmi hello
status 125 torte run --rm hello
ok torte run --rm other:v1
ok torte rmi other:v1
status 1 torte inspect other:v1

step "the store is sound"
ok torte fsck
