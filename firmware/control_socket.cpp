// One thread, poll, and a fixed number of clients.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/control_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hal/clock/clock.hpp"

namespace gantry {
namespace {

constexpr int kBacklog = 8;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw std::runtime_error(fmt::format("control socket {}: {}", path.string(), what));
}

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof address.sun_path)
    fail(path, fmt::format("the path has {} bytes; at most {} are possible", path.string().size(),
                           sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.c_str(), path.string().size());
  return address;
}

// What lies at the path: nothing, or a socket whose process is gone, which is removed.
void clear_place(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode)) fail(path, "something that is no socket lies there");
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int result = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  close(probe);
  if (result == 0) fail(path, "another process listens there");
  unlink(path.c_str());
}

}  // namespace

ControlSocket::ControlSocket(const std::filesystem::path& path, ControlCommands& commands,
                             ControlStatuses& statuses)
    : path_(path), commands_(commands), statuses_(statuses) {
  listen_at(path);
  end_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::make_unique<Thread>(ThreadOptions{.name = "control", .role = ThreadRole::io},
                                     [this](Thread& self) { run(self); });
}

ControlSocket::~ControlSocket() {
  eventfd_write(end_, 1);
  thread_->join();
  for (Client& c : clients_) drop(c);
  close(listener_);
  close(end_);
  unlink(path_.c_str());
}

void ControlSocket::listen_at(const std::filesystem::path& path) {
  const sockaddr_un address = address_of(path);
  clear_place(path, address);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const mode_t before = umask(0177);  // its maker alone may connect
  const int bound = bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(before);
  if (bound != 0 || listen(listener_, kBacklog) != 0) {
    close(listener_);
    fail(path, fmt::format("cannot be made ({})", std::strerror(bound != 0 ? error : errno)));
  }
}

void ControlSocket::run(Thread& self) {
  std::array<pollfd, kMostClients + 2> polled;
  for (;;) {
    polled[0] = {end_, POLLIN, 0};
    polled[1] = {listener_, POLLIN, 0};
    for (std::size_t i = 0; i < kMostClients; ++i)  // negative sockets are not looked at
      polled[i + 2] = {clients_[i].socket, POLLIN, 0};
    if (poll(polled.data(), polled.size(), -1) < 0) continue;  // a signal
    if (polled[0].revents) return;
    for (std::size_t i = 0; i < kMostClients; ++i)
      if (polled[i + 2].revents) hear(clients_[i]);
    if (polled[1].revents) accept_one();
    self.advance();
  }
}

void ControlSocket::accept_one() noexcept {
  const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {  // out of descriptors, or it has gone already
    if (errno != EAGAIN) clock::sleep_until_ns(clock::now_ns() + 100 * clock::kMillisecond_ns);
    return;
  }
  auto place = std::ranges::find(clients_, -1, &Client::socket);
  if (place == clients_.end()) {
    place = std::ranges::min_element(clients_, {}, &Client::last_heard);
    say(*place, "error: too many clients\n");
    drop(*place);
  }
  place->socket = socket;
  place->used = 0;
  place->too_long = false;
  place->last_heard = ++heard_;
}

void ControlSocket::hear(Client& client) {
  std::array<char, 4096> bytes;
  const ssize_t got = recv(client.socket, bytes.data(), bytes.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(client);  // gone; half a line is no command
  client.last_heard = ++heard_;
  take(client, {bytes.data(), static_cast<std::size_t>(got)});
}

void ControlSocket::take(Client& client, std::string_view bytes) {
  while (!bytes.empty() && client.socket >= 0) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    if (client.used + part.size() > client.line.size()) client.too_long = true;
    if (!client.too_long) {
      std::memcpy(client.line.data() + client.used, part.data(), part.size());
      client.used += part.size();
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    say(client, client.too_long
                    ? fmt::format("error: a line has {} bytes at most\n", client.line.size())
                    : answer({client.line.data(), client.used}));
    lines_.fetch_add(1, std::memory_order_relaxed);
    if (client.too_long) refused_.fetch_add(1, std::memory_order_relaxed);
    client.used = 0;
    client.too_long = false;
  }
}

std::string ControlSocket::answer(std::string_view line) {
  const control::Request request = control::parse(line);
  if (const auto* command = std::get_if<ControlCommand>(&request)) {
    if (commands_.push(ControlCommand(*command))) return "ok\n";
    refused_.fetch_add(1, std::memory_order_relaxed);
    return "error: commands come faster than frames are shown\n";
  }
  if (const auto* refusal = std::get_if<control::Refusal>(&request)) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return "error: " + refusal->reason + "\n";
  }
  statuses_.pop(status_);  // the newest, if one came since the last
  return control::to_json(status_) + "\n";
}

// All or nothing: a client that lets its answers lie is dropped.
void ControlSocket::say(Client& client, std::string_view text) noexcept {
  const ssize_t sent = send(client.socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != static_cast<ssize_t>(text.size())) drop(client);
}

void ControlSocket::drop(Client& client) noexcept {
  if (client.socket >= 0) close(client.socket);
  client.socket = -1;
}

}  // namespace gantry
