#include "results/junit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <pugixml.hpp>
#include <sstream>
#include <utility>

namespace overlab {
namespace {

/// XML 1.0 §2.2: of the characters below a blank only these three.
std::string xml_safe(std::string text) {
    std::ranges::replace_if(
        text,
        [](char c) {
            return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t' && c != '\r';
        },
        '?');
    return text;
}

void set(pugi::xml_node node, const char* name, const std::string& value) {
    node.append_attribute(name) = xml_safe(value).c_str();
}

void set_text(pugi::xml_node node, const std::string& text) {
    node.text().set(xml_safe(text).c_str());
}

struct Tally {
    std::size_t tests = 0, failures = 0, errors = 0, skipped = 0;
    std::int64_t wall_ns = 0;
};

std::string seconds_text(std::int64_t ns) {
    constexpr double second_ns = 1e9;
    return fmt::format("{:.3f}", static_cast<double>(ns) / second_ns);
}

/// Consumers show one failure a testcase: all kinds' findings go into its text.
void add_failures(pugi::xml_node test, const CheckedRun& run) {
    if (run.failures.empty()) return;
    pugi::xml_node failure = test.append_child("failure");
    set(failure, "type", std::string(to_string(run.failures.front().kind)));
    const std::size_t others = run.failures.size() - 1;
    set(failure, "message",
        run.failures.front().what + (others > 0 ? fmt::format(" (and {} more)", others) : ""));
    std::string text;
    for (const CheckFailure& one : run.failures) {
        text += fmt::format("{}: {}\n", to_string(one.kind), one.what);
        for (const std::string& line : one.lines) text += fmt::format("  {}\n", line);
    }
    set_text(failure, text);
}

void add_run(pugi::xml_node suite, const CheckedScenario& scenario, const CheckedRun& run,
             Tally& tally) {
    pugi::xml_node test = suite.append_child("testcase");
    set(test, "classname", scenario.folder.empty() ? "." : scenario.folder);
    set(test, "name",
        run.world == "sim" ? fmt::format("{} ({})", scenario.name, run.backend)
                           : fmt::format("{} ({}, {})", scenario.name, run.backend, run.world));
    set(test, "file", scenario.file);
    set(test, "time", seconds_text(run.wall_ns));
    ++tally.tests;
    tally.wall_ns += run.wall_ns;
    if (!run.failures.empty()) ++tally.failures;
    add_failures(test, run);
    std::string said;
    for (const std::string& warning : run.warnings) said += fmt::format("warning: {}\n", warning);
    if (!run.digest.empty()) said += fmt::format("digest: {}\n", run.digest);
    if (!said.empty()) set_text(test.append_child("system-out"), said);
}

void add_whole(pugi::xml_node suite, const CheckedScenario& scenario, Tally& tally) {
    pugi::xml_node test = suite.append_child("testcase");
    set(test, "classname", scenario.folder.empty() ? "." : scenario.folder);
    set(test, "name", scenario.name);
    set(test, "file", scenario.file);
    set(test, "time", seconds_text(0));
    ++tally.tests;
    if (scenario.left_out) {
        ++tally.skipped;
        set(test.append_child("skipped"), "message", "large: run with --large");
        return;
    }
    ++tally.errors;
    pugi::xml_node error = test.append_child("error");
    set(error, "type", "scenario");
    std::string text;
    for (const Problem& problem : scenario.problems) text += problem.to_string() + "\n";
    set(error, "message", scenario.problems.front().to_string());
    set_text(error, text);
}

void finish(pugi::xml_node node, const Tally& tally) {
    const auto set_count = [&](const char* name, std::size_t count) {
        node.append_attribute(name) = static_cast<unsigned long long>(count);
    };
    set_count("tests", tally.tests);
    set_count("failures", tally.failures);
    set_count("errors", tally.errors);
    set_count("skipped", tally.skipped);
    set(node, "time", seconds_text(tally.wall_ns));
}

void add(Tally& all, const Tally& one) {
    all.tests += one.tests;
    all.failures += one.failures;
    all.errors += one.errors;
    all.skipped += one.skipped;
    all.wall_ns += one.wall_ns;
}

}  // namespace

std::string junit_xml(const std::vector<CheckedScenario>& scenarios) {
    std::map<std::string, std::vector<const CheckedScenario*>> folders;
    for (const CheckedScenario& scenario : scenarios) folders[scenario.folder].push_back(&scenario);
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("testsuites");
    set(root, "name", "overlab check");
    Tally all;
    for (const auto& [folder, members] : folders) {
        pugi::xml_node suite = root.append_child("testsuite");
        set(suite, "name", folder.empty() ? "." : folder);
        Tally tally;
        for (const CheckedScenario* scenario : members) {
            if (scenario->left_out || !scenario->problems.empty()) {
                add_whole(suite, *scenario, tally);
                continue;
            }
            for (const CheckedRun& run : scenario->runs) add_run(suite, *scenario, run, tally);
        }
        finish(suite, tally);
        add(all, tally);
    }
    finish(root, all);
    std::ostringstream out;
    document.save(out, " ", pugi::format_default, pugi::encoding_utf8);
    return std::move(out).str();
}

}  // namespace overlab
