// The control socket: its words, and clients that send rubbish, half lines, huge lines, or go away.
// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "firmware/control_socket.hpp"
#include "hal/clock/clock.hpp"
#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

using namespace control;

std::string refusal(std::string_view line) {
  const Request r = parse(line);
  const auto* refused = std::get_if<Refusal>(&r);
  return refused ? refused->reason : "taken";
}
ControlCommand command(std::string_view line) {
  const Request r = parse(line);
  EXPECT_TRUE(std::holds_alternative<ControlCommand>(r)) << line << ": " << refusal(line);
  const auto* c = std::get_if<ControlCommand>(&r);
  return c ? *c : ControlCommand{};
}

TEST(ControlLine, WordsAreCommands) {
  const ControlCommand all = command("  pan 12.5 tilt\t-4 zoom +40 for 20\r");
  EXPECT_EQ(all.kind, ControlCommand::Kind::steer);
  EXPECT_NEAR(all.yaw.value(), radians(12.5), 1e-12);
  EXPECT_NEAR(all.pitch.value(), radians(-4), 1e-12);
  EXPECT_NEAR(all.field_of_view.value(), radians(40), 1e-12);
  EXPECT_EQ(all.hold_s.value(), 20);
  const ControlCommand some = command("zoom 33");
  EXPECT_FALSE(some.yaw || some.pitch || some.hold_s);
  EXPECT_EQ(command("manual").kind, ControlCommand::Kind::steer);
  EXPECT_FALSE(command("manual").yaw);
  EXPECT_EQ(command("manual for 0").hold_s, 0);
  EXPECT_EQ(command("director manual pan 3").kind, ControlCommand::Kind::steer);
  EXPECT_EQ(command("release").kind, ControlCommand::Kind::release);
  EXPECT_EQ(command("director sweep").kind, ControlCommand::Kind::direct);
  EXPECT_EQ(command("director sweep").director, DirectorConfig::Kind::sweep);
  EXPECT_EQ(command("director fixed").director, DirectorConfig::Kind::fixed);
  EXPECT_EQ(command("director follow").director, DirectorConfig::Kind::follow);
  EXPECT_TRUE(std::holds_alternative<StatusQuery>(parse("status")));
}

TEST(ControlLine, WhatIsNoneIsToldWhatWouldBeRight) {
  for (const auto& [line, word] : std::vector<std::pair<std::string, std::string>>{
           {"", "status, pan"},
           {"   \t ", "status, pan"},
           {"pan", "pan needs a number from -180 to 180"},
           {"pan left", "from -180 to 180"},
           {"pan 181", "from -180 to 180"},
           {"pan nan", "from -180 to 180"},
           {"pan inf", "from -180 to 180"},
           {"pan 10x", "from -180 to 180"},
           {"pan ++1", "from -180 to 180"},
           {"tilt 91", "from -90 to 90"},
           {"zoom 5", "from 20 to 100"},
           {"pan 3 for -1", "from 0 to 86400"},
           {"pan 3 for", "from 0 to 86400"},
           {"pan 3 roll 4", "'roll' is not one of pan, tilt, zoom, for"},
           {"Pan 3", "'Pan' is not one of status"},
           {"status now", "'status' is not one of"},
           {"director", "follow, sweep, fixed, manual"},
           {"director nobody", "follow, sweep, fixed, manual"},
           {"director follow me", "follow, sweep, fixed, manual"},
           {"\x1b[2J", "'?[2J'"},
           {std::string(200, 'a'), std::string(32, 'a') + "' is not"},
           {std::string("pan 1\0", 6), "needs a number"}})
    EXPECT_NE(refusal(line).find(word), std::string::npos) << line << ": " << refusal(line);
}

