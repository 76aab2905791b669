// ProblemList: what is wrong with a scenario, gathered by every stage of parsing and handed out in
// the files' order, so that a person repairs a file from top to bottom.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/scenario/located_json.h"
#include "models/scenario/scenario.h"

namespace overlab {

inline constexpr std::size_t max_problems = 20;

/// Printable and on one line, whatever text of the user's is quoted in it.
[[nodiscard]] std::string one_line(std::string text);

class ProblemList {
   public:
    /// The index of a file to be used in places; the first is the scenario itself.
    std::size_t add_file(std::string name);

    /// `message` is one or two sentences; line breaks in it become spaces.
    void problem(const std::string& pointer, Place place, const std::string& message);
    void warning(const std::string& pointer, Place place, const std::string& message);

    [[nodiscard]] bool empty() const { return problems_.empty(); }
    [[nodiscard]] std::size_t size() const { return problems_.size(); }

    /// At most max_problems, by file, line and column; duplicates removed.
    [[nodiscard]] std::vector<Problem> problems() const;
    [[nodiscard]] std::vector<Problem> warnings() const;

   private:
    struct Entry {
        Place place;
        std::size_t number = 0;  ///< in the order of reporting
        std::string pointer, message;
    };
    [[nodiscard]] std::vector<Problem> in_order(std::vector<Entry> entries) const;

    std::vector<std::string> files_;
    std::vector<Entry> problems_, warnings_;
};

}  // namespace overlab
