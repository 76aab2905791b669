// The log that make(1) writes while a kernel is built: how far it is, and what it said last.
#pragma once

#include <cstddef>
#include <filesystem>
#include <ios>
#include <string>
#include <string_view>
#include <utility>

namespace overlab::real {

/// Counts lines like `  CC      net/core/dev.o`: one for each thing that was made.
class BuildSteps {
   public:
    explicit BuildSteps(std::filesystem::path log) : log_(std::move(log)) {}

    /// In the whole log until now; reads only what is new. A file that is not there has none.
    [[nodiscard]] double count();

   private:
    std::filesystem::path log_;
    std::streamoff read_ = 0;
    double count_ = 0;
};

/// The last `count` lines of a text; the whole if it has fewer.
[[nodiscard]] std::string last_lines(std::string_view text, std::size_t count);

}  // namespace overlab::real
