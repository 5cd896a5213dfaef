// The command line from outside: what is refused and how, and what signals leave behind.
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>

#include "tests/firmware/filming.hpp"

namespace gantry {
namespace {

struct Outcome {
  int status = -1;
  std::string text;  // standard output and error
};

Outcome run(const std::string& arguments) {
  Outcome outcome;
  std::FILE* pipe = popen((std::string(GANTRY_BINARY) + " " + arguments + " 2>&1").c_str(), "r");
  char part[4096];
  while (const auto n = std::fread(part, 1, sizeof part, pipe)) outcome.text.append(part, n);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

// Runs a configuration that must be refused: exit code not 0, the words in the message, no film.
void expect_refused(const std::string& text, std::initializer_list<const char*> words) {
  test::Folder folder;
  write(folder.path() / "film.toml", text);
  const auto outcome = run("run --config " + (folder.path() / "film.toml").string());
  EXPECT_EQ(outcome.status, 1) << outcome.text;
  for (const char* word : words)
    EXPECT_NE(outcome.text.find(word), std::string::npos) << "'" << word << "' is not in:\n"
                                                          << outcome.text;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().filename(), "film.toml") << "left behind";
}

const std::string kSweep = "[director]\nmode = \"sweep\"\n[[output]]\npath = \"film.mp4\"\n";

TEST(CommandLine, HelpAndVersionEverywhere) {
  EXPECT_EQ(run("--help").status, 0);
  EXPECT_NE(run("--version").text.find("gantry "), std::string::npos);
  for (const char* verb : {"run", "stitch", "sim", "detect", "compile", "doctor"}) {
    const auto outcome = run(std::string(verb) + " --help");
    EXPECT_EQ(outcome.status, 0) << verb;
    EXPECT_NE(outcome.text.find(verb), std::string::npos);
  }
  EXPECT_NE(run("").status, 0);
  EXPECT_NE(run("dance").status, 0);
}

TEST(CommandLine, DoctorNamesTheDeviceAndItsDoors) {
  const auto outcome = run("doctor");
  EXPECT_EQ(outcome.status, 0);
  for (const char* word : {"OpenCL devices", "kernels work in host memory", "DMA-buf", "libx264"})
    EXPECT_NE(outcome.text.find(word), std::string::npos) << word;
}

TEST(CommandLine, BadConfigurationsNameFileKeyAndWhatWouldBeRight) {
  expect_refused(test::demo_text("delay = -1", kSweep), {"film.toml:", "run.delay", "0 to 60"});
  expect_refused(test::demo_text("delay = nan", kSweep), {"run.delay", "0 to 60"});
  expect_refused(test::demo_text("delay = 1e99", kSweep), {"run.delay", "0 to 60"});
  expect_refused(test::demo_text("dellay = 7", kSweep), {"run.dellay", "unknown key", "delay"});
  expect_refused(test::demo_text("", kSweep + "[sim]\nseed = \"four\"\n"),
                 {"sim.seed", "whole number"});
  expect_refused(test::demo_text("", "[director]\nmode = \"dance\"\n"), {"director.mode", "sweep"});
  expect_refused(test::demo_text("", "[director]\nmode = \"sweep\"\nwidth = 1921\n"),
                 {"1921", "even"});
  expect_refused(test::demo_text("", kSweep + "[detector]\nenabled = true\n"),
                 {"detector.plan", "gantry compile"});
  expect_refused(test::demo_text("", kSweep + "[detector]\nenabled = true\nplan = \"none.plan\"\n"),
                 {"none.plan"});
  expect_refused(test::demo_text("", kSweep + "[gpu]\nname = \"no such device\"\n"),
                 {"no such device"});
  expect_refused("rig = [", {"film.toml:1"});
  expect_refused("", {"rig", "missing"});
  auto one_camera = test::demo_text("", kSweep);
  one_camera.erase(one_camera.find("[[camera]]\nname = \"right\""), 41);
  expect_refused(one_camera, {"1 cameras", "has 2"});
}

TEST(CommandLine, AMaskOfTwoPointsIsRefused) {
  test::Folder folder;
  write(folder.path() / "empty.plan", "");
  expect_refused(test::demo_text("", kSweep + "[detector]\nenabled = true\nplan = \"" +
                                         (folder.path() / "empty.plan").string() +
                                         "\"\nmask = [[0, 0], [10, 0]]\n"),
                 {"mask"});
}

TEST(CommandLine, BadRigsAreNamed) {
  const auto with_rig = [](const std::string& rig) {
    test::Folder folder;
    write(folder.path() / "bad.toml", rig);
    auto text = test::demo_text("", kSweep);
    text.replace(0, text.find('\n'), "rig = \"" + (folder.path() / "bad.toml").string() + "\"");
    write(folder.path() / "film.toml", text);
    return run("run --config " + (folder.path() / "film.toml").string());
  };
  std::ifstream in(std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml");
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  const auto replaced = [&](const std::string& from, const std::string& to) {
    auto text = good;
    text.replace(text.find(from), from.size(), to);
    return with_rig(text);
  };
  auto outcome = replaced("yaw = -44.4", "yaw = -100");  // the cameras do not overlap any more
  EXPECT_EQ(outcome.status, 1) << outcome.text;
  outcome = replaced("pitch = [-36, 11]", "pitch = [-36, 40]");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("cover"), std::string::npos) << outcome.text;
  outcome = replaced("fx = 371.7", "fx = nan");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("fx"), std::string::npos) << outcome.text;
}

TEST(CommandLine, BadPicturesAndPlansAreNamed) {
  test::Folder folder;
  const auto bad = (folder.path() / "bad.png").string(),
             plan = (folder.path() / "bad.plan").string();
  write(bad, "this is no picture");
  write(plan, "this is no plan");
  const auto rig = std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml";
  const auto out = (folder.path() / "out.png").string();
  auto outcome = run("stitch --rig " + rig + " " + bad + " " + bad + " -o " + out);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("bad.png"), std::string::npos) << outcome.text;
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_NE(run("stitch --rig " + rig + " " + bad + " -o " + out).text.find("2 cameras"),
            std::string::npos);
  outcome = run("detect --plan " + plan + " " + bad);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.text.find("bad.plan"), std::string::npos) << outcome.text;
}

