"""The tree under lint: its files, their text, and C++ text with comments and strings blanked out."""

import functools
import os
import re
from typing import NamedTuple

# Folders that are no part of the sources.
SKIPPED = {".git", "build", "out", "overlab-out", "__pycache__"}
SKIPPED_PREFIXES = ("build-", "cmake-build-")

CPP_SUFFIXES = (".h", ".cc")


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Source:
    """One text file. `path` is relative to the root, with forward slashes."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.top = path.split("/")[0] if "/" in path else ""

    @functools.cached_property
    def lines(self):
        return self.text.split("\n")

    @functools.cached_property
    def code(self):
        """The text with the insides of comments, strings and characters blanked; lines stay where they are."""
        return blank(self.text, comments=True)

    @property
    def is_cpp(self):
        return self.path.endswith(CPP_SUFFIXES)


class Tree:
    def __init__(self, root, compile_commands=None):
        self.root = root
        self.compile_commands = compile_commands
        self.paths = sorted(self._walk())
        self._sources = {}

    def _walk(self):
        for folder, names, files in os.walk(self.root):
            names[:] = [n for n in names if n not in SKIPPED and not n.startswith(SKIPPED_PREFIXES)]
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root).replace(os.sep, "/")

    def source(self, path):
        if path not in self._sources:
            data = (self.root / path).read_bytes()
            self._sources[path] = Source(path, data.decode("utf-8", errors="replace"))
        return self._sources[path]

    def sources(self, *suffixes):
        return [self.source(path) for path in self.paths if path.endswith(suffixes)]

    def cpp(self):
        return self.sources(*CPP_SUFFIXES)


TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*.*?\*/)
    | (?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
    | (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<character>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*')
    """,
    re.VERBOSE | re.DOTALL,
)


def blank(text, comments):
    """Replaces strings, and comments if asked for, by spaces. Include lines keep their quotes."""

    def replace(match):
        kind = match.lastgroup
        if kind == "mark":
            kind = "raw"
        if kind in ("line", "block") and not comments:
            return match.group()
        if kind == "string":
            start = text.rfind("\n", 0, match.start()) + 1
            if re.match(r"\s*#\s*include\s*$", text[start : match.start()]):
                return match.group()
        return re.sub(r"[^\n]", " ", match.group())

    return TOKEN.sub(replace, text)
