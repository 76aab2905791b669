// The command line with worlds of the test's own: what is printed, and the exit code.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "tests/support/sample_report.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;

namespace {

constexpr const char* scenario_text = R"({
    "overlab": 1, "name": "pair", "duration": "1s",
    "network": {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}},
    "underlay": {"generate": {"star": {"hosts": 2}}}
})";

struct Done {
    int exit_code = 0;
    std::string output, errors;
};

std::string contents(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// Sends a stream of this process into a file while it lives.
class Redirected {
   public:
    Redirected(std::FILE* stream, const std::filesystem::path& file)
        : stream_(stream), descriptor_(::fileno(stream)) {
        std::fflush(stream_);
        saved_ = ::dup(descriptor_);
        std::FILE* opened = std::fopen(file.c_str(), "w");
        REQUIRE(opened != nullptr);
        ::dup2(::fileno(opened), descriptor_);
        std::fclose(opened);
    }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;
    ~Redirected() {
        std::fflush(stream_);
        ::dup2(saved_, descriptor_);
        ::close(saved_);
    }

   private:
    std::FILE* stream_;
    int descriptor_;
    int saved_ = -1;
};

/// `overlab WORDS... --out OUT pair.json` with these worlds.
Done overlab_with(const Runners& runners, const std::vector<std::string>& words) {
    const test::TempFolder folder;
    std::ofstream(folder.path() / "pair.json") << scenario_text;
    std::vector<std::string> arguments{"overlab"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    arguments.insert(arguments.end(), {"--out", (folder.path() / "out").string(),
                                       (folder.path() / "pair.json").string()});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    Environment environment;
    environment.runners = runners;
    Done done;
    {
        const Redirected output(stdout, folder.path() / "output");
        const Redirected errors(stderr, folder.path() / "errors");
        done.exit_code = run_command_line(static_cast<int>(argv.size()), argv.data(), environment);
    }
    done.output = contents(folder.path() / "output");
    done.errors = contents(folder.path() / "errors");
    return done;
}

Result<RunReport> steady(const Scenario&, const RunOptions& options) {
    return test::report_of("vxlan", options.seed);
}

/// Each run sees how many there were before it, over a file that all of them write to.
Runner drifting(const std::filesystem::path& count) {
    return [count](const Scenario&, const RunOptions& options) -> Result<RunReport> {
        std::ofstream(count, std::ios::app) << '.';
        RunReport report = test::report_of("vxlan", options.seed);
        report.events = std::filesystem::file_size(count);
        return report;
    };
}

Result<RunReport> guest(const Scenario&, const RunOptions& options) {
    RunReport report = test::report_of("vxlan", options.seed);
    report.world = "vm";
    report.virtual_time = options.kernel.virtual_time;
    return report;
}

Result<RunReport> no_kernel(const Scenario&, const RunOptions&) {
    return fail(ErrorKind::unsupported,
                "no kernel with virtual time is built: overlab kernel build (about 3 minutes)");
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("Identical repeats are said so") {
    const Done done = overlab_with({{"sim", steady}}, {"run", "--repeat", "5"});

    REQUIRE(done.exit_code == 0);
    REQUIRE(has(done.output, "\nrepeats: 5 of 5 identical (vxlan, seed 1)\n"));
    REQUIRE(has(done.output, "sha256 of the deterministic part: "));
}

TEST_CASE("A repeat that differs ends in exit code 1 and names the field") {
    const test::TempFolder folder;
    const Done done = overlab_with({{"sim", drifting(folder.path() / "count")}},
                                   {"run", "--repeat", "2", "--jobs", "1"});

    REQUIRE(done.exit_code == 1);
    REQUIRE(has(done.output,
                "\nrepeats: 1 of 2 identical (vxlan, seed 1)\n"
                "  repeat 2: repeats/vxlan-seed1/2/report.json: /events: 1 and 2\n"));
    REQUIRE(has(done.output, "repeats/\n"));
}

TEST_CASE("A guest's digest is printed in virtual time only") {
    const Done virtual_time =
        overlab_with({{"vm", guest}}, {"run", "--world", "vm", "--time", "virtual"});
    const Done wall = overlab_with({{"vm", guest}}, {"run", "--world", "vm", "--time", "wall"});

    REQUIRE(virtual_time.exit_code == 0);
    REQUIRE(has(virtual_time.output, "sha256 of the deterministic part: "));
    REQUIRE(wall.exit_code == 0);
    REQUIRE_FALSE(has(wall.output, "sha256"));
}

TEST_CASE("Virtual time is in the title of a guest's rows") {
    const Runners runners{{"sim", steady}, {"vm", guest}};
    const Done virtual_time =
        overlab_with(runners, {"compare", "--world", "sim,vm", "--time", "virtual"});
    const Done wall = overlab_with(runners, {"compare", "--world", "sim,vm"});

    REQUIRE(has(virtual_time.output, "vm, virtual time"));
    REQUIRE_FALSE(has(wall.output, "virtual time"));
    REQUIRE(has(wall.output, "vm"));
}

TEST_CASE("Without a kernel for virtual time nothing is run, and the remedy is printed") {
    const Done alone =
        overlab_with({{"vm", no_kernel}}, {"run", "--world", "vm", "--time", "virtual"});
    REQUIRE(alone.exit_code == 2);
    REQUIRE(alone.output.empty());
    REQUIRE(alone.errors ==
            "overlab: vxlan (vm world): no kernel with virtual time is built: overlab kernel build "
            "(about 3 minutes)\n");

    const Done repeated = overlab_with(
        {{"vm", no_kernel}}, {"run", "--world", "vm", "--time", "virtual", "--repeat", "2"});
    REQUIRE(repeated.exit_code == 2);
    REQUIRE(repeated.errors == alone.errors);
}

TEST_CASE("A comparison goes on without the kernel and says what was not measured") {
    const Done done = overlab_with({{"sim", steady}, {"vm", no_kernel}},
                                   {"compare", "--world", "sim,vm", "--time", "virtual",
                                    "--backend", "vxlan,udp", "--runs", "2"});

    CAPTURE(done.output);
    REQUIRE(done.exit_code == 0);
    REQUIRE(has(done.output,
                "\nnot measured:\n  vxlan (vm world), udp (vm world): no kernel with virtual time "
                "is built: "
                "overlab kernel build (about 3 minutes)\n"));
    // What is not measured depends on the machine.
    REQUIRE_FALSE(has(done.output, "sha256"));
}
