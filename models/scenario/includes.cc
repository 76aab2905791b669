#include "models/scenario/includes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "models/scenario/json_cursor.h"

namespace overlab {
namespace {

using Kind = LocatedValue::Kind;

void merge_into(LocatedValue& base, LocatedValue later) {
    if (!base.is(Kind::object) || !later.is(Kind::object)) {
        base = std::move(later);
        return;
    }
    base.place = later.place;
    for (LocatedMember& member : later.members) {
        const auto known = std::ranges::find(base.members, member.key, &LocatedMember::key);
        if (known == base.members.end()) {
            base.members.push_back(std::move(member));
        } else {
            known->place = member.place;
            merge_into(known->value, std::move(member.value));
        }
    }
}

class Loader {
   public:
    Loader(const IncludeReader& reader, ProblemList& problems)
        : reader_(reader), problems_(problems) {}

    std::optional<LocatedValue> load(std::string_view text, const std::string& path) {
        const std::size_t file = problems_.add_file(path);
        ++files_read_;
        auto parsed = parse_located_json(text, file);
        if (!parsed) {
            const SyntaxProblem& problem = parsed.error();
            problems_.problem(problem.pointer, problem.place, problem.message);
            return std::nullopt;
        }
        open_.push_back(path);
        std::optional<LocatedValue> merged = merge_bases(std::move(*parsed));
        open_.pop_back();
        return merged;
    }

   private:
    std::optional<LocatedValue> merge_bases(LocatedValue own) {
        const JsonCursor list = JsonCursor(own, problems_).at("include");
        if (!list.exists()) return own;
        if (!list.value().is(Kind::array)) {
            list.problem(
                fmt::format("expected an array of paths, got {}", list.value().describe()));
            return std::nullopt;
        }
        std::optional<LocatedValue> merged;
        for (const JsonCursor& item : list.items()) {
            std::optional<LocatedValue> base = load_base(item);
            if (!base) return std::nullopt;
            if (merged)
                merge_into(*merged, std::move(*base));
            else
                merged = std::move(base);
        }
        std::erase_if(own.members, [](const LocatedMember& m) { return m.key == "include"; });
        if (!merged) return own;
        merge_into(*merged, std::move(own));
        return merged;
    }

    std::optional<LocatedValue> load_base(const JsonCursor& item) {
        const auto refuse = [&](const std::string& why) -> std::optional<LocatedValue> {
            item.problem(why);
            return std::nullopt;
        };
        const std::optional<std::string> written = item.text();
        if (!written || written->empty())
            return refuse(fmt::format("expected the path of a scenario file, got {}",
                                      item.value().describe()));
        const std::string path = resolve_path(open_.back(), *written);
        if (const auto first = std::ranges::find(open_, path); first != open_.end()) {
            std::vector<std::string> cycle(first, open_.end());
            cycle.push_back(path);
            return refuse(fmt::format("includes go round in a circle: {}; remove one of them",
                                      fmt::join(cycle, " -> ")));
        }
        if (open_.size() == max_include_depth)
            return refuse(fmt::format("includes are nested more than {} deep", max_include_depth));
        if (files_read_ == max_included_files)
            return refuse(fmt::format("more than {} files are included", max_included_files));
        if (!reader_)
            return refuse(fmt::format("{}: nothing can be included here", json_quote(path)));
        const Result<std::string> text = reader_(path);
        if (!text)
            return refuse(
                fmt::format("{} cannot be read: {}", json_quote(path), text.error().what));
        return load(*text, path);
    }

    const IncludeReader& reader_;
    ProblemList& problems_;
    std::vector<std::string> open_;  ///< from the scenario itself to the file being read
    std::size_t files_read_ = 0;
};

}  // namespace

std::optional<LocatedValue> load_with_includes(std::string_view text, const std::string& file,
                                               const IncludeReader& include,
                                               ProblemList& problems) {
    return Loader(include, problems).load(text, resolve_path("", file));
}

std::string resolve_path(std::string_view from, std::string_view target) {
    std::string whole(target);
    const std::size_t folder_end = from.rfind('/');
    if (!target.starts_with('/') && folder_end != std::string_view::npos)
        whole = std::string(from.substr(0, folder_end + 1)) + whole;
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= whole.size();) {
        const std::size_t end = std::min(whole.find('/', at), whole.size());
        std::string part = whole.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part == ".." && !parts.empty() && parts.back() != "..")
            parts.pop_back();
        else
            parts.push_back(std::move(part));
    }
    return (whole.starts_with('/') ? "/" : "") + fmt::format("{}", fmt::join(parts, "/"));
}

}  // namespace overlab
