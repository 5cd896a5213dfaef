// Head decoders: known boxes are encoded into tensors of each layout and must come back.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/head_decoder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace gantry {
namespace {

constexpr std::array<float, kObjectClasses> kLeast{0.3f, 0.4f, 0.5f, 0.6f};
const std::vector<ClassMapping> kFive{{0, ObjectClass::ball},
                                      {1, ObjectClass::person},
                                      {3, ObjectClass::referee},
                                      {4, ObjectClass::other}};

struct Known {
  NetworkBox box;
  std::size_t anchor = 0;
  std::size_t network_class = 0;
};

// Boxes at random anchors, every class, confidences on both sides of the thresholds.
std::vector<Known> known_boxes(std::size_t anchors, int count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  std::vector<std::size_t> at(anchors);
  for (std::size_t i = 0; i < anchors; ++i) at[i] = i;
  std::shuffle(at.begin(), at.end(), random);
  std::vector<Known> known;
  for (int i = 0; i < count; ++i) {
    Known k;
    k.anchor = at[static_cast<std::size_t>(i)];
    k.network_class = random() % 5;
    k.box = {unit(random) * 320,    unit(random) * 192,          4 + unit(random) * 60,
             4 + unit(random) * 90, 0.2f + unit(random) * 0.79f, ObjectClass::other};
    known.push_back(k);
  }
  return known;
}

// What must come back, by confidence.
std::vector<NetworkBox> wanted(const std::vector<Known>& known) {
  std::vector<NetworkBox> boxes;
  for (const Known& k : known)
    for (const ClassMapping& m : kFive)
      if (static_cast<std::size_t>(m.network) == k.network_class &&
          k.box.confidence >= kLeast[static_cast<std::size_t>(m.object)]) {
        boxes.push_back(k.box);
        boxes.back().object = m.object;
      }
  return boxes;
}

void expect_same(std::vector<NetworkBox> got, std::vector<NetworkBox> want,
                 float tolerance = 1e-4f) {
  const auto by_place = [](const NetworkBox& a, const NetworkBox& b) {
    return a.confidence < b.confidence;
  };
  std::ranges::sort(got, by_place);
  std::ranges::sort(want, by_place);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].x, want[i].x, tolerance * std::max(1.0f, want[i].x));
    EXPECT_NEAR(got[i].y, want[i].y, tolerance * std::max(1.0f, want[i].y));
    EXPECT_NEAR(got[i].width, want[i].width, tolerance * want[i].width);
    EXPECT_NEAR(got[i].height, want[i].height, tolerance * want[i].height);
    EXPECT_NEAR(got[i].confidence, want[i].confidence, 1e-5f);
    EXPECT_EQ(got[i].object, want[i].object);
  }
}

std::vector<NetworkBox> run(const HeadDecoder& decoder, std::vector<const float*> outputs,
                            int batch) {
  auto boxes = std::make_unique<NetworkBoxes>();
  decoder.decode(outputs, batch, *boxes);
  return {boxes->view().begin(), boxes->view().end()};
}

constexpr std::size_t kCells = 40 * 24 + 20 * 12 + 10 * 6;  // of 320x192

// A tensor of two batch elements; the second holds the boxes, the first is noise below threshold.
struct Tensor {
  std::size_t anchors, channels;
  bool channels_first;
  std::vector<float> values;
  Tensor(std::size_t n, std::size_t c, bool first)
      : anchors(n), channels(c), channels_first(first), values(2 * n * c) {
    std::mt19937 random(7);
    for (float& v : values) v = static_cast<float>(random() % 1000) * 1e-4f;
  }
  float& at(std::size_t anchor, std::size_t channel) {
    return values[anchors * channels +
                  (channels_first ? channel * anchors + anchor : anchor * channels + channel)];
  }
  HeadTensor head(const char* name) const {
    const auto n = static_cast<std::int64_t>(anchors), c = static_cast<std::int64_t>(channels);
    if (channels_first) return {name, {2, c, n}};
    return {name, {2, n, c}};
  }
};

