// Runs tshark on a capture: an independent reader of what overlab writes.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <span>
#include <stdexcept>
#include <string>

namespace overlab::test {

/// A file in the temporary directory that goes with this object.
class TempFile {
   public:
    explicit TempFile(std::span<const std::uint8_t> contents) {
        const int fd = mkstemp(path_.data());
        if (fd < 0) throw std::runtime_error("cannot make a file like " + path_);
        const bool written =
            write(fd, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size());
        close(fd);
        if (!written) throw std::runtime_error("cannot write " + path_);
    }
    ~TempFile() { std::remove(path_.c_str()); }
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    std::string path_ = "/tmp/overlab-test-XXXXXX";
};

/// What tshark prints for `capture` with these further arguments (shell syntax). A missing or
/// failing tshark is an exception: a test must not pass without it.
inline std::string tshark(const std::string& capture, const std::string& arguments) {
    const std::string command = "tshark -n -r " + capture + " " + arguments + " 2>&1";
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
    std::string printed;
    char chunk[4096];
    for (std::size_t n; (n = std::fread(chunk, 1, sizeof chunk, pipe)) > 0;) {
        printed.append(chunk, n);
    }
    if (pclose(pipe) != 0) throw std::runtime_error(command + ": " + printed);
    // It greets root like this on standard error.
    if (printed.starts_with("Running as user")) printed.erase(0, printed.find('\n') + 1);
    return printed;
}

}  // namespace overlab::test
