#include "real/vm/canary.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "real/base/run_folder.h"
#include "real/vm/guest_init.h"
#include "real/vm/pin_library.h"
#include "real/vm/user_cache.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

constexpr unsigned canary_memory_mib = 512;

struct Flag {
    const char* name;
    bool GuestNeeds::* field;
};
constexpr std::array<Flag, 6> flags{{{"esp", &GuestNeeds::esp},
                                     {"netem", &GuestNeeds::netem},
                                     {"wireguard", &GuestNeeds::wireguard},
                                     {"ipip", &GuestNeeds::ipip},
                                     {"nat", &GuestNeeds::nat},
                                     {"virtual_time", &GuestNeeds::virtual_time}}};

std::string boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    file >> id;
    return id.substr(0, 8);
}

/// One engine's answer for this boot, these files and these questions.
class Memory {
   public:
    Memory(const Engine& engine, const EngineFiles& files, fs::path folder)
        : folder_(std::move(folder)), prefix_("canary-"), boot_(prefix_ + boot_id()) {
        std::string asked(guest_scripts::probe);
        for (const std::string_view text :
             {guest_scripts::uml_init, guest_scripts::qemu_init, guest_scripts::guest})
            asked += text;
        for (const fs::path& path : {files.program, files.busybox, files.image, files.initramfs})
            asked += identity_of(path) + "\n";
        path_ = folder_ /
                fmt::format("{}-{}-{}.json", boot_, to_string(engine.id), short_digest(asked));
    }

    [[nodiscard]] const fs::path& path() const { return path_; }

    [[nodiscard]] std::optional<EngineState> recall(GuestEngine engine) const {
        std::ifstream file(path_);
        const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
        const auto text = [&json](const char* key) {
            const auto at = json.find(key);
            return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
        };
        const auto truth = [&json](const char* key) {
            const auto at = json.find(key);
            return at != json.end() && at->is_boolean() && at->get<bool>();
        };
        // Whatever else is in the file, `why` is never empty in what we wrote.
        if (!json.is_object() || text("why").empty()) return std::nullopt;
        EngineState state{.engine = engine,
                          .usable = truth("usable"),
                          .why = text("why"),
                          .remedy = text("remedy"),
                          .has = {}};
        for (const Flag& flag : flags) state.has.*flag.field = truth(flag.name);
        return state;
    }

    /// Failing to keep it costs another canary the next time.
    void keep(const EngineState& state) const {
        forget_other_boots();
        nlohmann::json json{{"usable", state.usable}, {"why", state.why}, {"remedy", state.remedy}};
        for (const Flag& flag : flags) json[flag.name] = state.has.*flag.field;
        const fs::path fresh = path_.string() + ".new";
        std::ofstream file(fresh);
        file << json.dump(2) << '\n';
        if (!file.flush()) return;
        std::error_code ignored;
        fs::rename(fresh, path_, ignored);
    }

   private:
    void forget_other_boots() const {
        std::error_code ignored;
        std::vector<fs::path> old;
        for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
            const std::string name = entry.path().filename();
            if (name.starts_with(prefix_) && !name.starts_with(boot_)) old.push_back(entry.path());
        }
        for (const fs::path& path : old) fs::remove(path, ignored);
    }

    fs::path folder_;
    std::string prefix_, boot_;
    fs::path path_;
};

/// What a guest's console says about its end, for an error message: the line of a panic or of our
/// own script, which a trace of calls may follow; else its last lines.
std::string last_words(std::string_view console) {
    for (const std::string_view mark : {"Kernel panic", "overlab guest:"}) {
        const std::size_t at = console.rfind(mark);
        if (at != std::string_view::npos)
            return std::string(console.substr(at, console.find_first_of("\r\n", at) - at));
    }
    constexpr int lines = 6;
    while (console.ends_with('\n') || console.ends_with('\r')) console.remove_suffix(1);
    std::size_t start = console.size();
    for (int i = 0; i < lines && start > 0; ++i) {
        const std::size_t before = console.rfind('\n', start - 1);
        if (before == std::string_view::npos) return std::string(console);
        start = before;
    }
    return std::string(console.substr(start));
}

