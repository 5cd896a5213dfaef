// The control socket: an operator's programs connect, send lines of words, and get a line for each.
//
// A Unix socket that the user of the process alone may open. One I/O thread serves all clients; it
// talks to the pacing thread through queues alone, and no client can hold up another or a frame: who
// sends what is too long is told so and skipped, who does not read is dropped, and where too many are
// connected the one that was silent for the longest makes room.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "firmware/control_line.hpp"
#include "firmware/thread.hpp"

namespace gantry {

class ControlSocket {
 public:
  static constexpr std::size_t kMostClients = 16;

  // Set-up. Takes the place of a socket that nobody listens at any more. Throws std::runtime_error
  // naming the path: another process listens there, it is no socket, its folder cannot be written.
  ControlSocket(const std::filesystem::path& path, ControlCommands& commands,
                ControlStatuses& statuses);
  // Hangs up and removes the socket.
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // Any thread: lines that were answered, and those of them that were refused.
  std::uint64_t lines() const noexcept { return lines_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
  struct Client {
    int socket = -1;
    bool too_long = false;  // the rest of the line is skipped
    std::size_t used = 0;
    std::uint64_t last_heard = 0;
    std::array<char, control::kLongestLine> line;
  };
  void listen_at(const std::filesystem::path& path);
  void run(Thread& self);
  void accept_one() noexcept;
  void hear(Client& client);
  void take(Client& client, std::string_view bytes);
  std::string answer(std::string_view line);
  void say(Client& client, std::string_view text) noexcept;
  static void drop(Client& client) noexcept;

  std::filesystem::path path_;
  ControlCommands& commands_;
  ControlStatuses& statuses_;
  ControlStatus status_;
  int listener_ = -1, end_ = -1;
  std::array<Client, kMostClients> clients_;
  std::uint64_t heard_ = 0;  // counts what came, for the clients' order
  std::atomic<std::uint64_t> lines_{0}, refused_{0};
  std::unique_ptr<Thread> thread_;  // last: it uses all of the above
};

}  // namespace gantry
