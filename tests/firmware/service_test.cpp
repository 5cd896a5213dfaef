// The appliance as its service manager sees it: ready, alive, stalled, ended, started anew.
// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

constexpr int kStartAnew = 75;
// From the end of a process to the next one's picture; systemd waits for half a second in between
// (RestartSec).
constexpr double kRestart_s = 0.5;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kPictureBack_s = 30;
#else
constexpr double kPictureBack_s = 3;
#endif

double seconds_since(std::int64_t instant_ns) {
  return 1e-9 * static_cast<double>(clock::now_ns() - instant_ns);
}

void sleep_s(double seconds) {
  clock::sleep_until_ns(clock::now_ns() + std::llround(seconds * 1e9));
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// `gantry run` as a child with a service manager that listens, its watchdog set to 4 s.
class Service {
 public:
  Service(const std::filesystem::path& folder, const std::string& config)
      : log_(folder / "gantry.log"), socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (folder / "notify").string();
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    unlink(path.c_str());  // of a process before this one
    bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const timeval wait{0, 100'000};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    std::ofstream(folder / "film.toml") << config << "[log]\nfile = \"gantry.log\"\n";
    start_ns_ = clock::now_ns();
    child_ = fork();
    if (child_ != 0) return;
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    setenv("WATCHDOG_USEC", "4000000", 1);
    unsetenv("WATCHDOG_PID");
    execl(GANTRY_BINARY, "gantry", "run", "--config", (folder / "film.toml").c_str(), nullptr);
    _exit(127);
  }
  ~Service() {
    if (!status_) kill(child_, SIGKILL), wait();
    close(socket_);
  }

  // Listens until a message begins with `word`; how many seconds that took, or nothing.
  std::optional<double> hear(const std::string& word, double within_s) {
    const auto from_ns = clock::now_ns();
    char message[512];
    while (seconds_since(from_ns) < within_s) {
      const auto n = recv(socket_, message, sizeof message, 0);
      if (n > 0 && std::string(message, static_cast<std::size_t>(n)).starts_with(word))
        return seconds_since(from_ns);
    }
    return std::nullopt;
  }
  void forget() {
    char message[512];
    while (recv(socket_, message, sizeof message, MSG_DONTWAIT) > 0) {
    }
  }
  void signal(int number) { kill(child_, number); }
  bool runs() {
    int status = 0;
    if (!status_ && waitpid(child_, &status, WNOHANG) == child_) status_ = status;
    return !status_;
  }
  // The exit status; −1 if a signal ended it.
  int wait() {
    int status = 0;
    if (!status_ && waitpid(child_, &status, 0) == child_) status_ = status;
    return WIFEXITED(*status_) ? WEXITSTATUS(*status_) : -1;
  }
  std::string log() const { return read_text(log_); }
  std::int64_t start_ns() const { return start_ns_; }
  pid_t process() const { return child_; }

 private:
  std::filesystem::path log_;
  int socket_;
  pid_t child_ = -1;
  std::int64_t start_ns_ = 0;
  std::optional<int> status_;
};

std::string config(const std::string& right_camera, const std::string& more) {
  auto text = test::demo_text("delay = 0.5",
                              "[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n"
                              "[[output]]\npath = \"film.mp4\"\npreset = \"ultrafast\"\n" +
                                  more);
  const std::string right = "name = \"right\"\nsource = \"sim\"\n";
  return text.insert(text.find(right) + right.size(), right_camera);
}

int pictures_in(const std::filesystem::path& film) {
  int pictures = 0;
  test::read_film(film, [&](const Surface&, std::int64_t) { ++pictures; });
  return pictures;
}

void expect_in(const std::string& log, const std::string& words) {
  EXPECT_NE(log.find(words), std::string::npos) << "'" << words << "' is not in:\n" << log;
}

// The inodes of sockets in a table of /proc/net that take what comes from outside.
std::vector<std::string> listening(const char* table, const std::string& state) {
  std::ifstream in(std::string("/proc/net/") + table);
  std::vector<std::string> inodes;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    if (words.size() > 9 && words[3] == state) inodes.push_back(words[9]);
  }
  return inodes;
}

