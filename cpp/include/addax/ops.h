// Every op as a C++ function, by family.
#pragma once

#include "addax/ops/attention.h"
#include "addax/ops/conv.h"
#include "addax/ops/elementwise.h"
#include "addax/ops/index.h"
#include "addax/ops/loss.h"
#include "addax/ops/matmul.h"
#include "addax/ops/movement.h"
#include "addax/ops/norm.h"
#include "addax/ops/pool.h"
#include "addax/ops/random.h"
#include "addax/ops/reduce.h"
#include "addax/ops/rnn.h"
#include "addax/ops/sort.h"
