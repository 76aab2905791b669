"""Rules over C++ text: the folder contract, banned words, sizes, hash order."""

import re

from source import Finding

STD_FORBIDDEN_IN_MODELS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "stop_token", "semaphore", "latch",
    "barrier", "fstream", "iostream", "filesystem", "chrono", "ctime", "time.h", "random", "locale", "clocale",
    "csignal", "cstdio", "syncstream",
}
STD_FORBIDDEN_IN_SIM = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "chrono", "ctime", "time.h", "random",
    "locale", "iostream",
}

# The table of docs/architecture.md. own: our folders that may be included; libraries: prefixes of third-party
# headers; in_sources: prefixes allowed in .cc files only; system: whether kernel and POSIX headers are allowed.
CONTRACT = {
    "models": dict(
        own={"models"}, libraries=("fmt/",), in_sources=("boost/", "nlohmann/", "valijson/"),
        system=False, std_forbidden=STD_FORBIDDEN_IN_MODELS),
    "sim": dict(
        own={"models", "sim"}, libraries=("fmt/", "ns3/"), in_sources=("boost/", "nettle/", "nlohmann/"),
        system=False, std_forbidden=STD_FORBIDDEN_IN_SIM),
    "real": dict(
        own={"models", "real"}, libraries=("fmt/",), in_sources=("boost/", "nettle/", "nlohmann/"),
        system=True, std_forbidden=set()),
    "results": dict(
        own={"models", "results"}, libraries=("fmt/", "nlohmann/json_fwd.hpp"), in_sources=("nlohmann/",),
        system=False, std_forbidden={"thread", "mutex", "chrono", "ctime", "random", "iostream"}),
    "cli": dict(
        own={"models", "sim", "real", "results", "cli"}, libraries=("fmt/", "CLI/", "nlohmann/", "nettle/"),
        in_sources=(), system=True, std_forbidden=set()),
}