TEST(Service, ListensNowhere) {
  test::Folder folder;
  Service service(folder.path(), config("", ""));
  ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
  std::string sockets;
  const auto descriptors = fmt::format("/proc/{}/fd", service.process());
  for (const auto& entry : std::filesystem::directory_iterator(descriptors))
    sockets += std::filesystem::read_symlink(entry.path()).string() + "\n";
  for (const auto& [table, state] :
       {std::pair{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"}})
    for (const auto& inode : listening(table, state))
      EXPECT_EQ(sockets.find("socket:[" + inode + "]"), std::string::npos) << table;
}

TEST(Service, IsReadyWithItsFirstPictureFeedsTheWatchdogAndStops) {
  test::Folder folder;
  Service service(folder.path(), config("", ""));
  ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
  RecordProperty("seconds_to_ready", std::to_string(seconds_since(service.start_ns())));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(service.hear("WATCHDOG=1", 3));
  service.signal(SIGTERM);
  EXPECT_TRUE(service.hear("STOPPING=1", 3));
  EXPECT_EQ(service.wait(), 0);
  expect_in(service.log(), "first picture: the process started ");
}

// A picture that never gets ready blocks the queue of the stitcher, as a hung driver does.
TEST(Service, AHungDeviceEndsTheRunWithWholeFilesAndAStatusOfItsOwn) {
  test::Folder folder;
  Service service(folder.path(), config("hang_after = 3\n", "[health]\nstall = 2\n"));
  ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
  const auto ready_ns = clock::now_ns();
  EXPECT_EQ(service.wait(), kStartAnew);
  // Hung after 3 s at most, noticed after 2 s, closed within 5 s; the machine may be busy.
  EXPECT_LT(seconds_since(ready_ns), 3 + 2 + 5 + 2);
  const auto log = service.log();
  expect_in(log, "has made no progress");
  expect_in(log, "cannot go on: no progress of ");
  expect_in(log, "health: completion has made no progress");
  expect_in(log, "all files are complete");
  EXPECT_GT(pictures_in(folder.path() / "film.mp4"), 30);
  double back_s = 60;  // the quickest of three: the machine may be busy
  for (int i = 0; i < 3; ++i) {
    Service again(folder.path(), config("", ""));
    const auto ready_s = again.hear("READY=1", 60);
    ASSERT_TRUE(ready_s) << again.log();
    back_s = std::min(back_s, *ready_s);
  }
  EXPECT_LT(kRestart_s + back_s, kPictureBack_s);
}

TEST(Service, AStalledEncoderIsNamedAndTheOtherFileIsWhole) {
  test::Folder folder;
  const auto pipe = folder.path() / "stuck.ts";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDWR | O_CLOEXEC);  // and never reads
  Service service(folder.path(), config("",
                                        "[[output]]\npath = \"stuck.ts\"\nquality = 1\npreset = "
                                        "\"ultrafast\"\n[health]\nhelper_stall = 2\n"));
  ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
  EXPECT_EQ(service.wait(), kStartAnew);
  close(reader);
  expect_in(service.log(), "cannot go on: no progress of encode 1");
  expect_in(service.log(), "a file could not be completed");
  EXPECT_GT(pictures_in(folder.path() / "film.mp4"), 30);
}

TEST(Service, AStoppedProcessFeedsNobodyAndIsNotBlamedWhenItGoesOn) {
  test::Folder folder;
  Service service(folder.path(), config("", "[health]\nstall = 2\n"));
  ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
  service.signal(SIGSTOP);
  service.forget();
  EXPECT_FALSE(service.hear("WATCHDOG=1", 4)) << "systemd would end it now";
  service.signal(SIGCONT);
  EXPECT_TRUE(service.hear("WATCHDOG=1", 3));
  sleep_s(2.5);
  EXPECT_TRUE(service.runs()) << service.log();
  service.signal(SIGTERM);
  EXPECT_EQ(service.wait(), 0);
  EXPECT_EQ(service.log().find("no progress"), std::string::npos) << service.log();
}

TEST(Service, TheJournalGetsLinesWithTheirPriority) {
  test::Folder folder;
  const auto journal = folder.path() / "journal";
  std::ofstream(folder.path() / "film.toml")
      << test::demo_text("duration = 0.3\ndelay = 0.1", "[director]\nmode = \"sweep\"\n");
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(journal.c_str(), O_WRONLY | O_CREAT, 0600);
    struct stat status {};
    fstat(file, &status);
    dup2(file, STDERR_FILENO);
    setenv("JOURNAL_STREAM", fmt::format("{}:{}", status.st_dev, status.st_ino).c_str(), 1);
    execl(GANTRY_BINARY, "gantry", "run", "--config", (folder.path() / "film.toml").c_str(),
          nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::ifstream in(journal);
  std::string line;
  int lines = 0;
  for (; std::getline(in, line); ++lines) EXPECT_EQ(line.find_first_of('<'), 0u) << line;
  EXPECT_GT(lines, 2);
  expect_in(read_text(journal), "<6>run: ");
}

// Killed twenty times in the long form: what was filmed is there, and the picture comes back.
TEST(Service, AfterSigkillTheFilmPlaysAndThePictureComesBack) {
  const int times = std::getenv("GANTRY_LONG") ? 20 : 3;
  test::Folder folder;
  double quickest_s = 60, slowest_s = 0;  // the machine may be busy
  for (int i = 0; i < times; ++i) {
    Service service(folder.path(), config("", ""));
    ASSERT_TRUE(service.hear("READY=1", 60)) << service.log();
    const double ready_s = seconds_since(service.start_ns());
    if (i > 0) quickest_s = std::min(quickest_s, ready_s), slowest_s = std::max(slowest_s, ready_s);
    sleep_s(2.5);
    service.signal(SIGKILL);
    EXPECT_EQ(service.wait(), -1);
    EXPECT_GT(pictures_in(folder.path() / "film.mp4"), 20);
  }
  EXPECT_LT(kRestart_s + quickest_s, kPictureBack_s) << "with programs cached";
  std::printf("start to picture: %.2f to %.2f s\n", quickest_s, slowest_s);
}

}  // namespace
}  // namespace gantry