void put_box(Tensor& t, const Known& k) {
  t.at(k.anchor, 0) = k.box.x;
  t.at(k.anchor, 1) = k.box.y;
  t.at(k.anchor, 2) = k.box.width;
  t.at(k.anchor, 3) = k.box.height;
}

TEST(HeadDecoder, Yolov8InBothLayouts) {
  for (const bool channels_first : {true, false}) {
    Tensor t(kCells, 4 + 5, channels_first);
    const auto known = known_boxes(kCells, 200, 1);
    for (const Known& k : known) {
      put_box(t, k);
      t.at(k.anchor, 4 + k.network_class) = k.box.confidence;
    }
    const HeadTensor head = t.head("output0");
    const HeadDecoder decoder(channels_first ? Head::automatic : Head::yolov8, {&head, 1}, 320, 192,
                              kFive, kLeast);
    EXPECT_EQ(decoder.head(), Head::yolov8);
    EXPECT_EQ(decoder.classes(), 5);
    expect_same(run(decoder, {t.values.data()}, 1), wanted(known));
    EXPECT_TRUE(run(decoder, {t.values.data()}, 0).empty());
  }
}

TEST(HeadDecoder, AClassThatIsNotMappedWinsWhereItIsHigher) {
  Tensor t(64, 9, true);
  Known k{{10, 10, 5, 5, 0.8f, {}}, 3, 1};
  put_box(t, k);
  t.at(3, 5) = 0.8f;
  const HeadTensor head = t.head("o");
  const HeadDecoder decoder(Head::automatic, {&head, 1}, 64, 64, kFive, kLeast);
  EXPECT_EQ(run(decoder, {t.values.data()}, 1).size(), 1u);
  t.at(3, 4 + 2) = 0.9f;
  EXPECT_TRUE(run(decoder, {t.values.data()}, 1).empty());
}

TEST(HeadDecoder, EveryClassCompetesWhereThousandsOfAnchorsAreHigh) {
  for (const bool channels_first : {true, false}) {
    Tensor t(3000, 4 + 5, channels_first);
    std::mt19937 random(3);
    std::uniform_real_distribution<float> unit(0, 1);
    std::vector<NetworkBox> want;
    for (std::size_t a = 0; a < t.anchors; ++a) {
      const NetworkBox box{unit(random) * 300, unit(random) * 180, 10, 20, 0, {}};
      put_box(t, {box, a, 0});
      for (std::size_t c = 0; c < 5; ++c)  // 2 is not mapped and mostly the highest
        t.at(a, 4 + c) = c == 2 ? 0.95f + 0.05f * unit(random) : 0.5f + 0.48f * unit(random);
      std::size_t best = 0;
      for (std::size_t c = 1; c < 5; ++c)
        if (t.at(a, 4 + c) > t.at(a, 4 + best)) best = c;
      for (const ClassMapping& m : kFive)
        if (static_cast<std::size_t>(m.network) == best) {
          want.push_back(box);
          want.back().confidence = t.at(a, 4 + best);
          want.back().object = m.object;
        }
    }
    ASSERT_GT(want.size(), 100u);
    ASSERT_LT(want.size(), NetworkBoxes::kCapacity);
    const HeadTensor head = t.head("output0");
    const HeadDecoder decoder(Head::yolov8, {&head, 1}, 320, 192, kFive, kLeast);
    expect_same(run(decoder, {t.values.data()}, 1), want);
  }
}

