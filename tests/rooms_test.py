#!/usr/bin/env python3
"""Fails when the source tree breaks a rule of the house (docs/ARCHITECTURE.md, "Rooms").

rooms_test.py ROOT     checks the tree at ROOT: prints every complaint, status 1 if there is one
rooms_test.py          first checks the checker: every rule must catch a small example that breaks it
"""

import pathlib
import re
import sys

# What each room may see. base is seen by all; a room not named here does not exist.
BUILDER_SEES = {"overlay", "runner/launch", "runner/network", "store", "store/layer", "store/oci", "base/sys"}
SEES = {
    "base": set(),
    "base/sys": {"base"},
    "store/oci": {"base"},
    "store/layer": {"base", "base/sys", "store/oci"},
    "store": {"base", "base/sys", "store/oci"},
    # The unpacked archive of a save or load: it writes blobs and tar, and knows the documents.
    "store/archive": {"base", "base/sys", "store/oci", "store/layer"},
    "store/registry": {"base", "base/sys", "store", "store/oci"},
    "overlay": {"base", "base/sys", "store", "store/layer", "store/oci"},
    "runner/launch": {"base", "base/sys", "store/oci"},
    "runner/network": {"base", "base/sys"},
    "runner/container": {"base", "base/sys", "overlay", "store", "store/oci", "runner/launch", "runner/network"},
    "builder/dockerfile": {"base"},
    "builder/context": {"base", "base/sys", "builder/dockerfile"},
    "builder/plan": {"base", "base/sys", "store/oci", "builder/dockerfile"},
    "builder/cache": {"base", "builder/dockerfile", "builder/context", "builder/plan"} | BUILDER_SEES,
    "builder/solve": {"base", "builder/dockerfile", "builder/context", "builder/plan", "builder/cache"} | BUILDER_SEES,
}
# The folders of cli are one library with it; still, what moves images does not know how they are built.
CLI_SEES = {
    "cli/progress": set(),
    "cli/remote": {"cli/progress"},
    "cli/images": {"cli/progress", "cli/remote"},
    "cli/containers": {"cli/progress", "cli/images"},
    "cli/history": set(),
    "cli/build": {"cli/progress", "cli/remote", "cli/images", "cli/containers", "cli/history"},
}
BELOW_CLI = set(SEES)
for folder, sees in CLI_SEES.items():
    SEES[folder] = BELOW_CLI | {"cli"} | sees
SEES["cli"] = BELOW_CLI | set(CLI_SEES)
WALLS = ["base", "store", "overlay", "runner", "builder", "cli"]

# The kernel's owners live here; everyone else goes through them.
RAW_CALLS_ALLOWED = ("base/sys/", "runner/launch/")
RAW_CALLS = ("close", "umount", "umount2", "kill")
# A shell in between, or a path walked by name inside a root that nobody trusts.
BANNED_CALLS = {
    "system": "start programs with sys::Process, never through a shell",
    "popen": "start programs with sys::Process, never through a shell",
    "realpath": "resolve paths with sys::Root (openat2), never by name",
    "mktemp": "make temporary files with sys, which opens them at once",
    "tmpnam": "make temporary files with sys, which opens them at once",
}
BANNED_NAMES = ("util", "utils", "common", "helper", "helpers", "misc", "manager")
BANNED_HEADERS = {
    "fmt/": "base/text.h does what we need of it",
    "CLI/": "cli/options.h reads the one command table",
    "archive.h": "store/layer reads and writes tar itself",
}
# Private to a few source files that need the values anyway.
JSON_HEADERS = {"cli/template_syntax.h"}
MAX_LINES = 1000  # past this it is two files


def room_of(path):
    """The room a file or an include belongs to: the longest name in SEES that holds it."""
    folder = str(pathlib.PurePosixPath(path).parent)
    while folder not in ("", "."):
        if folder in SEES:
            return folder
        folder = str(pathlib.PurePosixPath(folder).parent)
    return None


