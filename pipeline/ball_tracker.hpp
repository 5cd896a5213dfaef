// The ball's path through a window of detections: all hypotheses are scored together.
//
// How: every candidate of every instant is a node, and ways lead to it from nodes before it, over any
// number of instants at which the ball was hidden. A way is smooth (the node lies where motion without
// a touch would have brought the ball: rolling, or in flight, with gravity, and bounced where the
// ground is) or a kick, which costs more the faster it is and where nobody is near to kick, and is
// impossible above the speed of any ball. So a single false ball never pays for the way there and
// back, while reversals are as good as any kick.
//
// Candidates that go on smoothly make a chain. The ball cannot be in two places: whoever comes from
// elsewhere into a chain pays for the sights that it had by then, and whoever leaves it for those that
// it has afterwards. Chains that meet may be mixed up. What lies still repeats itself: it gains less.
//
// With every instant the best scores from the window's beginning to every node and from there to its
// end are found anew. The path is the best of all; it is trusted at an instant as far as it is better
// than the best of those that are elsewhere then.
//
// ball_tracker.cpp: sights; ball_steps.cpp: chains and ways; ball_path.cpp: the path.
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

// Where the ball was last surely seen; radians.
struct LastSight {
  bool known = false;  // false: nothing below means anything
  bool lay = false;    // it was at rest then
  double yaw = 0, pitch = 0;
  double gap_s = 0;  // from then to its next sure sight, or to the newest analysis
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
  // Its last sure sight before that instant, as long as it may still be there.
  LastSight last_sight(std::int64_t instant_ns) const noexcept;

 private:
  // From an earlier node.
  struct Way {
    std::int64_t instant = -1;  // absolute number
    int node = -1;
    double cost = 0;
    double score =
        0;  // of the best path on this way, without the gain of the node that it leads to
  };
  static constexpr int kWays = 4;  // to a node, the best ones of different chains
  struct Node {
    // What all steps ask for comes first.
    double yaw = 0, pitch = 0, cosine = 1;  // of the pitch
    double range = 0;                       // metres
    double before = 0,
           after = 0;  // best scores from the beginning to here, and from here to the end
    double gain = 0;   // what the sight by itself speaks for
    std::uint32_t chain = 0;
    bool lies = false;
    int way_count = 0, best_way = -1;
    int support = 0, sequel = 0;  // sights of the chain before this one and after it
    double yaw_speed = 0, pitch_speed = 0;
    double speed_error = 0;  // m/s, standard deviation
    double alone = 0;        // metres to the nearest person; 0 where nobody was seen
    double fall = 0;         // pitch of the ground below it, from its own
    std::array<Way, kWays> ways;
    std::int64_t chain_instant = -1;  // of the sight of the chain before this one; -1: none
    std::int64_t next_instant = -1;   // and of the one after it
    int chain_node = -1, next_node = -1;
    double diameter = 0;                      // radians
    double confidence = 0;                    // the detector's
    double origin_yaw = 0, origin_pitch = 0;  // where the chain was when it last moved
    std::int64_t still_since_ns = 0;
  };
  static_assert(kCandidates < 32);  // sets of them are bits
  struct Instant {
    std::int64_t capture_ns = 0;
    int count = 0;
    std::uint32_t lying = 0;  // a bit for each node that lies
    int chosen = -1;          // the node on the path
    double trust = 0;         // 0 … 1: that the path is where the ball is
    double best = 0;          // score of the best node up to here
    std::array<Node, kCandidates> nodes;
  };
  // Of the path at an instant; apart from it because all are gone through again and again.
  struct Place {
    std::int64_t capture_ns = 0;
    double yaw = 0, pitch = 0, cosine = 1;  // of the pitch
    double rival = 0;                       // score of the best path that is elsewhere
    double least_rival = 0;                 // none is less from here to an instant in work
  };
  // A place where something that looks like a ball lay while the ball was elsewhere.
  struct Spot {
    double yaw = 0, pitch = 0, sights = 0;
    std::int64_t last_ns = 0;
  };
  struct Step {
    double cost = 0;
    bool smooth = false;
    double vague = 0;  // how much less is expected of it than that it lies still
  };
  // Which steps are looked for: smooth ones, or those that lead to a score above.
  struct Wanted {
    bool smooth;
    double before, gap, score;
  };
  // From an earlier instant to now.
  struct Since {
    double dt = 0;     // seconds
    bool far = false;  // longer than any step is known over
    double gap = 0;    // the price of not being seen meanwhile
    double least = 0;  // of a step
  };
  struct Smooth {
    double off = 1e300, variance = 1;  // off: cost of being off where it would be
  };
  struct Link {
    double cost = 0, vague = 0;
    const Node* from = nullptr;  // none: a chain of its own
    std::int64_t instant = -1;
    int node = -1;
  };
  using Links = std::array<Link, 5>;  // of different chains, the last of none

