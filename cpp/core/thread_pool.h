// The pool behind parallel_for: workers sleep on a condition variable when there is nothing to do.
#pragma once

namespace addax {

/// Threads to start with: ADDAX_NUM_THREADS, else the number of physical cores this process may run on.
int default_num_threads();

}  // namespace addax