# Where a rule about headers is broken on purpose, and why.
INCLUDE_EXCEPTIONS = {
    ("models/base/check.cc", "cstdio"),  # a failed CHECK says so before it aborts
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
STD_HEADER = re.compile(r"^[a-z_0-9]+$")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(source):
    for match in INCLUDE.finditer(source.code):
        yield line_of(source.code, match.start()), match.group(1) == '"', match.group(2)


def why_not(source, quoted, header):
    """Why this file may not include that header; None if it may."""
    if header.endswith("-module.h"):
        return "umbrella header: include the single headers"
    if (source.path, header) in INCLUDE_EXCEPTIONS:
        return None
    contract = CONTRACT.get(source.top)
    if contract is None:  # tests may use everything
        return None
    if quoted:
        folder = header.split("/")[0]
        if "/" not in header:
            return "our headers are named from the top folder"
        return None if folder in contract["own"] else f"{source.top}/ may not use {folder}/"
    if header in contract["std_forbidden"]:
        return f"{source.top}/ may not use <{header}>"
    if STD_HEADER.match(header) or header.startswith(contract["libraries"]):
        return None
    if header.startswith(contract["in_sources"]):
        return None if source.path.endswith(".cc") else "third-party header in a header of ours"
    if contract["system"] and not header.startswith("ns3/"):
        return None
    return f"{source.top}/ may not use <{header}>"


def layering(tree):
    """Each folder includes only what docs/architecture.md lets it use."""
    for source in tree.cpp():
        for line, quoted, header in includes(source):
            reason = why_not(source, quoted, header)
            if reason:
                yield Finding(source.path, line, "layering", f"{header}: {reason}")


def own_header_first(tree):
    """x.cc includes x.h before anything else, so that x.h is known to stand alone."""
    for source in tree.cpp():
        own = source.path[:-3] + ".h"
        if not source.path.endswith(".cc") or own not in tree.paths:
            continue
        first = next(includes(source), None)
        if first is None or first[2] != own:
            yield Finding(source.path, first[0] if first else 1, "own-header-first", f"{own} comes first")


# word, folders where it is banned (None: everywhere), files where it is wanted, what to use instead
BANNED = [
    (r"\bsystem_clock\b", None, (), "time is Runtime::now()"),
    (r"\bsteady_clock\b", ("models", "sim", "results"), (), "time is Runtime::now()"),
    (r"\bhigh_resolution_clock\b", None, (), "time is Runtime::now()"),
    (r"\b(?:clock_gettime|gettimeofday)\b", None, (), "time is Runtime::now()"),
    (r"\brandom_device\b", None, (), "Rng::stream(seed, name)"),
    (r"\bs?rand\s*\(", None, (), "Rng::stream(seed, name)"),
    (r"\bmt19937|\b\w+_distribution\s*<", None, (), "Rng: std distributions differ between libraries"),
    (r"\bstd::(?:shuffle|hash)\b", None, (), "Rng and stable_hash: the std ones differ between libraries"),
    (r"\bgetenv\b", None, ("cli/terminal.cc",), "an option of the command line"),
    (r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b", None, (), "wait for a condition with a deadline"),
    (r"\bSeconds\s*\(", ("sim",), (), "NanoSeconds(integer)"),
    (r"\busing\s+namespace\s+std\b", None, (), "name it"),
    (r"(?<![\w.>])assert\s*\(", None, (), "CHECK"),
]


def banned_words(tree):
    """Clocks, entropy, the environment, sleeps: nothing that makes two runs differ."""
    for source in tree.cpp():
        for pattern, folders, allowed, instead in BANNED:
            if (folders and source.top not in folders) or source.path in allowed:
                continue
            for match in re.finditer(pattern, source.code):
                line = line_of(source.code, match.start())
                yield Finding(source.path, line, "banned-words", f"{match.group().strip()}: use {instead}")


TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")


def todo(tree):
    """Left-over markers name where the work is tracked: TODO(#12)."""
    for source in tree.sources(".h", ".cc", ".cmake", "CMakeLists.txt", ".json"):
        for number, line in enumerate(source.lines, 1):
            match = TODO.search(line)
            if match:
                yield Finding(source.path, number, "todo", f"{match.group()} without a reference, as TODO(#12)")


def hash_order(tree):
    """Every unordered_ container says on its line why its order cannot be seen."""
    for source in tree.cpp():
        for number, code in enumerate(source.code.split("\n"), 1):
            if re.match(r"\s*#", code) or "unordered_" not in code:
                continue
            if not re.search(r"// order-free: \S", source.lines[number - 1]):
                yield Finding(source.path, number, "hash-order", "unordered_ without `// order-free: why`")


MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70


def file_size(tree):
    """Files stay under 500 lines."""
    for source in tree.sources(".h", ".cc", ".py"):
        count = source.text.count("\n")
        if count > MAX_FILE_LINES:
            yield Finding(source.path, count, "file-size", f"{count} lines, limit {MAX_FILE_LINES}")


SCOPE = re.compile(r"\b(?:namespace|extern|class|struct|union|enum)\b[^()]*$")


def functions(code):
    """(first line, last line) of each outermost function body, by counting braces.

    A brace opens a scope if namespace, class and the like stand before it, a function if parentheses do,
    and else an initialiser. Approximate, which is enough to find what is far too long.
    """
    stack, header, start = [], "", None
    for index, character in enumerate(code):
        if character == "{":
            inside = "function" in stack
            if not inside and SCOPE.search(header):
                stack.append("scope")
            elif not inside and "(" in header:
                stack.append("function")
                start = line_of(code, index - len(header.lstrip()))
            else:
                stack.append("other")
            header = "" if stack[-1] != "other" else header
        elif character == "}":
            if stack and stack.pop() == "function":
                yield start, line_of(code, index)
            if "function" not in stack and "other" not in stack:
                header = ""
        elif character == ";" and "function" not in stack:
            header = ""
        elif "function" not in stack:
            header += character


def function_size(tree):
    """Functions stay under 70 lines."""
    for source in tree.cpp():
        code = re.sub(r"^[ \t]*#[^\n]*", lambda m: " " * len(m.group()), source.code, flags=re.MULTILINE)
        for first, last in functions(code):
            if last - first + 1 > MAX_FUNCTION_LINES:
                message = f"{last - first + 1} lines, limit {MAX_FUNCTION_LINES}"
                yield Finding(source.path, first, "function-size", message)


def header_shape(tree):
    """A header begins by saying what it is, and has #pragma once."""
    for source in tree.sources(".h"):
        if not source.text.startswith("//"):
            yield Finding(source.path, 1, "header-shape", "no head comment: what is this, which model behind it?")
        if "#pragma once" not in source.code:
            yield Finding(source.path, 1, "header-shape", "no #pragma once")


RULES = {
    "layering": layering,
    "own-header-first": own_header_first,
    "banned-words": banned_words,
    "todo": todo,
    "hash-order": hash_order,
    "file-size": file_size,
    "function-size": function_size,
    "header-shape": header_shape,
}
