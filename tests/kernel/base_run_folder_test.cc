// Run folders: what dead runs leave is swept, what living ones have is not.
#include "real/base/run_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <optional>
#include <set>
#include <vector>

#include "real/base/process.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

namespace {

std::filesystem::path base_of(const test::TempFolder& parent) {
    return parent.path() / fmt::format("overlab-{}", ::geteuid());
}

std::size_t run_count(const test::TempFolder& parent) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(base_of(parent))) {
        if (entry.path().filename().string().starts_with("run-")) ++count;
    }
    return count;
}

/// A run that makes its folder with a file in it and is killed.
void die_with_a_folder(const test::TempFolder& parent) {
    Process run = Process::fork([&] {
                      const RunFolder folder = RunFolder::create(parent.path()).value();
                      std::ofstream(folder.path() / "socket") << "data";
                      ::kill(::getpid(), SIGKILL);
                      return 0;
                  }).value();
    REQUIRE(run.wait(seconds(20)));
    REQUIRE(run.status()->signal == SIGKILL);
}

}  // namespace

TEST_CASE("a run's folder is its own and goes with it") {
    const test::TempFolder parent;
    std::filesystem::path path;
    {
        const RunFolder folder = RunFolder::create(parent.path()).value();
        path = folder.path();
        CHECK(std::filesystem::is_directory(path));
        CHECK(path.filename() == "run-" + folder.id());
        CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms::owner_all);
        std::ofstream(path / "file") << "data";
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a moved folder is removed once, by its last owner") {
    const test::TempFolder parent;
    std::optional<RunFolder> kept;
    {
        RunFolder folder = RunFolder::create(parent.path()).value();
        kept.emplace(std::move(folder));
    }
    CHECK(std::filesystem::exists(kept->path()));
    kept.reset();
    CHECK(run_count(parent) == 0);
}

TEST_CASE("the next start sweeps what killed runs left, and nothing else") {
    const test::TempFolder parent;
    const RunFolder alive = RunFolder::create(parent.path()).value();
    die_with_a_folder(parent);
    CHECK(run_count(parent) == 2);

    const RunFolder next = RunFolder::create(parent.path()).value();

    CHECK(run_count(parent) == 2);
    CHECK(std::filesystem::exists(alive.path()));
    CHECK(std::filesystem::exists(next.path()));
}

TEST_CASE("sweeping counts the dead") {
    const test::TempFolder parent;
    CHECK(sweep_dead_runs(parent.path()) == 0);
    const RunFolder alive = RunFolder::create(parent.path()).value();
    die_with_a_folder(parent);

    CHECK(sweep_dead_runs(parent.path()) == 1);
    CHECK(sweep_dead_runs(parent.path()) == 0);
    CHECK(std::filesystem::exists(alive.path()));
}

TEST_CASE("runs that start at the same time leave each other's folders alone") {
    const test::TempFolder parent;
    std::vector<Process> runs;
    runs.reserve(8);
    for (int i = 0; i < 8; ++i) {
        runs.push_back(Process::fork([&] {
                           for (int round = 0; round < 20; ++round) {
                               const RunFolder folder = RunFolder::create(parent.path()).value();
                               std::ofstream(folder.path() / "file") << "data";
                               if (!std::filesystem::exists(folder.path() / "file")) return 1;
                           }
                           return 0;
                       }).value());
    }
    for (Process& run : runs) {
        REQUIRE(run.wait(seconds(60)));
        CHECK(run.status()->code == 0);
    }
    CHECK(run_count(parent) == 0);
}

TEST_CASE("a folder that others may enter is refused") {
    const test::TempFolder parent;
    std::filesystem::create_directory(base_of(parent));
    std::filesystem::permissions(base_of(parent), std::filesystem::perms::all);

    const auto folder = RunFolder::create(parent.path());

    REQUIRE_FALSE(folder);
    CHECK(folder.error().what ==
          base_of(parent).string() + ": not a folder of this user with mode 0700; remove it");
    CHECK(sweep_dead_runs(parent.path()) == 0);
}

TEST_CASE("a parent that is not there is named") {
    const auto folder = RunFolder::create("/nowhere");
    REQUIRE_FALSE(folder);
    CHECK(folder.error().kind == ErrorKind::unavailable);
    CHECK(folder.error().what.starts_with("/nowhere/overlab-"));
}
