// The ball's path through a window of detections: all hypotheses are scored together.
//
// How: every candidate of every instant is a node. A node's score is the best, over the nodes before
// it, of their score plus what the step from there costs (a Viterbi search): steps go over any
// number of instants at which the ball was hidden. A step is smooth (the node lies where motion
// without a touch would have brought the ball: rolling, or in flight, with gravity, and bounced
// where the ground is) or a kick, which costs more the faster it is and where nobody is near to
// kick, and is impossible above the speed of any ball. So a single false ball never pays for the way
// there and back, while reversals are as good as any kick.
//
// Candidates that go on smoothly make a chain. Whoever comes from elsewhere into a chain that was
// there at the same time pays for every sight that it had by then: the ball cannot have been in two
// places. Chains and spots that were seen while the path was elsewhere are evidence against
// themselves, where they look less like a ball: they gain less, until the path itself leads into
// them, or the evidence has faded. What the path took from a chain that is so found out later is
// taken back. What lies still repeats itself: it gains half, but stays as trusted.
//
// ball_tracker.cpp: sights and evidence; ball_steps.cpp: chains and steps; ball_path.cpp: the path.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "hal/camera/rig.hpp"
#include "pipeline/detections.hpp"
#include "pipeline/ground.hpp"
#include "pipeline/tracks.hpp"

namespace gantry {

struct BallTrackerConfig {
  double confidence = 0.35;  // 0 … 1, of detections that count
  double fastest = 36;       // m/s, above 0
  double longest_gap_s = 3;  // steps over a longer one know nothing of where it went
};

class BallTracker {
 public:
  static constexpr std::size_t kInstants = 1024;  // 34 s at 30 analyses a second
  static constexpr int kCandidates = 20;          // of an instant; the most confident ones

  // Set-up. Allocates the window.
  BallTracker(const BallTrackerConfig& config, const PanoramaGeometry& panorama,
              const Ground& ground);

  // No allocation; bounded: at most kCandidates² steps per instant of the longest gap. `found` must
  // be later than all before it. `people`: on the field at that instant.
  void observe(const Detections& found, std::span<const PersonState> people) noexcept;
  void forget_before(std::int64_t capture_ns) noexcept;
  void clear() noexcept;

  // The ball at any instant, between or shortly beyond its sights.
  BallState at(std::int64_t instant_ns) const noexcept;

 private:
  struct Node {
    double yaw = 0, pitch = 0, yaw_speed = 0, pitch_speed = 0;
    double speed_error = 0;                // m/s, standard deviation
    double range = 0, diameter = 0;        // metres, radians
    double cosine = 1;                     // of the pitch
    double fall = 0;                       // pitch of the ground below it, from its own
    double confidence = 0;                 // the detector's
    double worth = 0;                      // of the sight by itself
    double gain = 0, score = 0, step = 0;  // step: the cost of the way here
    double alone = 0;                      // metres to the nearest person; 0 where nobody was seen
    std::int64_t previous_instant = -1;    // absolute numbers; -1: the path begins here
    int previous = -1;
    std::uint32_t chain = 0;
    std::int64_t chain_instant = -1;  // of the sight of the chain before this one; -1: none
    int chain_node = -1;
    int support = 0;                          // sights of the chain before this one
    double against = 0;                       // evidence against the chain
    double merit = 0;                         // mean confidence of the chain's latest sights
    double origin_yaw = 0, origin_pitch = 0;  // where the chain was when it last moved
    std::int64_t still_since_ns = 0;
  };
  struct Instant {
    std::int64_t capture_ns = 0;
    int count = 0;
    int chosen = -1;   // the node on the path
    double trust = 0;  // 0 … 1: in that node
    double best = 0;   // score of the best node up to here
    std::int64_t best_instant = -1;
    int best_node = -1;
    std::array<Node, kCandidates> nodes;
  };
  // A place where something that looks like a ball was seen while the ball was elsewhere.
  struct Spot {
    double yaw = 0, pitch = 0, weight = 0;
    std::int64_t last_ns = 0;
  };
  // How often a chain was seen while the path was surely elsewhere.
  struct Doubt {
    std::uint32_t chain = 0;
    double weight = 0;
  };
  struct Step {
    double cost = 0;
    bool smooth = false;
  };

  Instant& instant(std::int64_t number) noexcept { return ring_[number % kInstants]; }
  const Instant& instant(std::int64_t number) const noexcept { return ring_[number % kInstants]; }
  void take_candidates(const Detections& found, std::span<const PersonState> people,
                       Instant& at) noexcept;
  double metres_to_nearest(const Node& node, std::span<const PersonState> people) const noexcept;
  void weigh(Node& node, std::int64_t now_ns) const noexcept;
  bool step_between(const Node& from, const Node& to, double dt, Step& step) const noexcept;
  struct Link {
    double cost = 0;
    const Node* from = nullptr;  // none: a chain of its own
    std::int64_t instant = -1;
    int node = -1;
  };
  using Links = std::array<Link, 5>;  // of different chains, the last of none
  Links smoothest(const Node& node, std::int64_t number) const noexcept;
  void chain(Instant& now, std::int64_t number) noexcept;
  void join(Node& node, const Link& onto, std::int64_t now_ns) noexcept;
  void link(Node& node, std::int64_t number) noexcept;
  void choose_path() noexcept;
  void learn(Instant& now) noexcept;
  double& doubt_of(std::uint32_t chain) noexcept;
  bool doubted(std::uint32_t chain) const noexcept;
  Spot* spot_at(double yaw, double pitch) noexcept;
  double rival_of(const Instant& at) const noexcept;
  void weigh_path() noexcept;
  bool trusted(std::int64_t number) const noexcept;
  std::int64_t first_after(std::int64_t instant_ns) const noexcept;

  BallTrackerConfig config_;
  PanoramaGeometry panorama_;
  Ground ground_;
  double sight_error_;  // radians
  std::vector<Instant> ring_;
  std::int64_t first_ = 0, end_ = 0;  // numbers of the instants in the ring: [first_, end_)
  std::uint32_t chains_ = 0;
  double evidence_ = 1;  // of one sight: less where analyses follow each other faster
  std::array<Spot, 48> spots_{};
  std::array<Doubt, 256> doubts_{};  // of the chain with this number, modulo
};

}  // namespace gantry
