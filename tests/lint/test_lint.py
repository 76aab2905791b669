#!/usr/bin/env python3
"""The lint's own tests: each rule finds a planted violation and leaves its clean neighbour alone."""

import json
import pathlib
import tempfile
import unittest

import lint

HEAD = "// A head comment.\n#pragma once\n"

# rule, what is planted, path, text that the rule must find
PLANTED = [
    ("layering", "models with ns-3", "models/x/a.cc", "#include <ns3/node.h>\n"),
    ("layering", "models with a thread", "models/x/a.cc", "#include <thread>\n"),
    ("layering", "models with a file", "models/x/a.cc", "#include <fstream>\n"),
    ("layering", "models with a socket", "models/x/a.cc", "#include <sys/socket.h>\n"),
    ("layering", "models with sim", "models/x/a.cc", '#include "sim/world.h"\n'),
    ("layering", "json in a header", "models/x/a.h", HEAD + "#include <nlohmann/json.hpp>\n"),
    ("layering", "sim with real", "sim/a.cc", '#include "real/netlink.h"\n'),
    ("layering", "sim with results", "sim/a.cc", '#include "results/result.h"\n'),
    ("layering", "sim with a kernel header", "sim/a.cc", "#include <linux/if_tun.h>\n"),
    ("layering", "sim with an umbrella header", "sim/a.cc", '#include "ns3/core-module.h"\n'),
    ("layering", "tests with an umbrella header", "tests/bench/a.cc", "#include <ns3/core-module.h>\n"),
    ("layering", "real with sim", "real/a.cc", '#include "sim/world.h"\n'),
    ("layering", "real with ns-3", "real/a.cc", "#include <ns3/node.h>\n"),
    ("layering", "results with sim", "results/a.cc", '#include "sim/world.h"\n'),
    ("layering", "header named from its own folder", "sim/a.cc", '#include "world.h"\n'),
    ("own-header-first", "own header second", "models/x/a.cc", '#include <vector>\n#include "models/x/a.h"\n'),
    ("banned-words", "wall clock", "sim/a.cc", "auto t = std::chrono::system_clock::now();\n"),
    ("banned-words", "steady clock in sim", "sim/a.cc", "auto t = steady_clock::now();\n"),
    ("banned-words", "entropy", "cli/a.cc", "std::random_device device;\n"),
    ("banned-words", "C's random numbers", "models/x/a.cc", "int x = rand();\n"),
    ("banned-words", "library's distribution", "sim/a.cc", "std::uniform_int_distribution<int> d;\n"),
    ("banned-words", "environment", "cli/main.cc", 'auto* home = getenv("HOME");\n'),
    ("banned-words", "sleep in a test", "tests/unit/a.cc", "std::this_thread::sleep_for(1s);\n"),
    ("banned-words", "seconds as a double", "sim/a.cc", "auto t = ns3::Seconds(0.1);\n"),
    ("banned-words", "assert", "models/x/a.cc", "assert(x > 0);\n"),
    ("todo", "marker without a reference", "models/x/a.cc", "// TODO: later\n"),
    ("hash-order", "hash container", "models/x/a.cc", "std::unordered_map<int, int> m;\n"),
    ("file-size", "long file", "models/x/a.cc", "int x;\n" * 501),
    ("function-size", "long function", "models/x/a.cc", "int f() {\n" + "g();\n" * 70 + "}\n"),
    ("function-size", "long method", "models/x/a.h",
     HEAD + "namespace a {\nclass B : public C<int> {\n int f() const {\n" + "g();\n" * 70 + "}\n};\n}\n"),
    ("function-size", "long test", "tests/unit/a.cc", 'TEST_CASE("x") {\n' + "g();\n" * 70 + "}\n"),
    ("header-shape", "no head comment", "models/x/a.h", "#pragma once\n"),
    ("header-shape", "no pragma once", "models/x/a.h", "// A head comment.\n"),
    ("dead-header", "header nobody includes", "models/x/a.h", HEAD),
    ("links", "link to nothing", "docs/a.md", "See [there](nowhere.md).\n"),
    ("links", "link to a heading that is not there", "docs/a.md", "# Top\n[x](#bottom)\n"),
    ("links", "picture that is not there", "README.md", "![map](docs/map.svg)\n"),
    ("white-space", "tab", "cli/a.cc", "\tint x;\n"),
    ("white-space", "trailing space", "docs/a.md", "text \n"),
    ("white-space", "no newline at the end", "docs/a.md", "text"),
    ("clang-format", "unformatted", "cli/a.cc", "int   x ;\n"),
]