def code_only(text):
    """The text with comments and the inside of strings blanked; line numbers stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)

    def blank(match):
        found = match.group(0)
        return '""' + "\n" * found.count("\n") if found[0] in '"R\'' else "\n" * found.count("\n")

    return pattern.sub(blank, text)


def calls(code, name):
    """Line numbers where the plain function `name` is called with an argument: not a member, not a
    function of a namespace, not a declaration, not a local lambda of that name."""
    if re.search(r"\bauto " + name + r"\s*=", code):
        return
    for match in re.finditer(r"(?P<before>(?:\w+\s+)?)(?P<scope>(?<![\w>])(?:::|std::)?)(?<![\w.~])" + name + r"\(\s*[^)\s]", code):
        start = match.start("scope")
        preceding = code[max(0, start - 2):start]
        if preceding.endswith((".", "->", "::")) or re.search(r"[*&]\s*$", preceding):
            continue
        word = match.group("before").strip()
        if word and word not in ("return", "throw", "else", "do", "case", "co_return"):
            continue
        yield code.count("\n", 0, match.start("scope")) + 1


def check_source(path, text):
    """Complaints about one .cc, .h, .c or .S file of a room."""
    room = room_of(path)
    if room is None:
        yield f"{path}: lies in no room; name the room in tests/rooms_test.py and docs/ARCHITECTURE.md"
        return
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if include:
            target = include.group(2)
            for header, reason in BANNED_HEADERS.items():
                if target.startswith(header) and include.group(1) == "<":
                    yield f"{path}:{number}: <{target}>: {reason}"
            if target == "nlohmann/json.hpp" and path.endswith(".h") and path not in JSON_HEADERS:
                yield f"{path}:{number}: <{target}> in a header costs every reader a second; take json_fwd.hpp"
            if include.group(1) == '"' and not target.endswith(".inc"):  # .inc: made by the build
                seen = room_of(target)
                if seen is None:
                    yield f'{path}:{number}: "{target}": include from the root of the tree'
                elif seen != room and seen not in SEES[room]:
                    yield f"{path}:{number}: {room} must not see {seen}"
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield f"{path}:{number}: unfinished mark: finish it, or make it a clear error"
    code = code_only(text)
    for name, reason in BANNED_CALLS.items():
        for number in calls(code, name):
            yield f"{path}:{number}: {name}(): {reason}"
    if not path.startswith(RAW_CALLS_ALLOWED):
        for name in RAW_CALLS:
            for number in calls(code, name):
                yield f"{path}:{number}: raw {name}(): the owners in base/sys do this"
    if path.endswith(".h"):
        if "///" not in text:
            yield f"{path}: a header without a single /// comment"
        if "#pragma once" not in text:
            yield f"{path}: no #pragma once"
    if text.count("\n") > MAX_LINES:
        yield f"{path}: {text.count(chr(10))} lines: it is two files"


def check_name(path):
    pure = pathlib.PurePosixPath(path)
    for part in (*pure.parent.parts, pure.name.split(".")[0]):
        if any(word in BANNED_NAMES for word in part.lower().split("_")):
            yield f"{path}: {part!r} says nothing about what is inside"


def check_room_file(path, text):
    """A room's CMakeLists.txt says in its first lines what the room is, sees and never sees; and
    its SEES list, which the linker obeys, is within the table."""
    folder = str(pathlib.PurePosixPath(path).parent)
    if "torte_room(" not in text:
        return
    comment = [line for line in text.splitlines() if line.startswith("#")]
    for wanted in (f"# {folder}: ", "# Sees: ", "# Never sees: "):
        if not any(line.startswith(wanted) for line in comment):
            yield f"{path}: no line {wanted!r}"
    short = {name.rsplit("/", 1)[-1]: name for name in SEES}
    for room in re.finditer(r"torte_room\(\s*(\w+)(.*?)\)", text, re.S):
        name = short.get(room.group(1))
        sees = re.search(r"\bSEES\b([\w\s]*?)(?:\bUSES\b|\bSOURCES\b|$)", room.group(2))
        if name is None:
            yield f"{path}: room {room.group(1)!r} is not in the table"
        for seen in sees.group(1).split() if name and sees else []:
            if short.get(seen) not in SEES[name]:
                yield f"{path}: {name} must not link {seen}"


def check_tree(root):
    files = [path for wall in WALLS for path in sorted((root / wall).rglob("*")) if path.is_file()]
    for file in files:
        path = file.relative_to(root).as_posix()
        yield from check_name(path)
        if file.name == "CMakeLists.txt":
            yield from check_room_file(path, file.read_text())
        elif file.suffix in (".cc", ".h", ".c", ".S"):
            yield from check_source(path, file.read_text())
    for file in sorted((root / "tests").rglob("*.cc")):
        yield from check_name(file.relative_to(root).as_posix())


def check_checker():
    """Every rule catches what it is for, and lets the near miss pass."""
    header = "/// A thing.\n#pragma once\n"
    bad = [
        check_source("store/oci/a.cc", '#include "base/sys/fd.h"\n'),
        check_source("store/registry/a.cc", '#include "store/layer/tar.h"\n'),
        check_source("builder/solve/a.cc", '#include "store/registry/pull.h"\n'),
        check_source("overlay/a.cc", '#include "runner/launch/launch.h"\n'),
        check_source("store/a.cc", '#include "a.h"\n'),
        check_source("elsewhere/a.cc", "\n"),
        check_source("store/a.h", header + "#include <nlohmann/json.hpp>\n"),
        check_source("cli/a.cc", "#include <fmt/format.h>\n"),
        check_source("cli/images/a.cc", '#include "cli/build/build.h"\n'),
        check_source("store/a.cc", "void f() { close(fd); }\n"),
        check_source("store/a.cc", "int f() { return ::close(fd); }\n"),
        check_source("overlay/a.cc", "  umount2(p, 0);\n"),
        check_source("cli/a.cc", "  if (kill(pid, 9) != 0) {}\n"),
        check_source("base/sys/a.cc", "  std::system(line);\n"),
        check_source("base/sys/a.cc", "  char* p = realpath(a, nullptr);\n"),
        check_source("store/a.h", "#pragma once\nint x;\n"),
        check_source("store/a.h", "/// Says it.\nint x;\n"),
        check_source("store/a.cc", "// TO" + "DO later\n"),
        check_source("store/a.cc", "\n" * (MAX_LINES + 1)),
        check_name("store/blob_util.h"),
        check_name("cli/common/a.h"),
        check_room_file("store/CMakeLists.txt", "# store: x\n# Sees: y\ntorte_room(store SOURCES a.cc)"),
        check_room_file("store/oci/CMakeLists.txt",
                        "# store/oci: x\n# Sees: y\n# Never sees: z\ntorte_room(oci SOURCES a.cc SEES base sys)"),
    ]
    good = [
        check_source("store/a.cc", '#include "store/oci/digest.h"\n#include <zlib.h>\n'),
        check_source("store/a.cc", "// close(fd)\nfoo.close(fd); foo->close(fd); sys::close(fd); close();\n"),
        check_source("store/a.cc", 'throw Error("close(fd) failed");\n'),
        check_source("store/a.cc", "void Writer::close(int fd) {}\nvoid close(int fd);\n"),
        check_source("store/a.cc", "auto close = [](int set) {};\nclose(set);\n"),
        check_source("base/sys/fd.cc", "::close(fd);\n"),
        check_source("store/a.h", header),
        check_name("store/utility_layer.h"),
        check_room_file("store/CMakeLists.txt",
                        "# store: x\n# Sees: y\n# Never sees: z\ntorte_room(store\n  SOURCES a.cc\n  SEES base sys oci\n  USES q)"),
    ]
    for number, complaints in enumerate(bad):
        assert list(complaints), f"bad example {number} was let through"
    for number, complaints in enumerate(good):
        found = list(complaints)
        assert not found, f"good example {number}: {found}"


def main():
    if len(sys.argv) == 1:
        check_checker()
        return 0
    complaints = list(check_tree(pathlib.Path(sys.argv[1])))
    print("\n".join(complaints) if complaints else "every room keeps to its walls")
    return 1 if complaints else 0


sys.exit(main())
