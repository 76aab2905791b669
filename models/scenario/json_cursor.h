// JsonCursor: a place in a document while it is being decoded: the value (if it is there), its
// pointer, and where to report what is wrong with it. The schema has been checked before: a value
// that is present has a permitted type, so the readers here only look at what a schema cannot say
// (units, ranges of quantities).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/time.h"
#include "models/scenario/located_json.h"
#include "models/scenario/problem_list.h"

namespace overlab {

/// The values a quantity may have, both included, and how to say so: "1kbps to 10Tbps".
struct QuantityRange {
    std::uint64_t min = 0, max = 0;
    std::string_view words;
};

inline constexpr QuantityRange link_rate_range{1'000, 10'000'000'000'000, "1kbps to 10Tbps"};
inline constexpr QuantityRange traffic_rate_range{8, 10'000'000'000'000, "8bps to 10Tbps"};
inline constexpr QuantityRange link_delay_range{0, 10'000'000'000, "0s to 10s"};

class JsonCursor {
   public:
    JsonCursor(const LocatedValue& root, ProblemList& problems);

    [[nodiscard]] bool exists() const { return value_ != nullptr; }
    [[nodiscard]] const LocatedValue& value() const;  ///< exists() must hold
    [[nodiscard]] const std::string& pointer() const { return pointer_; }

    /// The member; if it is absent its problems are reported at this object.
    [[nodiscard]] JsonCursor at(std::string_view key) const;
    /// The elements of an array, none if absent.
    [[nodiscard]] std::vector<JsonCursor> items() const;
    [[nodiscard]] bool has(std::string_view key) const { return at(key).exists(); }

    void problem(const std::string& message) const;
    /// About the value at the JSON pointer `below` this one, which need not exist: then the place
    /// is that of the deepest value on the way that does.
    void problem_below(std::string_view below, const std::string& message) const;
    void warning_below(std::string_view below, const std::string& message) const;
    void warning(const std::string& message) const;

    // Each returns nothing if the value is absent, or wrong (and then reports it).
    [[nodiscard]] std::optional<std::string> text() const;
    [[nodiscard]] std::optional<std::uint64_t> integer() const;  ///< not negative
    [[nodiscard]] std::optional<std::int64_t> signed_integer() const;
    [[nodiscard]] std::optional<bool> boolean() const;
    [[nodiscard]] std::optional<std::uint64_t> rate(const QuantityRange& range) const;
    [[nodiscard]] std::optional<Duration> duration(const QuantityRange& range) const;
    [[nodiscard]] std::optional<std::uint64_t> size(const QuantityRange& range) const;
    [[nodiscard]] std::optional<std::uint32_t> ratio_ppb() const;

   private:
    JsonCursor(const LocatedValue* value, Place place, std::string pointer, ProblemList& problems);
    [[nodiscard]] Place deepest_place(std::string_view below) const;
    [[nodiscard]] std::optional<std::uint64_t> in_range(std::uint64_t value,
                                                        const QuantityRange& range) const;

    const LocatedValue* value_ = nullptr;
    Place place_;
    std::string pointer_;
    ProblemList* problems_;
};

/// For the end of "there is no ... called ...": the nearest name, or all of them if they are few,
/// or nothing.
[[nodiscard]] std::string name_hint(std::string_view word,
                                    const std::vector<std::string_view>& known);

/// A name that files, flows and tables can carry: a letter or digit, then letters, digits, '-',
/// '_', '.'.
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace overlab
