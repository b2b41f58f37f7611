// A kernel of its own for a program of elementwise rows: its text is written from the program's lines, in terms of
// cuda/generated.h, and compiled at run time.
#pragma once

#include "cuda/program.h"

namespace addax::cuda {

/// Runs a program, which stores all its results, over so many values. False: nothing has been done, since there is no
/// compiler or it did not take the text; the interpreter gives the same bits.
bool run_generated(const Program& program, int sources, int results, int64_t count);

}  // namespace addax::cuda
