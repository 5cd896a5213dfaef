// gantry control: tells a gantry that films what to do.
// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "firmware/verbs/verbs.hpp"

namespace gantry {
namespace {

constexpr timeval kPatience{5, 0};

class Connection {
 public:
  explicit Connection(const std::string& path)
      : path_(path), socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) fail("the path is too long");
    std::memcpy(address.sun_path, path.data(), path.size());
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      fail(fmt::format("nobody answers ({}); is control.socket set, and is gantry filming?",
                       std::strerror(errno)));
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::string ask(const std::string& line) {
    if (send(socket_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      fail(std::strerror(errno));
    std::string answer;
    for (char c = 0; recv(socket_, &c, 1, 0) == 1;) {
      if (c == '\n') return answer;
      answer += c;
    }
    fail("no answer came");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(fmt::format("control socket {}: {}", path_, what));
  }
  std::string path_;
  int socket_;
};

int tell(const std::string& path, const std::vector<std::string>& words) {
  const std::string answer = Connection(path).ask(fmt::format("{}\n", fmt::join(words, " ")));
  const bool refused = answer.starts_with("error:");
  fmt::print(refused ? stderr : stdout, "{}\n", answer);
  return refused ? 1 : 0;
}

}  // namespace

void add_control(CLI::App& app, int& status) {
  struct Options {
    std::string socket;
    std::vector<std::string> words;
  };
  auto* verb = app.add_subcommand(
      "control",
      "steer a gantry that films: pan 10 tilt -5 zoom 40 for 20, manual, release, director "
      "follow|sweep|fixed, status");
  auto options = std::make_shared<Options>();
  verb->add_option("--socket", options->socket, "the configuration's control.socket")->required();
  verb->prefix_command();  // the words are the socket's, negative numbers too
  verb->callback([verb, options, &status] {
    options->words = verb->remaining();
    status = tell(options->socket, options->words);
  });
}

}  // namespace gantry