TEST(HeadDecoder, RivalsLeftForLaterComeToTheSame) {
  for (const bool channels_first : {true, false})
    for (const unsigned often : {9u, 2u}) {  // few strong anchors, and more than are left for later
      Tensor t(3000, 4 + 5, channels_first);
      std::mt19937 random(often);
      std::uniform_real_distribution<float> unit(0, 1);
      for (std::size_t a = 0; a < t.anchors; ++a) {
        put_box(t, {{unit(random) * 300, unit(random) * 180, 10, 20, 0, {}}, a, 0});
        for (std::size_t c = 0; random() % often == 0 && c < 5; ++c)
          t.at(a, 4 + c) = std::floor(unit(random) * 20) / 20;  // equal ones too
      }
      const HeadTensor head = t.head("output0");
      const HeadDecoder decoder(Head::yolov8, {&head, 1}, 320, 192, kFive, kLeast);
      auto boxes = std::make_unique<NetworkBoxes>();
      const std::vector<const float*> outputs{t.values.data()};
      decoder.decode_wanted(outputs, 1, *boxes);
      std::vector<NetworkBox> kept;
      for (const NetworkBox& b : boxes->view())
        if (!decoder.outranked(outputs, 1, b.anchor)) kept.push_back(b);
      const auto whole = run(decoder, outputs, 1);
      ASSERT_EQ(kept.size(), whole.size());
      EXPECT_EQ(boxes->view().size() > kept.size(), often == 9);
      for (std::size_t i = 0; i < kept.size(); ++i) {
        EXPECT_EQ(kept[i].anchor, whole[i].anchor);
        EXPECT_EQ(kept[i].confidence, whole[i].confidence);
        EXPECT_EQ(kept[i].object, whole[i].object);
      }
    }
}

TEST(HeadDecoder, Yolov5MultipliesObjectness) {
  Tensor t(3 * kCells, 5 + 5, false);
  const auto known = known_boxes(3 * kCells, 200, 2);
  for (const Known& k : known) {
    put_box(t, k);
    t.at(k.anchor, 4) = std::sqrt(k.box.confidence);
    t.at(k.anchor, 5 + k.network_class) = std::sqrt(k.box.confidence);
  }
  const HeadTensor head = t.head("output");
  const HeadDecoder decoder(Head::automatic, {&head, 1}, 320, 192, kFive, kLeast);
  EXPECT_EQ(decoder.head(), Head::yolov5);
  expect_same(run(decoder, {t.values.data()}, 1), wanted(known));
}

TEST(HeadDecoder, YoloxAddsTheGridAndRaisesTheLogarithms) {
  Tensor t(kCells, 5 + 5, false);
  const auto known = known_boxes(kCells, 200, 3);
  for (const Known& k : known) {
    // The cell's place and stride, counted by hand.
    std::size_t first = 0;
    for (const auto& [stride, columns, rows] :
         {std::array<std::size_t, 3>{8, 40, 24}, {16, 20, 12}, {32, 10, 6}}) {
      for (std::size_t y = 0; y < rows; ++y)
        for (std::size_t x = 0; x < columns; ++x)
          if (first + y * columns + x == k.anchor) {
            const auto s = static_cast<float>(stride);
            t.at(k.anchor, 0) = k.box.x / s - static_cast<float>(x);
            t.at(k.anchor, 1) = k.box.y / s - static_cast<float>(y);
            t.at(k.anchor, 2) = std::log(k.box.width / s);
            t.at(k.anchor, 3) = std::log(k.box.height / s);
          }
      first += columns * rows;
    }
    t.at(k.anchor, 4) = 0.999f;
    t.at(k.anchor, 5 + k.network_class) = k.box.confidence / 0.999f;
  }
  const HeadTensor head = t.head("output");
  const HeadDecoder decoder(Head::yolox, {&head, 1}, 320, 192, kFive, kLeast);
  expect_same(run(decoder, {t.values.data()}, 1), wanted(known));
}

TEST(HeadDecoder, EndToEndTakesCorners) {
  Tensor t(300, 6, false);
  for (std::size_t i = 0; i < 300; ++i) t.at(i, 4) = 0;
  const auto known = known_boxes(300, 40, 4);
  for (const Known& k : known) {
    t.at(k.anchor, 0) = k.box.x - k.box.width / 2;
    t.at(k.anchor, 1) = k.box.y - k.box.height / 2;
    t.at(k.anchor, 2) = k.box.x + k.box.width / 2;
    t.at(k.anchor, 3) = k.box.y + k.box.height / 2;
    t.at(k.anchor, 4) = k.box.confidence;
    t.at(k.anchor, 5) = static_cast<float>(k.network_class);
  }
  t.at(known[0].anchor == 0 ? 1 : 0, 5) = -1;  // a class that cannot be
  const HeadTensor head = t.head("output0");
  const HeadDecoder decoder(Head::automatic, {&head, 1}, 320, 192, kFive, kLeast);
  EXPECT_EQ(decoder.head(), Head::end_to_end);
  auto want = wanted(known);
  for (float nan = std::nanf(""); const std::size_t i : {4u, 5u}) t.values[i] = nan;
  expect_same(run(decoder, {t.values.data()}, 1), want, 1e-3f);
}

