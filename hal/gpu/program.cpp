// Programs: built from source, kept on disk as binaries keyed by device, driver, options and source.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "hal/gpu/gpu.hpp"
#include "hal/log/log.hpp"
#include "kernels/sources.hpp"

namespace gantry::gpu {
namespace {

std::uint64_t fnv1a(std::string_view s, std::uint64_t h) {
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return h;
}

constexpr std::uint64_t kSeed = 14695981039346656037ull;
constexpr std::string_view kMagic = "gantry program 1\n";

std::string key_of(const Info& i, std::string_view source, const std::string& options) {
  std::uint64_t a = kSeed, b = ~kSeed;
  for (const std::string_view part :
       {std::string_view(i.platform), std::string_view(i.name), std::string_view(i.driver),
        std::string_view(i.version), std::string_view(options), source}) {
    a = fnv1a(part, fnv1a("|", a));
    b = fnv1a(part, fnv1a("#", b));
  }
  return fmt::format("{:016x}{:016x}", a, b);
}

// The driver may trust a damaged binary, so the file carries a checksum of its own.
std::vector<unsigned char> load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return {};
  const std::string all((std::istreambuf_iterator<char>(in)), {});
  const std::size_t header = kMagic.size() + sizeof(std::uint64_t);
  if (all.size() <= header || all.compare(0, kMagic.size(), kMagic) != 0) return {};
  std::uint64_t sum = 0;
  std::memcpy(&sum, all.data() + kMagic.size(), sizeof sum);
  const std::string_view body(all.data() + header, all.size() - header);
  if (fnv1a(body, kSeed) != sum) return {};
  return {body.begin(), body.end()};
}

void store(const std::filesystem::path& file, const std::vector<unsigned char>& binary) {
  const std::string_view body(reinterpret_cast<const char*>(binary.data()), binary.size());
  const std::uint64_t sum = fnv1a(body, kSeed);
  const auto partial = file.string() + fmt::format(".{}.part", ::getpid());
  {
    std::ofstream out(partial, std::ios::binary);
    out << kMagic;
    out.write(reinterpret_cast<const char*>(&sum), sizeof sum);
    out << body;
    if (!out.flush()) {
      log::warning("gpu: cannot write the program cache {}", file.string());
      return;
    }
  }
  std::filesystem::rename(partial, file);  // two processes may race; either result is whole
}

}  // namespace

cl::Program Device::build_family(std::string_view family, const std::string& options) {
  const auto source = kernels::source(family);
  if (source.empty()) throw std::logic_error("no kernel family " + std::string(family));
  return build(family, source, options);
}

cl::Program Device::build(std::string_view family, std::string_view source,
                          const std::string& more_options) {
  // The language of every kernel: what later ones take for granted, drivers do not agree on.
  const std::string options = "-cl-std=CL1.2 " + more_options;
  std::filesystem::path file;
  if (!cache_.empty()) {
    file = cache_ / fmt::format("{}-{}.clbin", family, key_of(info_, source, options));
    if (std::filesystem::exists(file)) {
      const auto binary = load(file);
      try {
        if (binary.empty()) throw cl::Error(CL_INVALID_BINARY);
        cl::Program program(context_, {device_}, {binary});
        program.build({device_}, options.c_str());
        return program;
      } catch (const cl::Error&) {
        log::warning("gpu: cached program {} is damaged or refused; compiling it again",
                     file.filename().string());
      }
    }
  }
  // A box without a picture yet says why.
  if (!std::exchange(told_compiling_, true))
    log::info("gpu: compiles kernels, which takes a while; {}",
              cache_.empty() ? "at every start, for want of a program cache"
                             : "later starts load them from " + cache_.string());
  cl::Program program(context_, std::string(source));
  try {
    program.build({device_}, options.c_str());
  } catch (const cl::Error& e) {
    throw std::runtime_error(fmt::format("{}: kernels/{}.cl does not compile ({}):\n{}", info_.name,
                                         family, e.err(),
                                         program.getBuildInfo<CL_PROGRAM_BUILD_LOG>(device_)));
  }
  if (!file.empty()) {
    const auto binaries = program.getInfo<CL_PROGRAM_BINARIES>();
    if (!binaries.empty() && !binaries[0].empty()) store(file, binaries[0]);
  }
  return program;
}

}  // namespace gantry::gpu
