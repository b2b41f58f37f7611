// Whether runs are quicker with the pool or on the calling thread alone, found by trying. A core that is far from the
// first, shares its units or has other work helps small kernels less than they pay for what goes between the two.
// Results do not depend on it: how work is cut does not.
#pragma once

#include <algorithm>
#include <limits>

namespace addax {

class ThreadChoice {
 public:
  /// Whether the next run should do without the pool.
  bool alone() const { return trial_ > 0 ? !alone_ : alone_; }

  /// What that run took.
  void took(double seconds) {
    if (trial_ > 0) {
      if (trial_ < kTrial) tried_ = std::min(tried_, seconds);
      if (--trial_ == 0 || seconds > kHopeless * usual()) conclude();
      return;
    }
    last_[runs_++ % 2] = seconds;
    const bool slower = runs_ >= kLeastWait && usual() > kSlower * before_;
    if ((runs_ >= wait_ || slower) && (alone_ || usual() < kLongest)) {
      trial_ = kTrial;
      tried_ = std::numeric_limits<double>::infinity();
    }
  }

 private:
  static constexpr int kTrial = 3;  // runs the other way, of which the first, that brings data over, does not count
  static constexpr int kLeastWait = 32, kMostWait = 1024, kMostAlone = 128;  // runs between trials
  static constexpr double kBetter = 0.95, kSlower = 1.25;                    // factors of time that count as a change
  static constexpr double kHopeless = 1.5;                                   // that ends a trial
  static constexpr double kLongest = 4e-3;                                   // seconds; longer runs always gain

  double usual() const { return std::min(last_[0], last_[1]); }

  void conclude() {
    trial_ = 0;
    if (tried_ < kBetter * usual()) {
      alone_ = !alone_;
      last_[0] = last_[1] = tried_;
      wait_ = kLeastWait;
    } else {
      wait_ = std::min(2 * wait_, alone_ ? kMostAlone : kMostWait);
    }
    before_ = usual();
    runs_ = 0;
  }

  bool alone_ = false;
  int trial_ = 0;                                            // runs that are left of one
  int runs_ = 0, wait_ = kLeastWait;                         // since the last trial, and until the next
  double last_[2] = {0, 0};                                  // seconds of the last two runs
  double tried_ = 0;                                         // of the trial's best
  double before_ = std::numeric_limits<double>::infinity();  // what runs took at the last trial
};

}  // namespace addax