TEST(HeadDecoder, FootAndBallTakesPeaksOfTheMaps) {
  std::vector<float> boxes(64 * 64 * 4), players(64 * 64 * 2), balls(256 * 256 * 2);
  const auto set = [](std::vector<float>& map, int columns, int x, int y, float score) {
    map[static_cast<std::size_t>((y * columns + x) * 2)] = 1 - score;
    map[static_cast<std::size_t>((y * columns + x) * 2 + 1)] = score;
  };
  set(players, 64, 10, 20, 0.9f);
  set(players, 64, 11, 20, 0.8f);  // beside a higher one
  set(players, 64, 63, 63, 0.7f);
  set(balls, 256, 100, 50, 0.6f);
  set(balls, 256, 101, 50, 0.6f);  // as high: one of them counts
  set(balls, 256, 0, 0, 0.2f);     // too low
  float* box = &boxes[(20 * 64 + 10) * 4];
  box[0] = 0.01f, box[1] = -0.02f, box[2] = 0.03f, box[3] = 0.08f;
  box = &boxes[(63 * 64 + 63) * 4];
  box[2] = 0.02f, box[3] = 0.05f;
  const std::vector<HeadTensor> heads{{"player_bbox", {1, 64, 64, 4}},
                                      {"player_conf", {1, 64, 64, 2}},
                                      {"ball_conf", {1, 256, 256, 2}}};
  const HeadDecoder decoder(Head::automatic, heads, 1024, 1024, {}, kLeast);
  EXPECT_EQ(decoder.head(), Head::footandball);
  expect_same(run(decoder, {boxes.data(), players.data(), balls.data()}, 0),
              {{10.5f * 16 + 12.8f, 20.5f * 16 - 14.4f, 38.4f, 57.6f, 0.9f, ObjectClass::person},
               {63.5f * 16, 63.5f * 16, 25.6f, 36, 0.7f, ObjectClass::person},
               {402, 202, 40, 40, 0.6f, ObjectClass::ball}});
}

