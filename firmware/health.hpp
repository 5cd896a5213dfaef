// Whether everything that must progress does: looks at counts of work done, not at being alive.
//
// A part is well if it progressed within its allowance or has nothing to do; its first step may take
// longer, for drivers compile kernels when they first run them. Whoever feeds a watchdog
// does so only while all parts are well; the log names who is not.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry {

class Health {
 public:
  // What a part says of itself: any number that grows as work is done, and whether there is none.
  struct Sign {
    std::uint64_t progress = 0;
    bool idle = false;
  };

  // Set-up. `sign` is called by check(), and must not wait.
  void add(std::string name, std::int64_t allowance_ns, std::function<Sign()> sign);

  // True if all are well; else stalled() names who is not, each logged once until it is well again.
  // Now and then, always by the same thread. If the calls themselves were far apart (the process was
  // stopped, the machine slept) everyone's time begins anew.
  bool check(std::int64_t now_ns);
  // "stitch, encode 0"; empty if all were well at the last check.
  const std::string& stalled() const { return stalled_; }

  static constexpr std::int64_t kLongestPause_ns = 2'000'000'000;  // between calls of check()
  static constexpr std::int64_t kFirstStep_ns =
      60'000'000'000;  // the least allowance of a first step

 private:
  struct Part {
    std::string name;
    std::int64_t allowance_ns;
    std::function<Sign()> sign;
    std::uint64_t progress = 0;
    std::int64_t well_ns = 0;  // when it last was
    bool began = false;        // has made its first step
    bool stalled = false;
  };
  void look_at(Part& part, std::int64_t now_ns);

  std::vector<Part> parts_;
  std::int64_t checked_ns_ = INT64_MIN;
  std::string stalled_;
};

}  // namespace gantry
