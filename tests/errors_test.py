#!/usr/bin/env python3
"""Fails when an id of the sources is not explained in docs/errors.md, or an explained id is nowhere in the sources.

errors_test.py ROOT     checks the tree at ROOT: prints every complaint, status 1 if there is one
errors_test.py          first checks the checker: it must find the ids of small examples, and nothing else
"""

import pathlib
import re
import sys

WALLS = ["base", "store", "overlay", "runner", "builder", "cli"]

# Which arguments of which calls are ids, counted from 0, in files whose path begins so. A brace counts as a call of
# the name before it: event::Warning{"id", ...}. Whatever the name, the third argument after a base::Code is an id.
ID_ARGUMENTS = [
    ("", {"Error": {2}, "error": {2}, "UsageError": {1}, "set_id": {0}, "Warning": {0}}),
    ("builder/dockerfile/", {"error": {0, 1}, "error_at": {1}, "value_error_at": {1}, "fail": {1}, "warn": {0}, "warn_arg": {1}, "warn_at": {2}}),
    ("builder/dockerfile/parser.cc", {"push_back": {0}}),
    ("builder/dockerfile/validate.cc", {"push_back": {0}}),
    ("builder/plan/", {"fail": {0, 1}, "warn": {1}}),
    ("builder/solve/", {"warn": {0}}),
    ("cli/", {"error": {1}}),
]
AFTER_CODE = 2

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|[A-Za-z_]\w*|\d[\w.\']*|\s+|.', re.S)
# Names of errors are words with hyphens, those of checks are words without.
ID = re.compile(r'"([a-z][a-z0-9]*(?:-[a-z0-9]+)*|[A-Z][a-z]*(?:[A-Z][a-z]*)*)"')
# What holds ids by its name: a variable or parameter, a member of a problem or warning, a function.
ID_HOLDERS = [
    re.compile(r'(?<![.\w])id = ((?:[^;{,("\[]|"[^"]*")*)'),
    re.compile(r'\b(?:problem\.|warning\.|problem\{\.)id = ("[^"]*")'),
    re.compile(r"\bid_of\([^)]*\) \{(.*?)\n\}", re.S),
]
HEADING = re.compile(r"^## (.*)$", re.M)
LEAST_WORDS = 8  # of an explanation


class Call:
    """An open bracket: the name before it, the argument being read, whether the first one is a base::Code."""

    def __init__(self, name):
        self.name = name
        self.argument = 0
        self.has_code = False


def id_arguments(path):
    positions = {}
    for prefix, calls in ID_ARGUMENTS:
        for name, arguments in calls.items() if path.startswith(prefix) else ():
            positions[name] = positions.get(name, set()) | arguments
    return positions


def ids_of(path, text):
    """Line and id of everything in the text of a source that names an error, a warning or a check."""
    positions = id_arguments(path)
    calls = [Call("")]
    before = ""
    line = 1
    for match in TOKEN.finditer(text):
        token, at = match.group(0), line
        line += token.count("\n")
        if token.isspace() or token.startswith(("//", "/*")):
            continue
        call = calls[-1]
        if token in ("(", "{", "["):
            calls.append(Call(call.name if before == "(" else before))  # push_back({...}) is one call
        elif token in (")", "}", "]"):
            calls = calls[:-1] or [Call("")]
        elif token == ",":
            call.argument += 1
        elif token == "Code" and call.argument == 0:
            call.has_code = True
        elif found := ID.fullmatch(token):
            if call.argument in positions.get(call.name, ()) or (call.has_code and call.argument == AFTER_CODE):
                yield at, found.group(1)
        before = token
    for holder in ID_HOLDERS:
        for match in holder.finditer(text):
            for found in ID.finditer(match.group(1)):
                yield text.count("\n", 0, match.start(1) + found.start()) + 1, found.group(1)


