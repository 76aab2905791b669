// Certificates for TLS tests, made by certtool (package gnutls-bin) when a test runs, so that no
// key is in the tree and none of them expires.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "real/base/process.h"

namespace overlab::test {

struct CertificateFiles {
    std::filesystem::path cert, key;
};

class CertificateAuthority {
   public:
    /// Errors: not_found (no certtool), unavailable.
    [[nodiscard]] static Result<CertificateAuthority> make(const std::filesystem::path& folder,
                                                           const std::string& name) {
        CertificateAuthority out(folder, name);
        OVERLAB_TRY(out.files_, out.make_key(name));
        const auto info = out.write_template(
            name, {"cn = \"" + name + "\"", "ca", "cert_signing_key", "expiration_days = 10"});
        OVERLAB_TRY(const auto ignored,
                    run({"--generate-self-signed", "--load-privkey", out.files_.key, "--template",
                         info, "--outfile", out.files_.cert}));
        return out;
    }

    [[nodiscard]] const std::filesystem::path& cert() const { return files_.cert; }

    /// For both ends of a connection from and to 127.0.0.1: etcd's own gateway is a client of its
    /// server with the server's certificate.
    [[nodiscard]] Result<CertificateFiles> issue(const std::string& name, bool expired = false) {
        OVERLAB_TRY(const CertificateFiles files, make_key(name));
        std::vector<std::string> lines{"cn = \"" + name + "\"", "ip_address = \"127.0.0.1\"",
                                       "tls_www_server", "tls_www_client", "signing_key"};
        if (expired) {
            lines.emplace_back("activation_date = \"2020-01-01 00:00:00\"");
            lines.emplace_back("expiration_date = \"2020-02-01 00:00:00\"");
        } else {
            lines.emplace_back("expiration_days = 10");
        }
        OVERLAB_TRY(const auto ignored,
                    run({"--generate-certificate", "--load-privkey", files.key, "--load-ca-privkey",
                         files_.key, "--load-ca-certificate", files_.cert, "--template",
                         write_template(name, lines), "--outfile", files.cert}));
        return files;
    }

   private:
    CertificateAuthority(std::filesystem::path folder, const std::string&)
        : folder_(std::move(folder)) {}

    [[nodiscard]] static Result<std::string> run(std::vector<std::string> arguments) {
        real::Command command;
        command.argv = {"certtool"};
        command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
        return real::output_of(command, seconds(60));
    }
    [[nodiscard]] Result<CertificateFiles> make_key(const std::string& name) const {
        CertificateFiles files{folder_ / (name + ".pem"), folder_ / (name + "-key.pem")};
        OVERLAB_TRY(const auto ignored,
                    run({"--generate-privkey", "--key-type=ecdsa", "--outfile", files.key}));
        return files;
    }
    [[nodiscard]] std::string write_template(const std::string& name,
                                             const std::vector<std::string>& lines) const {
        const std::filesystem::path path = folder_ / (name + ".template");
        std::ofstream file(path);
        for (const std::string& line : lines) file << line << '\n';
        return path;
    }

    std::filesystem::path folder_;
    CertificateFiles files_;
};

}  // namespace overlab::test