TEST(CommandLine, AnInputSizeIsTwoNumbers) {
  test::Folder folder;
  const std::string command =
      fmt::format("compile {}/firmware/models/gantry-1.onnx -o {}/n.plan --batch 1 --input-size ",
                  GANTRY_SOURCE_DIR, folder.path().string());
  for (const char* size :
       {"64", "x64", "64x", "64x64x", "-64x64", "64x0", "64,64", "99999999999999999999x64"}) {
    const auto outcome = run(command + size);
    EXPECT_EQ(outcome.status, 1) << size;
    EXPECT_NE(outcome.text.find("WIDTHxHEIGHT"), std::string::npos) << outcome.text;
  }
  const auto outcome = run(command + "64x32");
  EXPECT_EQ(outcome.status, 0) << outcome.text;
}

TEST(CommandLine, SimAndStitchMakeAPanoramaFromTruthfulPictures) {
  test::Folder folder;
  const auto rig = std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml";
  const auto f = folder.path().string();
  ASSERT_EQ(run("sim --rig " + rig + " --seed 5 --frames 2 -o " + f).status, 0);
  for (const char* name : {"left-000000.png", "right-000001.png", "truth.jsonl"})
    EXPECT_TRUE(std::filesystem::exists(folder.path() / name)) << name;
  const auto outcome = run("stitch --rig " + rig + " " + f + "/left-000000.png " + f +
                           "/right-000000.png -o " + f + "/pano.png");
  ASSERT_EQ(outcome.status, 0) << outcome.text;
  EXPECT_GT(std::filesystem::file_size(folder.path() / "pano.png"), 100'000u);
}

// The truth of a match's pictures, without their number and instant.
std::vector<nlohmann::json> truth_of(const std::string& arguments) {
  test::Folder folder;
  const auto rig = std::string(GANTRY_SOURCE_DIR) + "/firmware/config/rigs/demo.toml";
  const auto outcome = run("sim --rig " + rig + " -o " + folder.path().string() + " " + arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.text;
  std::ifstream file(folder.path() / "truth.jsonl");
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) {
    rows.push_back(nlohmann::json::parse(line));
    rows.back().erase("frame");
    rows.back().erase("capture_ns");
  }
  return rows;
}

TEST(CommandLine, SimStartsWhereItIsTold) {
  const auto whole = truth_of("--frames 4 --every 1");
  const auto later = truth_of("--frames 1 --every 1 --start 3");
  ASSERT_EQ(whole.size(), 4u);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0], whole[3]);
  EXPECT_NE(later[0], whole[0]);
}