TEST(HeadDecoder, FullListsKeepTheBestInAnyOrder) {
  std::mt19937 random(5);
  std::vector<NetworkBox> all;
  for (int i = 0; i < 10'000; ++i)
    all.push_back({static_cast<float>(i), 1, 2, 2, static_cast<float>(random() % 5000 + 1) / 5001,
                   ObjectClass::person});
  const auto sum = [&] {
    auto boxes = std::make_unique<NetworkBoxes>();
    for (const NetworkBox& b : all) boxes->add(b);
    EXPECT_EQ(boxes->view().size(), NetworkBoxes::kCapacity);
    EXPECT_EQ(boxes->overflowed(), 10'000 - NetworkBoxes::kCapacity);
    std::vector<float> places;
    for (const NetworkBox& b : boxes->view()) places.push_back(b.x);
    std::ranges::sort(places);
    return places;
  };
  const auto first = sum();
  std::shuffle(all.begin(), all.end(), random);
  EXPECT_EQ(sum(), first);
  std::ranges::sort(all, std::greater<>(), &NetworkBox::confidence);
  const float least = all[NetworkBoxes::kCapacity - 1].confidence;
  std::ranges::sort(all, {}, &NetworkBox::x);
  for (const float x : first) EXPECT_GE(all[static_cast<std::size_t>(x)].confidence, least);
}

TEST(HeadDecoder, ValuesThatAreNotNumbersGiveNoBox) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  Tensor t(kCells, 9, true);
  for (std::size_t a = 0; a < kCells; ++a) {
    for (std::size_t c = 0; c < 4; ++c) t.at(a, c) = 20;
    t.at(a, 4) = 0.9f;
    if (a % 5 == 4)
      t.at(a, 4) = kNan;
    else
      t.at(a, a % 5) = a % 2 ? kNan : kInfinite;
  }
  const HeadTensor head = t.head("o");
  const HeadDecoder decoder(Head::automatic, {&head, 1}, 320, 192, kFive, kLeast);
  EXPECT_TRUE(run(decoder, {t.values.data()}, 1).empty());
}

std::string refusal(Head head, const std::vector<HeadTensor>& outputs, int size,
                    const std::vector<ClassMapping>& classes = kFive,
                    std::array<float, kObjectClasses> least = kLeast) {
  try {
    HeadDecoder decoder(head, outputs, size, size, classes, least);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
}

TEST(HeadDecoder, SaysWhatIsAmbiguousAndWhatIsWrong) {
  const std::string both = refusal(Head::automatic, {{"output", {1, 3549, 85}}}, 416);
  EXPECT_NE(both.find("output 1x3549x85"), std::string::npos) << both;
  EXPECT_NE(both.find("\"yolox\""), std::string::npos) << both;
  EXPECT_NE(both.find("key head"), std::string::npos) << both;
  EXPECT_EQ(refusal(Head::yolox, {{"output", {1, 3549, 85}}}, 416), "accepted");
  EXPECT_NE(refusal(Head::yolox, {{"output", {1, 3549, 85}}}, 640).find("8400"), std::string::npos);
  EXPECT_NE(refusal(Head::automatic, {{"a", {1, 77, 12}}}, 640).find("no known head"),
            std::string::npos);
  EXPECT_NE(refusal(Head::automatic, {}, 640).find("outputs are none"), std::string::npos);
  EXPECT_NE(
      refusal(Head::automatic, {{"a", {1, 84, 8400}}, {"b", {1, 84, 8400}}}, 640).find("one of"),
      std::string::npos);
  EXPECT_NE(refusal(Head::yolov8, {{"a", {1, 4, 8400}}}, 640).find("more than 4"),
            std::string::npos);
  EXPECT_NE(refusal(Head::footandball, {{"a", {1, 40, 40, 4}}}, 640).find("1x40x40x4"),
            std::string::npos);
  EXPECT_NE(refusal(Head::yolov8, {{"a", {1, 7, 8400}}}, 640).find("class 3"), std::string::npos);
  EXPECT_NE(refusal(Head::yolov8, {{"a", {1, 9, 8400}}}, 640, {}).find("key classes"),
            std::string::npos);
  EXPECT_NE(refusal(Head::yolov8, {{"a", {1, 9, 8400}}}, 640,
                    {{1, ObjectClass::ball}, {1, ObjectClass::person}})
                .find("mapped twice"),
            std::string::npos);
  EXPECT_NE(
      refusal(Head::yolov8, {{"a", {1, 9, 8400}}}, 640, kFive, {0, 1, 1, 1}).find("confidence"),
      std::string::npos);
  EXPECT_EQ(refusal(Head::automatic, {{"a", {1, 84, 8400}}}, 640, {}), "accepted") << "COCO";
}

// Two classes in maps of different cells, two pictures; each class has a peak with weaker neighbours,
// a peak below its limit, and one at the map's corner.
TEST(HeadDecoder, CentreMapsGiveTheirPeaks) {
  struct Map {
    int columns, rows;
    std::vector<float> score, box;
    Map(int c, int r) : columns(c), rows(r), score(2 * cells(), 0.01f), box(8 * cells()) {}
    std::size_t cells() const { return static_cast<std::size_t>(columns * rows); }
    void set(int picture, int x, int y, float confidence, const std::array<float, 4>& values) {
      const auto at = static_cast<std::size_t>(y * columns + x);
      score[static_cast<std::size_t>(picture) * cells() + at] = confidence;
      for (std::size_t c = 0; c < 4; ++c)
        box[(static_cast<std::size_t>(picture) * 4 + c) * cells() + at] = values[c];
    }
  };
  Map balls(40, 24), persons(20, 12);  // of 160 x 96: cells of 4 and of 8
  balls.set(0, 10, 5, 0.9f, {0.25f, -0.5f, std::log(1.5f), std::log(2.0f)});
  balls.set(0, 11, 5, 0.8f, {});
  balls.set(0, 9, 6, 0.9f, {});  // as high, but later: no peak
  balls.set(0, 30, 5, 0.29f, {});
  balls.set(1, 39, 23, 0.5f, {});
  persons.set(0, 0, 0, 0.45f, {0, 0, std::log(2.0f), std::log(5.0f)});
  persons.set(0, 3, 0, std::nanf(""), {});
  persons.set(1, 7, 7, 0.7f, {std::nanf(""), 0, 0, 0});
  const std::vector<HeadTensor> shapes{{"ball.score", {2, 1, 24, 40}},
                                       {"ball.box", {2, 4, 24, 40}},
                                       {"person.score", {2, 1, 12, 20}},
                                       {"person.box", {2, 4, 12, 20}}};
  const std::vector<ClassMapping> two{{0, ObjectClass::ball}, {1, ObjectClass::person}};
  const HeadDecoder decoder(Head::automatic, shapes, 160, 96, two, kLeast);
  EXPECT_EQ(decoder.head(), Head::centre_maps);
  EXPECT_EQ(decoder.bytes(), 4u * 5 * (40 * 24 + 20 * 12));
  const std::vector<const float*> outputs{balls.score.data(), balls.box.data(),
                                          persons.score.data(), persons.box.data()};
  NetworkBoxes first, second;
  decoder.decode(outputs, 0, first);
  expect_same(
      {first.view().begin(), first.view().end()},
      {{43, 20, 6, 8, 0.9f, ObjectClass::ball}, {4, 4, 16, 40, 0.45f, ObjectClass::person}});
  decoder.decode(outputs, 1, second);
  expect_same({second.view().begin(), second.view().end()},
              {{158, 94, 4, 4, 0.5f, ObjectClass::ball}});

  for (const auto& [shape, word] :
       {std::pair{std::vector<std::int64_t>{2, 1, 12, 21}, "squares"},
        std::pair{std::vector<std::int64_t>{2, 2, 12, 20}, "Bx1xhxw"}}) {
    auto wrong = shapes;
    wrong[2].shape = shape;
    try {
      HeadDecoder(Head::centre_maps, wrong, 160, 96, two, kLeast);
      ADD_FAILURE() << word << " was accepted";
    } catch (const std::invalid_argument& e) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(HeadDecoder(Head::centre_maps, std::span(shapes).first(3), 160, 96, two, kLeast),
               std::invalid_argument);
}

TEST(HeadDecoder, HeadsHaveNames) {
  for (const Head h : {Head::automatic, Head::yolov8, Head::yolov5, Head::yolox, Head::end_to_end,
                       Head::footandball, Head::centre_maps})
    EXPECT_EQ(parse_head(name_of(h)), h);
  EXPECT_THROW(parse_head("yolo"), std::invalid_argument);
}

TEST(HeadDecoder, ClassesAreFoundByName) {
  const auto coco =
      classes_from_names(R"({0: 'person', 1: 'bicycle', 32: 'sports ball', 40: "x"})");
  ASSERT_EQ(coco.size(), 2u);
  EXPECT_EQ(coco[0].network, 0);
  EXPECT_EQ(coco[0].object, ObjectClass::person);
  EXPECT_EQ(coco[1].network, 32);
  EXPECT_EQ(coco[1].object, ObjectClass::ball);
  const auto match = classes_from_names("{0: 'ball', 1: 'player', 2: 'staff', 3: 'side_referee'}");
  ASSERT_EQ(match.size(), 3u);
  EXPECT_EQ(match[2].network, 3);
  EXPECT_EQ(match[2].object, ObjectClass::referee);
  EXPECT_TRUE(classes_from_names("").empty());
  EXPECT_TRUE(classes_from_names("{0: 'cut short").empty());
  EXPECT_TRUE(classes_from_names("99999999999999999999999").empty());
}

}  // namespace
}  // namespace gantry
