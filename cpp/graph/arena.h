// Memory for what lives inside of a run. Idle runs keep theirs until another plan needs it, so that many plans, such as
// those of many lengths, or of training and evaluation, take no more than those that run at the same time.
#pragma once

#include "addax/tensor.h"

namespace addax {

class Arena {
 public:
  /// `shared`: whether others may take the memory while it is idle.
  Arena(int64_t bytes, Device device, bool shared);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// The memory, which nobody takes until give() is called: that of the use before, if nobody has taken it.
  void* take();
  /// The memory may be taken by others.
  void give();

 private:
  friend class IdleArenas;
  const int64_t bytes_;
  const Device device_;
  const bool shared_;
  Tensor memory_;
};

}  // namespace addax