// Starts filming in a child process and sends it a signal `after_ms` later, or, with `once_there`,
// that long after the film's file has appeared; waits for its end.
int film_and_signal(const std::filesystem::path& config, int signal, int after_ms,
                    const std::filesystem::path& once_there = {}) {
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stdout);
    std::freopen("/dev/null", "w", stderr);
    execl(GANTRY_BINARY, GANTRY_BINARY, "run", "--config", config.c_str(), nullptr);
    _exit(127);
  }
  const auto give_up_ns = clock::now_ns() + 60 * clock::kSecond_ns;
  while (!once_there.empty() && !std::filesystem::exists(once_there) &&
         clock::now_ns() < give_up_ns)
    clock::sleep_until_ns(clock::now_ns() + 10 * clock::kMillisecond_ns);
  clock::sleep_until_ns(clock::now_ns() + after_ms * clock::kMillisecond_ns);
  kill(child, signal);
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

int pictures_of(const std::filesystem::path& film) {
  int pictures = 0;
  test::read_film(film, [&](const Surface&, std::int64_t) { ++pictures; });
  return pictures;
}

void signal_at_random(int signal, int times, unsigned seed) {
  std::mt19937 random(seed);
  int films = 0;
  for (int i = 0; i < times; ++i) {
    test::Folder folder;
    const std::string name = i % 2 ? "film.mkv" : "film.mp4";
    write(folder.path() / "film.toml",
          test::demo_text(
              "delay = 0.3",
              "[director]\nmode = \"sweep\"\nwidth = 640\nheight = 360\n[[output]]\npath = \"" +
                  name + "\"\npreset = \"ultrafast\"\n"));
    const auto film = folder.path() / name;
    // Every fourth try may come before there is a film; the others while it grows.
    const int status = film_and_signal(folder.path() / "film.toml", signal,
                                       static_cast<int>(random() % 3000), i % 4 == 3 ? "" : film);
    if (signal != SIGKILL) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
          << "signal " << signal << ", try " << i;
    }
    // A process that is killed before its first whole piece leaves a file without a picture.
    if (!std::filesystem::exists(film) || std::filesystem::file_size(film) < 20'000) continue;
    ++films;
    EXPECT_GT(pictures_of(film), 0) << name;
  }
  EXPECT_GT(films, times / 3) << "too few tries came as far as a film";
}

int tries() {
  return std::getenv("GANTRY_LONG") ? 50 : 4;
}

TEST(CommandLine, KilledAtAnyInstantTheFilmPlays) {
  signal_at_random(SIGKILL, tries(), 1);
}
TEST(CommandLine, StoppedAtAnyInstantTheFilmIsWholeAndTheExitClean) {
  signal_at_random(SIGTERM, tries(), 2);
  signal_at_random(SIGINT, 2, 3);
}

}  // namespace
}  // namespace gantry
