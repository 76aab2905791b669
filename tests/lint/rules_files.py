"""Rules over the tree: dead files, links in pages, white space, clang-format."""

import json
import os
import re
import shutil
import subprocess

from rules_code import includes
from source import Finding

CODE_FOLDERS = ("models", "sim", "real", "results", "cli", "tests")


def dead_source(tree):
    """Every .cc file is compiled by some target (needs --compile-commands)."""
    if not tree.compile_commands:
        return
    with open(tree.compile_commands, encoding="utf-8") as file:
        compiled = {os.path.realpath(os.path.join(c["directory"], c["file"])) for c in json.load(file)}
    for source in tree.sources(".cc"):
        if source.top in CODE_FOLDERS and os.path.realpath(tree.root / source.path) not in compiled:
            if not named_in_cmake(tree, source.path):
                yield Finding(source.path, 1, "dead-source", "compiled by no target")


def named_in_cmake(tree, path):
    """True if a CMakeLists.txt on the way down to the file names it, or the one beside it takes all: targets
    that only some builds have."""
    name = os.path.basename(path)
    folder = os.path.dirname(path)
    beside = f"{folder}/CMakeLists.txt"
    if beside in tree.paths and "${CMAKE_CURRENT_SOURCE_DIR}/*.cc" in tree.source(beside).text:
        return True
    while True:
        candidate = f"{folder}/CMakeLists.txt" if folder else "CMakeLists.txt"
        if candidate in tree.paths and re.search(rf"\b{re.escape(name)}\b", tree.source(candidate).text):
            return True
        if not folder:
            return False
        folder = os.path.dirname(folder)


def dead_header(tree):
    """Every header is included by some other file."""
    used = {header for source in tree.cpp() for _, _, header in includes(source) if header != source.path}
    for source in tree.sources(".h"):
        beside = os.path.basename(source.path)
        if source.top in CODE_FOLDERS and source.path not in used and beside not in used:
            yield Finding(source.path, 1, "dead-header", "included by no file")


LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors that a page's headings have on code hosts: lower case, no punctuation, dashes for spaces."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def links(tree):
    """Relative links in pages lead to a file, and to a heading that it has."""
    for source in tree.sources(".md"):
        text = re.sub(r"```.*?```", lambda m: re.sub(r"[^\n]", " ", m.group()), source.text, flags=re.DOTALL)
        text = re.sub(r"`[^`\n]*`", lambda m: " " * len(m.group()), text)
        for match in LINK.finditer(text):
            target = match.group(1) or match.group(2)
            line = text.count("\n", 0, match.start()) + 1
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            where = os.path.normpath(os.path.join(os.path.dirname(source.path), path)) if path else source.path
            if not (tree.root / where).exists():
                yield Finding(source.path, line, "links", f"{target}: there is no {where}")
            elif anchor and where.endswith(".md") and anchor not in anchors(tree.source(where).text):
                yield Finding(source.path, line, "links", f"{target}: {where} has no such heading")


TEXT_SUFFIXES = (".h", ".cc", ".py", ".md", ".json", ".cmake", ".txt", ".sh", "CMakeLists.txt", ".clang-tidy",
                 ".clang-format", "overlab", ".ci/run")


def white_space(tree):
    """No tabs, no trailing spaces, one newline at the end, no carriage returns."""
    for source in tree.sources(*TEXT_SUFFIXES):
        if source.path.startswith("tests/golden/") or source.path.startswith("tests/bad/"):
            continue  # others' output, and input that is wrong on purpose
        for number, line in enumerate(source.lines, 1):
            if "\t" in line or "\r" in line:
                yield Finding(source.path, number, "white-space", "tab or carriage return")
            if line != line.rstrip():
                yield Finding(source.path, number, "white-space", "trailing space")
        if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
            yield Finding(source.path, len(source.lines), "white-space", "ends with exactly one newline")


FORMATTER = "clang-format-19"


def clang_format(tree):
    """C++ files are as clang-format-19 writes them (./overlab format)."""
    files = [s.path for s in tree.cpp() if s.top in CODE_FOLDERS]
    if not files:
        return
    if shutil.which(FORMATTER) is None:
        yield Finding("tests/lint", 1, "clang-format", f"{FORMATTER} is not installed")
        return
    done = subprocess.run([FORMATTER, "--dry-run", "-Werror", *files], cwd=tree.root, capture_output=True,
                          text=True, check=False)
    wrong = {}
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error: ", done.stderr, flags=re.MULTILINE):
        wrong.setdefault(match.group(1), int(match.group(2)))
    for path, line in wrong.items():
        yield Finding(path, line, "clang-format", "not formatted: run ./overlab format")
    if done.returncode != 0 and not wrong:
        yield Finding("tests/lint", 1, "clang-format", done.stderr.strip().splitlines()[0])


RULES = {
    "dead-source": dead_source,
    "dead-header": dead_header,
    "links": links,
    "white-space": white_space,
    "clang-format": clang_format,
}
