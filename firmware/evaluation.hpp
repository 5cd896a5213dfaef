// How good a detector is: what it found in pictures beside what is in them.
//
// Objects of which less than half is visible, and persons below kLeastPerson, are not asked for, but
// finding them is not wrong. A ball is found when a detection's centre lies within its box, or within
// kBallReach of its centre where that is more; a person when intersection over union is 0.5 or more.
// The most confident detection goes first, and each object is found once.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <span>
#include <string>
#include <vector>

#include "hal/camera/sim_boxes.hpp"
#include "pipeline/detections.hpp"

namespace gantry {

struct EvaluationLimits {
  float ball_confidence = 0.35f, person_confidence = 0.45f;  // what counts as found
};

// What a detector did with one object: for lists of the worst.
struct Mistake {
  enum class Kind { missed_ball, false_ball, missed_person } kind;
  double x = 0, y = 0;  // picture pixels
  double weight = 0;    // the worse, the more: confidence, or diameter or height in pixels
};

class Evaluation {
 public:
  static constexpr double kSeen = 0.5, kLeastPerson = 12, kBallReach = 3;
  static constexpr double kPanoramaPixels = 5700.0 * 1900;

  explicit Evaluation(const EvaluationLimits& limits) : limits_(limits) {}

  // One picture. `found`: all above a confidence well below the limits, for the average precision.
  // Answers its mistakes; valid until the next call.
  std::span<const Mistake> add(std::span<const SimObject> truth, std::span<const Detection> found,
                               int width, int height);

  struct Count {
    double from = 0, to = 0;  // pixels, of a ball's diameter or a person's height
    int asked = 0, found = 0, wrong = 0;
    double recall() const { return asked ? static_cast<double>(found) / asked : 0; }
    // Of what was found at this size.
    double precision() const {
      return found + wrong ? static_cast<double>(found) / (found + wrong) : 0;
    }
  };
  std::span<const Count> balls() const { return balls_; }
  std::span<const Count> persons() const { return persons_; }
  // Area under precision over recall, all points, precision made to fall.
  double person_average_precision() const;
  double false_balls_per_panorama() const;  // of kPanoramaPixels, by area

  // Balls as they would count from another confidence on.
  struct BallTrade {
    double small = 0, large = 0;  // recall of 5 to 8 pixels, and from 8
    double false_per_panorama = 0;
  };
  BallTrade ball_trade(double confidence) const;
  std::string text() const;

 private:
  struct Scored {
    float confidence = 0;
    bool right = false;
  };
  struct SeenBall {
    float confidence = 0;
    enum class Is { wrong, small, large, other } is = Is::wrong;
  };
  void match(std::span<const SimObject> truth, std::span<const Detection> found, bool balls);

  EvaluationLimits limits_;
  std::array<Count, 6> balls_{{{0, 4}, {4, 5}, {5, 8}, {8, 12}, {12, 20}, {20, 1e9}}};
  std::array<Count, 5> persons_{{{12, 20}, {20, 40}, {40, 80}, {80, 160}, {160, 1e9}}};
  std::vector<Scored> scored_;  // persons
  std::vector<SeenBall> seen_balls_;
  int persons_asked_ = 0, small_asked_ = 0, large_asked_ = 0, pictures_ = 0, false_balls_ = 0;
  double pixels_ = 0;
  std::vector<Mistake> mistakes_;
};

}  // namespace gantry