Error guest_error(const Engine& engine, const GuestEnd& end, const GuestJob& job) {
    std::string what = fmt::format("guest ({}): ", to_string(engine.id));
    if (end.signal != 0) {
        what += fmt::format("ended by signal {}", end.signal);
    } else if (end.over_limit) {
        what += fmt::format("not done within {} s, and ended", job.limit.ns / 1'000'000'000);
    } else {
        what += fmt::format("died without a result (exit code {})", end.code);
    }
    const std::string said = last_words(end.console);
    if (!said.empty()) what += "; its console: " + said;
    return {.kind = ErrorKind::unavailable, .what = std::move(what), .os_errno = 0};
}

struct JobEnd {
    GuestEnd guest;
    std::optional<int> code;
};

Result<JobEnd> run_in_folder(const Engine& engine, const EngineFiles& files, const GuestJob& job) {
    OVERLAB_TRY(const RunFolder run, RunFolder::create());
    if (auto written = write_job(job, engine.head(files), run.path()); !written)
        return std::unexpected(written.error());
    if (job.virtual_time) {
        if (auto written = write_pin_library(run.path(), job.virtual_time->seed); !written)
            return std::unexpected(written.error());
    }
    const auto ignore = [](std::string_view) {};
    OVERLAB_TRY(GuestEnd end, run_guest(engine.boot(files, job, run.path()), job.limit,
                                        job.output ? job.output : ignore));
    return JobEnd{.guest = std::move(end), .code = read_code(run.path())};
}

/// The probe's lines.
EngineState parse_answers(GuestEngine engine, const std::string& text) {
    EngineState state{.engine = engine, .usable = true, .why = {}, .remedy = {}, .has = {}};
    std::istringstream lines(text);
    for (std::string word, value; lines >> word >> value;) {
        if (word == "kernel") state.why = "kernel " + value;
        if (word == "lacks")
            state.remedy = "apt-get install iproute2 nftables, to find out what its kernel can do";
        for (const Flag& flag : flags) {
            if (word == "has" && value == flag.name) state.has.*flag.field = true;
        }
    }
    return state;
}

/// Boots it. Empty `remember`: the answer says nothing about the next time.
std::pair<EngineState, bool> boot_canary(const Engine& engine, const EngineFiles& files,
                                         const fs::path& memory) {
    std::string text;
    const GuestJob job{.argv = {"/bin/sh", "-c", std::string(guest_scripts::probe)},
                       .env = {},
                       .folder = "/",
                       .writable = {},
                       .limit = engine.canary_limit,
                       .memory_mib = canary_memory_mib,
                       .cores = 1,
                       .output = [&text](std::string_view more) { text += more; }};
    EngineState state{.engine = engine.id, .usable = false, .why = {}, .remedy = {}, .has = {}};
    const Result<JobEnd> end = run_in_folder(engine, files, job);
    if (!end) {
        state.why = end.error().what;
        return {state, false};
    }
    if (end->code == 0) {
        state = parse_answers(engine.id, text);
        state.has.virtual_time =
            engine.has_virtual_time != nullptr && engine.has_virtual_time(files);
        return {state, true};
    }
    state.why = guest_error(engine, end->guest, job).what;
    if (end->guest.signal != 0) {
        ::raise(end->guest.signal);
        return {state, false};
    }
    state.remedy =
        fmt::format("remembered until the next boot; remove {} to try again", memory.string());
    return {state, true};
}

}  // namespace

std::string to_string(const GuestNeeds& needs) {
    std::string text;
    for (const Flag& flag : flags) {
        if (needs.*flag.field) text += fmt::format("{}{}", text.empty() ? "" : ", ", flag.name);
    }
    return text.empty() ? "nothing" : text;
}

fs::path cache_of(const VmOptions& options) {
    if (!options.cache.empty()) return options.cache;
    return user_cache_folder().value_or("/nonexistent");
}

EngineState ask_engine(const Engine& engine, const VmOptions& options) {
    const fs::path cache = cache_of(options);
    const auto files = engine.find(options, cache);
    if (!files) {
        return {.engine = engine.id,
                .usable = false,
                .why = files.error().why,
                .remedy = files.error().remedy,
                .has = {}};
    }
    const Memory memory(engine, *files, cache);
    if (!options.ask_again) {
        if (const auto remembered = memory.recall(engine.id)) return *remembered;
    }
    const auto [state, remember] = boot_canary(engine, *files, memory.path());
    if (remember) memory.keep(state);
    return state;
}

Result<int> run_job(const Engine& engine, const EngineFiles& files, const GuestJob& job) {
    const Result<JobEnd> end = run_in_folder(engine, files, job);
    if (!end) return std::unexpected(end.error());
    if (end->guest.signal != 0) ::raise(end->guest.signal);  // The run's folder is gone by now.
    if (end->code && end->guest.signal == 0) return *end->code;
    return std::unexpected(guest_error(engine, end->guest, job));
}

}  // namespace overlab::real
