// One thread that runs a job beside the thread that started it.
#pragma once

#include <atomic>
#include <functional>

namespace addax {

/// Runs the job on the helper and sets `done` after it. False, and nothing is run, while the helper has another job.
/// The job must not throw.
bool start_on_helper(std::function<void()> job, std::atomic<bool>& done);
/// Returns once `done` is set.
void wait_for_helper(const std::atomic<bool>& done);

}  // namespace addax