TEST(ControlLine, RandomBytesDoNoHarm) {
  std::mt19937 random(17);
  const std::string words[] = {"pan",    "tilt", "zoom",   "for", "director", "manual", "1",
                               "-1e400", "0x10", "status", " ",   "\t",       "1e-310"};
  for (int i = 0; i < 20'000; ++i) {
    std::string line;
    for (std::size_t n = random() % 8; n-- > 0;)
      line += random() % 3 ? words[random() % std::size(words)] + (random() % 2 ? " " : "")
                           : std::string(1, static_cast<char>(random()));
    const Request r = parse(line);
    if (const auto* c = std::get_if<ControlCommand>(&r)) {
      for (const auto& angle : {c->yaw, c->pitch, c->field_of_view})
        EXPECT_TRUE(!angle || std::abs(*angle) <= radians(180)) << line;
    }
    if (const auto* refused = std::get_if<Refusal>(&r)) {
      for (const char c : refused->reason) ASSERT_TRUE(c >= ' ' && c < 127) << line;
    }
  }
}

class Client {
 public:
  explicit Client(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    const timeval patience{5, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { hang_up(); }
  Client(const Client&) = delete;
  bool connected() const { return connected_; }
  void hang_up() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  bool send_bytes(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // A line, or "gone" where the other side has hung up, or nothing comes.
  std::string hear() const {
    std::string line;
    for (char c = 0;;) {
      if (recv(socket_, &c, 1, 0) != 1) return "gone";
      if (c == '\n') return line;
      line += c;
    }
  }
  std::string ask(const std::string& line) const {
    return send_bytes(line + "\n") ? hear() : "gone";
  }

 private:
  int socket_ = -1;
  bool connected_ = false;
};

class ControlSocketTest : public testing::Test {
 protected:
  test::Folder folder_;
  std::filesystem::path path_ = folder_.path() / "control";
  ControlCommands commands_;
  ControlStatuses statuses_;
  std::unique_ptr<ControlSocket> socket_ =
      std::make_unique<ControlSocket>(path_, commands_, statuses_);

  std::string opening() {
    try {
      ControlSocket another(path_, commands_, statuses_);
      return "opened";
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  }
};

TEST_F(ControlSocketTest, CommandsReachTheDirectorAndStatusComesBack) {
  Client client(path_);
  EXPECT_EQ(client.ask("pan 10 zoom 40"), "ok");
  ControlCommand c;
  ASSERT_TRUE(commands_.pop(c));
  EXPECT_NEAR(c.yaw.value(), radians(10), 1e-12);
  EXPECT_NE(client.ask("status").find("\"capture_ns\":0"), std::string::npos) << "no frame yet";
  ControlStatus s;
  s.capture_ns = 77;
  s.pose = {radians(10), radians(-2), radians(40)};
  s.director = DirectorConfig::Kind::sweep;
  s.manual = true;
  s.hand_back_s = 12.5;
  s.reason = Reason::gap;
  statuses_.push(ControlStatus(s));
  EXPECT_EQ(client.ask("status"),
            R"({"director":"manual","pan":10.0,"tilt":-2.0,"zoom":40.0,"reason":"gap",)"
            R"("ball_confidence":0.0,"capture_ns":77,"after":"sweep","hand_back":12.5})");
  EXPECT_EQ(client.ask("status"), client.ask("status")) << "it stays until a newer one comes";
  EXPECT_EQ(socket_->refused(), 0u);
}

TEST_F(ControlSocketTest, ItsUserAloneMayConnectAndItGoesAway) {
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  socket_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlSocketTest, ThePlaceIsTakenOnlyFromTheDead) {
  EXPECT_NE(opening().find("another process listens"), std::string::npos) << opening();
  socket_.reset();
  std::ofstream(path_) << "a file";
  EXPECT_NE(opening().find("no socket"), std::string::npos) << opening();
  EXPECT_TRUE(std::filesystem::exists(path_)) << "and stays";
  std::filesystem::remove(path_);
  // What a killed process leaves behind.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(dead);
  EXPECT_EQ(opening(), "opened");
  path_ = folder_.path() / "no" / "such" / "folder";
  EXPECT_NE(opening().find("cannot be made"), std::string::npos) << opening();
  path_ = folder_.path() / std::string(120, 'x');
  EXPECT_NE(opening().find("at most 107"), std::string::npos) << opening();
}

TEST_F(ControlSocketTest, HalfLinesAreNoCommands) {
  Client client(path_);
  EXPECT_TRUE(client.send_bytes("pan 1"));
  EXPECT_TRUE(client.send_bytes("0 zoo"));
  EXPECT_TRUE(client.send_bytes("m 40\nrelease\nmanual"));
  EXPECT_EQ(client.hear(), "ok");
  EXPECT_EQ(client.hear(), "ok");
  client.hang_up();  // "manual" never ended
  Client next(path_);
  EXPECT_NE(next.ask("status"), "gone");
  EXPECT_EQ(commands_.size(), 2u);
}

TEST_F(ControlSocketTest, HugeLinesAreSkippedAndSaid) {
  Client client(path_);
  EXPECT_TRUE(client.send_bytes(std::string(1 << 20, 'x')));
  EXPECT_TRUE(client.send_bytes("pan 10\n"));
  EXPECT_EQ(client.hear(), "error: a line has 256 bytes at most");
  EXPECT_EQ(client.ask("pan 10"), "ok") << "the next line is a new one";
  EXPECT_EQ(client.ask(std::string(256, ' ')).substr(0, 21), "error: an empty line;");
  EXPECT_EQ(socket_->refused(), 2u);
}

TEST_F(ControlSocketTest, RubbishIsAnsweredAndHarmsNobody) {
  std::mt19937 random(5);
  Client good(path_);
  for (int round = 0; round < 20; ++round) {
    Client bad(path_);
    std::string bytes;
    for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(random());
    bad.send_bytes(bytes);  // and goes away without hearing
    EXPECT_EQ(good.ask("zoom 1"), "error: zoom needs a number from 20 to 100");
  }
  EXPECT_EQ(commands_.size(), 0u);
}

TEST_F(ControlSocketTest, AClientThatDoesNotReadIsDropped) {
  Client deaf(path_);
  const std::string questions(7 * 1000, '\n');
  bool dropped = false;
  for (int i = 0; i < 1000 && !dropped; ++i) dropped = !deaf.send_bytes(questions);
  EXPECT_TRUE(dropped);
  EXPECT_EQ(Client(path_).ask("release"), "ok") << "the others are served";
}

TEST_F(ControlSocketTest, ManyClientsAreServedAndTheSilentMakesRoom) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < ControlSocket::kMostClients; ++i) {
    clients.push_back(std::make_unique<Client>(path_));
    EXPECT_NE(clients.back()->ask("status"), "gone") << i;
  }
  EXPECT_NE(clients[0]->ask("status"), "gone");  // now the second is the longest silent
  Client one_more(path_);
  EXPECT_NE(one_more.ask("status"), "gone");
  EXPECT_EQ(clients[1]->hear(), "error: too many clients");
  EXPECT_EQ(clients[1]->hear(), "gone");
  EXPECT_NE(clients[0]->ask("status"), "gone");
  // Crowds that come and go.
  std::vector<std::thread> crowd;
  for (int i = 0; i < 8; ++i)
    crowd.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        Client c(path_);
        if (k % 2) c.ask("status");
      }
    });
  for (auto& t : crowd) t.join();
  EXPECT_EQ(Client(path_).ask("release"), "ok");
}

TEST_F(ControlSocketTest, CommandsThatNobodyTakesAreRefusedNotKept) {
  Client client(path_);
  std::size_t taken = 0;
  while (client.ask("manual") == "ok" && taken < 1000) ++taken;
  EXPECT_EQ(taken, ControlCommands::capacity());
  EXPECT_EQ(client.ask("manual"), "error: commands come faster than frames are shown");
  ControlCommand c;
  ASSERT_TRUE(commands_.pop(c));
  EXPECT_EQ(client.ask("manual"), "ok");
}

TEST_F(ControlSocketTest, EndsWhileClientsAreConnected) {
  Client a(path_), b(path_);
  EXPECT_TRUE(a.send_bytes("pan"));
  const auto start_ns = clock::now_ns();
  socket_.reset();
  EXPECT_LT(clock::now_ns() - start_ns, clock::kSecond_ns);
  EXPECT_EQ(b.hear(), "gone");
}

}  // namespace
}  // namespace gantry