def check_explanations(used, text):
    """Complaints about docs/errors.md; `used` maps ids to where they are."""
    sections = HEADING.split(text)[1:]
    headings, bodies = sections[::2], sections[1::2]
    for id, place in sorted(used.items()):
        if id not in headings:
            yield f"{place}: [{id}] is not explained in docs/errors.md"
    for heading, body in zip(headings, bodies):
        if heading not in used:
            yield f"docs/errors.md: [{heading}] is an id of nothing in the sources"
        if len(body.split()) < LEAST_WORDS:
            yield f"docs/errors.md: [{heading}] has a heading, but no explanation"
    for first, second in zip(headings, headings[1:]):
        if first >= second:
            yield f"docs/errors.md: [{second}] must stand before [{first}], once: in the order of their bytes"


def check_tree(root):
    used = {}
    for wall in WALLS:
        for file in sorted((root / wall).rglob("*")):
            if file.suffix in (".cc", ".h"):
                path = file.relative_to(root).as_posix()
                for line, id in ids_of(path, file.read_text()):
                    used.setdefault(id, f"{path}:{line}")
    yield from check_explanations(used, (root / "docs/errors.md").read_text())


def check_checker():
    found = [
        ("store/a.cc", 'throw base::Error(base::Code::kInvalid, base::str("a", b, "c"), "one-thing");'),
        ("store/a.cc", 'base::Error lost(Code::kInvalid,\n "text", "one-thing");'),
        ("store/a.cc", 'Error error(code, "text", there ? "one-thing" : other);'),
        ("store/a.cc", 'e.set_id("one-thing");'),
        ("store/a.cc", 'const char* id = status == 4 ? "one-thing" : nullptr;'),
        ("store/a.cc", 'const char* id_of(Fault fault) {\n  return "one-thing";\n}'),
        ("cli/a.cc", 'throw UsageError(str("a", b), "one-thing");'),
        ("cli/a.cc", 'UsageError error("text, and more", "one-thing");'),
        ("cli/a.cc", 'Problem problem{.id = "one-thing", .message = "text"};'),
        ("builder/solve/a.cc", 'events.emit(event::Warning{"one-thing", std::move(text)});'),
        ("builder/plan/a.cc", 'Planner::fail(where, "one-thing", "text");'),
        ("builder/dockerfile/a.cc", 'findings.error_at(in.arg_range(2), "one-thing", base::str("text"));'),
        ("builder/dockerfile/parser.cc", 'errors.push_back({"one-thing", "text"});'),
    ]
    for path, text in found:
        assert [id for _, id in ids_of(path, text)] == ["one-thing"], f"not found: {text}"
    for path, text in [
        ("store/a.cc", 'throw base::Error(base::Code::kInvalid, "text");'),
        ("store/a.cc", '// throw base::Error(base::Code::kInvalid, "text", "one-thing");'),
        ("store/a.cc", 'Query(records, "DELETE FROM documents WHERE id = ?").bind(kind, "one-thing");'),
        ("store/a.cc", 'std::string id = fields["id"];'),
        ("builder/dockerfile/copy.cc", 'known.push_back({"checksum", FlagSpec::kText});'),
    ]:
        assert not list(ids_of(path, text)), f"taken for an id: {text}"
    words = "\n\n" + "word " * LEAST_WORDS + "\n\n"
    page = f"# Errors\n\n## one{words}## two{words}"
    used = {"one": "a.cc:1", "two": "a.cc:2"}
    assert not list(check_explanations(used, page))
    assert list(check_explanations({**used, "three": "a.cc:3"}, page)), "an id without an explanation was let through"
    assert list(check_explanations({"one": "a.cc:1"}, page)), "an explanation of nothing was let through"
    assert list(check_explanations(used, f"## two{words}## one{words}")), "a wrong order was let through"
    assert list(check_explanations(used, f"## one\n\n## two{words}")), "an empty explanation was let through"


def main():
    if len(sys.argv) == 1:
        check_checker()
        return 0
    complaints = list(check_tree(pathlib.Path(sys.argv[1])))
    print("\n".join(complaints) if complaints else "every error is explained")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