# rule, why it is fine, path, text that the rule must leave alone
CLEAN = [
    ("layering", "json in a source file", "models/x/a.cc", "#include <nlohmann/json.hpp>\n"),
    ("layering", "single ns-3 header in sim", "sim/a.h", HEAD + "#include <ns3/node.h>\n"),
    ("layering", "include in a comment", "models/x/a.cc", "// #include <thread>\n"),
    ("layering", "cli names everything", "cli/a.cc", '#include <sys/wait.h>\n#include "sim/world.h"\n'),
    ("banned-words", "word in a comment", "sim/a.cc", "// never system_clock\n"),
    ("banned-words", "word in a string", "sim/a.cc", 'auto s = "rand()";\n'),
    ("banned-words", "word inside a word", "sim/a.cc", "int x = operand(1); static_assert(true);\n"),
    ("banned-words", "steady clock for a progress bar", "cli/a.cc", "auto t = steady_clock::now();\n"),
    ("banned-words", "environment where it is wanted", "cli/terminal.cc", 'auto* c = getenv("NO_COLOR");\n'),
    ("todo", "marker with a reference", "models/x/a.cc", "// TODO(#12): later\n"),
    ("hash-order", "with its reason", "models/x/a.cc",
     "std::unordered_map<int, int> m;  // order-free: looked up only\n"),
    ("hash-order", "include line", "models/x/a.cc", "#include <unordered_map>\n"),
    ("file-size", "at the limit", "models/x/a.cc", "int x;\n" * 500),
    ("function-size", "at the limit", "models/x/a.cc", "int f() {\n" + "g();\n" * 68 + "}\n"),
    ("function-size", "long class of short methods", "models/x/a.h",
     HEAD + "class B {\n" + "int f() { return 1; }\n" * 100 + "};\n"),
    ("function-size", "long table", "models/x/a.cc", "const int x[] = {\n" + "{1, f(2)},\n" * 100 + "};\n"),
    ("links", "outside link", "docs/a.md", "[RFC 7348](https://www.rfc-editor.org/rfc/rfc7348)\n"),
    ("links", "heading that is there", "docs/a.md", "# The top\n[x](#the-top)\n"),
    ("links", "code", "docs/a.md", "`[a](b)`\n"),
    ("clang-format", "formatted", "cli/a.cc", "int x;\n"),
]


def findings(rule, files, compile_commands=None):
    """The rule's findings in a tree of these files: {path: text}."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        style = pathlib.Path(folder, ".clang-format")
        style.write_text("BasedOnStyle: Google\n", encoding="utf-8")
        if compile_commands is not None:
            entries = [{"directory": folder, "file": path} for path in compile_commands]
            database = pathlib.Path(folder, "compile_commands.json")
            database.write_text(json.dumps(entries), encoding="utf-8")
            return lint.run(folder, str(database), [rule])
        return lint.run(folder, None, [rule])


class LintTest(unittest.TestCase):
    def test_planted_violations_are_found(self):
        for rule, name, path, text in PLANTED:
            files = {path: text}
            if rule == "own-header-first":
                files["models/x/a.h"] = HEAD
            with self.subTest(rule=rule, planted=name):
                found = findings(rule, files)
                self.assertTrue(found, "not found")
                self.assertEqual({(f.path, f.rule) for f in found}, {(path, rule)})

    def test_clean_neighbours_are_left_alone(self):
        for rule, name, path, text in CLEAN:
            with self.subTest(rule=rule, clean=name):
                self.assertEqual(findings(rule, {path: text}), [])

    def test_every_rule_has_a_planted_violation(self):
        elsewhere = {"dead-source"}
        self.assertEqual({rule for rule, *_ in PLANTED} | elsewhere, set(lint.RULES))

    def test_source_that_no_target_compiles_is_dead(self):
        files = {"cli/live.cc": "int x;\n", "cli/dead.cc": "int x;\n"}
        found = findings("dead-source", files, compile_commands=["cli/live.cc"])
        self.assertEqual([f.path for f in found], ["cli/dead.cc"])

    def test_source_that_a_target_of_another_preset_names_is_not_dead(self):
        files = {"tests/fuzz/parse_main.cc": "int x;\n",
                 "tests/CMakeLists.txt": "add_executable(fuzz_parse fuzz/parse_main.cc)\n"}
        self.assertEqual(findings("dead-source", files, compile_commands=[]), [])

    def test_finding_names_the_line(self):
        found = findings("layering", {"sim/a.cc": "// head\n\n#include <linux/if_tun.h>\n"})
        self.assertEqual([(f.path, f.line) for f in found], [("sim/a.cc", 3)])


if __name__ == "__main__":
    unittest.main()