  static std::size_t slot(std::int64_t number) noexcept {
    return static_cast<std::size_t>(number) % kInstants;
  }
  Instant& instant(std::int64_t number) noexcept { return ring_[slot(number)]; }
  const Instant& instant(std::int64_t number) const noexcept { return ring_[slot(number)]; }
  Place& place(std::int64_t number) noexcept { return places_[slot(number)]; }
  void forget_first() noexcept;
  void take_candidates(const Detections& found, std::span<const PersonState> people,
                       Instant& at) noexcept;
  double metres_to_nearest(const Node& node, std::span<const PersonState> people) const noexcept;
  void weigh(Node& node, std::int64_t now_ns) const noexcept;
  bool in_reach(const Node& from, const Node& to, double dt) const noexcept;
  bool step_between(const Node& from, const Node& to, double dt, const Wanted& wanted,
                    Step& step) const noexcept;
  static double turn_of(const Node& node) noexcept;
  Smooth smooth_between(const Node& from, double dt, double across, double up,
                        double range) const noexcept;
  static void add(const Link& link, Links& best) noexcept;
  void find_links(const Instant& now, std::int64_t number, std::span<Links> links) const noexcept;
  void chain(Instant& now, std::int64_t number) noexcept;
  void join(Node& node, const Link& onto, std::int64_t now_ns) noexcept;
  void add(const Way& way, Node& node) const noexcept;
  void find_ways(Instant& now, std::int64_t number) noexcept;
  bool ways_from(std::int64_t number, const Since& since, Node& node) const noexcept;
  void learn() noexcept;
  Spot* spot_at(double yaw, double pitch) noexcept;
  double cut(const Node& from, const Node& to) const noexcept;
  double unseen(double seconds) const noexcept;
  void look_back() noexcept;
  void look_ahead() noexcept;
  void choose_path() noexcept;
  void find_rivals() noexcept;
  void find_rival_ways(std::int64_t number, double least) noexcept;
  void find_rival_ends(double least) noexcept;
  void rival_between(const Node& from, const Node& to, std::int64_t begin, std::int64_t end,
                     double total) noexcept;
  static void rival_at(Place& path, double yaw, double pitch, double total) noexcept;
  bool trusted(std::int64_t number) const noexcept;
  bool speed_around(std::int64_t number, int side, double& yaw, double& pitch) const noexcept;
  std::int64_t first_after(std::int64_t instant_ns) const noexcept;

  BallTrackerConfig config_;
  PanoramaGeometry panorama_;
  Ground ground_;
  double sight_error_;  // radians
  std::vector<Instant> ring_;
  std::vector<Place> places_;         // of the same numbers
  std::int64_t first_ = 0, end_ = 0;  // numbers of the instants in the ring: [first_, end_)
  std::int64_t learned_ = 0;          // of those before the spots are known
  std::uint32_t chains_ = 0;
  std::array<Spot, 48> spots_{};
  double base_ = 0;      // the best score of what was forgotten
  double best_ = 0;      // the score of the path
  double evidence_ = 1;  // of one sight: less where analyses follow each other faster
};

}  // namespace gantry
