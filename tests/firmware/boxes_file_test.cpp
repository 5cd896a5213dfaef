// boxes.jsonl: what is written comes back, and each kind of bad line is named.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/boxes_file.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace gantry {
namespace {

namespace fs = std::filesystem;

class BoxesFile : public testing::Test {
 protected:
  const fs::path folder_ = fs::path(testing::TempDir()) /
                           (std::string("gantry-boxes-") +
                            testing::UnitTest::GetInstance()->current_test_info()->name());
  BoxesFile() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~BoxesFile() override { fs::remove_all(folder_); }

  std::string refusal(const std::string& text) const {
    std::ofstream(folder_ / "boxes.jsonl") << text;
    try {
      read_boxes(folder_);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "accepted";
  }
};

TEST_F(BoxesFile, WhatIsWrittenComesBack) {
  const SimObject ball{true, 10.25, 20, 18.25, 27.5, 7.75, 0.5};
  const SimObject person{false, -3, 5, 30, 90, 0, 1};
  {
    BoxesWriter writer(folder_);
    writer.add({"left-000000.png", -1, 0, 0, {ball, person}});
    writer.add({RawPicturesWriter::kName, 4, 640, 360, {}});
  }
  const auto all = read_boxes(folder_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].picture, folder_ / "left-000000.png");
  EXPECT_EQ(all[0].index, -1);
  ASSERT_EQ(all[0].objects.size(), 2u);
  EXPECT_TRUE(all[0].objects[0].is_ball);
  EXPECT_DOUBLE_EQ(all[0].objects[0].bottom, 27.5);
  EXPECT_DOUBLE_EQ(all[0].objects[0].diameter, 7.75);
  EXPECT_DOUBLE_EQ(all[0].objects[0].visible, 0.5);
  EXPECT_FALSE(all[0].objects[1].is_ball);
  EXPECT_DOUBLE_EQ(all[0].objects[1].left, -3);
  EXPECT_EQ(all[1].index, 4);
  EXPECT_EQ(all[1].width, 640);
  EXPECT_TRUE(all[1].objects.empty());
}

TEST_F(BoxesFile, RawPicturesHaveNoPadding) {
  const Nv12Layout layout = nv12_layout(6, 4);
  ASSERT_GT(layout.pitch, 6);
  std::vector<std::byte> picture(layout.bytes(), std::byte{255});
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 6; ++x)
      picture[static_cast<std::size_t>(y * layout.pitch + x)] = static_cast<std::byte>(10 * y + x);
  RawPicturesWriter writer(folder_);
  writer.add(layout, picture.data());
  writer.add(layout, picture.data());
  std::ifstream in(folder_ / RawPicturesWriter::kName, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  ASSERT_EQ(bytes.size(), 2u * 6 * 6);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    EXPECT_EQ(bytes[i], static_cast<char>(10 * (i % 36 / 6) + i % 6)) << i;
}

TEST_F(BoxesFile, SaysWhichLineIsWrongAndWhy) {
  const std::string good = R"({"picture": "a.png", "objects": []})"
                           "\n";
  const auto object = [](const char* text) {
    return std::string(R"({"picture": "a.png", "objects": [)") + text + "]}";
  };
  const std::vector<std::pair<std::string, const char*>> all{
      {"no json", "parse error"},
      {R"({"objects": []})", "picture"},
      {R"({"picture": "a.png"})", "objects"},
      {R"({"picture": 7, "objects": []})", "string"},
      {R"({"picture": "p.nv12", "index": 0, "objects": []})", "width and height"},
      {R"({"picture": "p.nv12", "index": 0, "width": 99999, "height": 2, "objects": []})", "16384"},
      {object(R"({"class": "goat", "box": [0, 0, 1, 1]})"), "goat"},
      {object(R"({"class": "ball", "box": [0, 0, 1]})"), "boxes.jsonl:2"},
      {object(R"({"class": "ball", "box": [5, 0, 1, 1]})"), "left, top, right, bottom"},
      {object(R"({"class": "ball", "box": [0, 0, 1, 1], "visible": 1.5})"), "visible"},
      {object(R"({"class": "ball", "box": [0, 0, null, 1]})"), "null"},
      {object(R"({"class": "ball"})"), "box"}};
  for (const auto& [line, word] : all) {
    const std::string said = refusal(good + line);
    EXPECT_NE(said.find("boxes.jsonl:2"), std::string::npos) << line << ": " << said;
    EXPECT_NE(said.find(word), std::string::npos) << line << ": " << said;
  }
  EXPECT_NE(refusal("").find("no picture"), std::string::npos);
  EXPECT_EQ(refusal(good), "accepted");
  fs::remove(folder_ / "boxes.jsonl");
  EXPECT_THROW(read_boxes(folder_), std::runtime_error);
}

TEST_F(BoxesFile, FoldersThatCannotBeWrittenAreNamed) {
  for (const auto& make : {+[](const fs::path& f) { BoxesWriter w(f); },
                           +[](const fs::path& f) { RawPicturesWriter w(f); }})
    try {
      make(folder_ / "absent");
      ADD_FAILURE() << "was accepted";
    } catch (const std::runtime_error& e) {
      EXPECT_NE(std::string(e.what()).find("cannot be written"), std::string::npos) << e.what();
    }
}

}  // namespace
}  // namespace gantry
