// CUDA kernels of the optimizer family: one launch for many variables. A table in its arguments says where each lies
// and with which tile of the launch it begins. Rates and steps stay on the device: the first thread of a block reads
// them. Gradients that stand as indices and updates are summed as the dense one would be, by the thread that needs
// them.
#include "cuda/convert.h"
#include "cuda/kernels.h"
#include "cuda/places.h"
#include "cuda/walk.h"
#include "ops/optimizer.h"

namespace addax::cuda {
namespace {

constexpr int kMaxStates = 4;
constexpr int64_t kTile = 4 * kThreads;
constexpr int kAtOnce = 32;  // variables of a launch

struct VariableOf {
  void* in[kMaxStates];
  void* out[kMaxStates];
  const void* gradient;
  int64_t n, first_tile;
};

// What all variables share. The rule's own numbers: see the rules below.
struct Update {
  VariableOf variables[kAtOnce];
  int count;
  int64_t tiles;
  Dtype dtype, rate_dtype, step_dtype;
  const void *rate, *step;
  double number[4];
  bool flag;
};

// A rule: `Shared` from the scalars, once per block, in doubles; then element by element in C.
struct Sgd {
  static constexpr int kStates = 1;
  template <class C>
  struct Shared {
    C rate;
    __device__ void set(const Update&, double rate_value, double) { rate = static_cast<C>(rate_value); }
  };
  template <class C>
  __device__ static void step(const Shared<C>& s, C (&state)[kMaxStates], C g) {
    state[0] = state[0] - s.rate * g;
  }
};

struct Momentum {
  static constexpr int kStates = 2;
  template <class C>
  struct Shared {
    C rate, momentum, keep, ahead;
    __device__ void set(const Update& u, double rate_value, double) {
      rate = static_cast<C>(rate_value);
      momentum = static_cast<C>(u.number[0]);
      keep = u.flag ? momentum : C(1);
      ahead = u.flag ? rate : C(0);
    }
  };
  template <class C>
  __device__ static void step(const Shared<C>& s, C (&state)[kMaxStates], C g) {
    const C velocity = s.momentum * state[1] - s.rate * g;
    state[0] = state[0] + (s.keep * velocity - s.ahead * g);
    state[1] = velocity;
  }
};

/// number: beta_1, beta_2, epsilon, weight decay.
template <bool kAmsgrad>
struct Adam {
  static constexpr int kStates = kAmsgrad ? 4 : 3;
  template <class C>
  struct Shared {
    C alpha, decay, epsilon, gain_1, gain_2;
    __device__ void set(const Update& u, double rate, double step) {
      alpha = static_cast<C>(rate * ::sqrt(1 - ::pow(u.number[1], step)) / (1 - ::pow(u.number[0], step)));
      decay = static_cast<C>(u.number[3] * rate);
      epsilon = static_cast<C>(u.number[2]);
      gain_1 = static_cast<C>(1 - u.number[0]);
      gain_2 = static_cast<C>(1 - u.number[1]);
    }
  };
  template <class C>
  __device__ static void step(const Shared<C>& s, C (&state)[kMaxStates], C g) {
    const C first = state[1] + (g - state[1]) * s.gain_1, second = state[2] + (g * g - state[2]) * s.gain_2;
    C root = second;
    if constexpr (kAmsgrad) root = state[3] = state[3] > second ? state[3] : second;
    state[0] = state[0] - state[0] * s.decay - first * s.alpha / (scalar::sqrt(root) + s.epsilon);
    state[1] = first;
    state[2] = second;
  }
};

/// number: rho, epsilon.
struct Rmsprop {
  static constexpr int kStates = 2;
  template <class C>
  struct Shared {
    C rate, rho, gain, epsilon;
    __device__ void set(const Update& u, double rate_value, double) {
      rate = static_cast<C>(rate_value);
      rho = static_cast<C>(u.number[0]);
      gain = static_cast<C>(1 - u.number[0]);
      epsilon = static_cast<C>(u.number[1]);
    }
  };
  template <class C>
  __device__ static void step(const Shared<C>& s, C (&state)[kMaxStates], C g) {
    const C velocity = s.rho * state[1] + s.gain * (g * g);
    state[0] = state[0] - s.rate * g / scalar::sqrt(velocity + s.epsilon);
    state[1] = velocity;
  }
};

/// number: rho, epsilon, momentum; flag: centered. What a variant leaves out keeps its state.
struct RmspropFull {
  static constexpr int kStates = 4;
  template <class C>
  struct Shared {
    C rate, rho, gain, epsilon, momentum, centered;
    bool moves;
    __device__ void set(const Update& u, double rate_value, double) {
      rate = static_cast<C>(rate_value);
      rho = static_cast<C>(u.number[0]);
      gain = static_cast<C>(1 - u.number[0]);
      epsilon = static_cast<C>(u.number[1]);
      momentum = static_cast<C>(u.number[2]);
      centered = u.flag ? C(1) : C(0);
      moves = u.number[2] > 0;
    }
  };
  template <class C>
  __device__ static void step(const Shared<C>& s, C (&state)[kMaxStates], C g) {
    const C velocity = s.rho * state[1] + s.gain * (g * g);
    const C average = state[3] + s.centered * s.gain * (g - state[3]);
    const C increment = s.rate * g / scalar::sqrt(velocity - s.centered * (average * average) + s.epsilon);
    const C moved = s.momentum * state[2] + increment;
    state[0] = state[0] - (s.moves ? moved : increment);
    state[1] = velocity;
    state[2] = s.moves ? moved : state[2];
    state[3] = average;
  }
};

// Element i of a variable's gradient.
template <class C>
struct Dense {
  __device__ C operator()(const VariableOf& v, Dtype dtype, int64_t i) const {
    return load_float<C>(v.gradient, dtype, i);
  }
};
// That of scatter_add to zeros, which has the dtype of the updates.
template <class C>
struct Scattered {
  Updates updates;
  __device__ C operator()(const VariableOf& v, Dtype dtype, int64_t i) const {
    const C sum = updates.sum(C(0), v.gradient, dtype, i);
    if (dtype == Dtype::Float16) return convert<C>(convert<Float16>(sum));
    if (dtype == Dtype::BFloat16) return convert<C>(convert<BFloat16>(sum));
    return sum;
  }
};

template <class Rule, class C, class Gradient>
__global__ void update_kernel(const __grid_constant__ Update u, Gradient gradient) {
  __shared__ typename Rule::template Shared<C> shared;
  if (threadIdx.x == 0)
    shared.set(u, load<double>(u.rate, u.rate_dtype, 0), u.step ? load<double>(u.step, u.step_dtype, 0) : 0.0);
  __syncthreads();
  for (int64_t tile = blockIdx.x; tile < u.tiles; tile += gridDim.x) {
    int low = 0, high = u.count - 1;  // the last variable that begins no later
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (u.variables[middle].first_tile <= tile)
        low = middle;
      else
        high = middle - 1;
    }
    const VariableOf& v = u.variables[low];
    const int64_t first = (tile - v.first_tile) * kTile, last = min(first + kTile, v.n);
    for (int64_t i = first + threadIdx.x; i < last; i += kThreads) {
      C state[kMaxStates];
      for (int s = 0; s < Rule::kStates; ++s) state[s] = load_float<C>(v.in[s], u.dtype, i);
      Rule::step(shared, state, gradient(v, u.dtype, i));
      for (int s = 0; s < Rule::kStates; ++s) store_float<C>(v.out[s], u.dtype, i, state[s]);
    }
  }
}

// `updates`: of a row whose gradient is scattered, else null.
template <class Rule>
void update(const KernelArgs& k, bool has_step, const double (&number)[4], bool flag, const Updates* updates) {
  constexpr int kStates = Rule::kStates;
  const size_t count = k.out.size() / kStates;
  const View &rate = k.in[k.in.size() - 1 - has_step], &step = k.in[k.in.size() - 1];
  Update u{};
  u.dtype = k.in[0].dtype;
  u.rate = rate.data;
  u.rate_dtype = rate.dtype;
  u.step = has_step ? step.data : nullptr;
  u.step_dtype = step.dtype;
  std::copy_n(number, 4, u.number);
  u.flag = flag;
  const auto launch_these = [&] {
    with_compute(u.dtype, [&](auto c) {
      using C = decltype(c);
      const Grid grid{std::min<int64_t>(u.tiles, 1 << 20)};
      if (updates)
        launch(update_kernel<Rule, C, Scattered<C>>, grid, kThreads, u, Scattered<C>{*updates});
      else
        launch(update_kernel<Rule, C, Dense<C>>, grid, kThreads, u, Dense<C>());
    });
    u.count = 0;
    u.tiles = 0;
  };
  for (size_t i = 0; i < count; ++i) {
    VariableOf v{};
    for (size_t s = 0; s < kStates; ++s) {
      v.in[s] = k.in[i * kStates + s].data;
      v.out[s] = k.out[i * kStates + s].data;
    }
    v.gradient = k.in[count * kStates + i + (updates ? 1 : 0)].data;  // behind the indices
    v.n = k.out[i * kStates].numel();
    if (v.n == 0) continue;
    v.first_tile = u.tiles;
    u.tiles += ceil_div(v.n, kTile);
    u.variables[u.count++] = v;
    if (u.count == kAtOnce) launch_these();
  }
  if (u.count > 0) launch_these();
}

void sgd(const KernelArgs& k, const Updates* updates) { update<Sgd>(k, false, {}, false, updates); }
void momentum(const KernelArgs& k, const Updates* updates) {
  const auto& a = k.attrs.as<MomentumAttrs>();
  update<Momentum>(k, false, {a.momentum}, a.nesterov, updates);
}
template <bool kAmsgrad>
void adam(const KernelArgs& k, const Updates* updates) {
  const auto& a = k.attrs.as<AdamAttrs>();
  update<Adam<kAmsgrad>>(k, true, {a.beta_1, a.beta_2, a.epsilon, a.weight_decay}, false, updates);
}
void rmsprop(const KernelArgs& k, const Updates* updates) {
  const auto& a = k.attrs.as<RmspropAttrs>();
  update<Rmsprop>(k, false, {a.rho, a.epsilon}, false, updates);
}
void rmsprop_full(const KernelArgs& k, const Updates* updates) {
  const auto& a = k.attrs.as<RmspropFullAttrs>();
  update<RmspropFull>(k, false, {a.rho, a.epsilon, a.momentum}, a.centered, updates);
}

using Rule = void (*)(const KernelArgs&, const Updates*);
template <Rule rule>
void dense(const KernelArgs& k) {
  rule(k, nullptr);
}
template <Rule rule, size_t kStates>
void scattered(const KernelArgs& k) {
  const View &variable = k.in[0], &indices = k.in[kStates];
  const int rank = static_cast<int>(indices.shape.back());
  const Positions positions(k, indices, 0, rank);
  const int64_t columns = product(variable.shape, rank, variable.rank());
  const ByPlace places(positions.get(), positions.size(), variable.numel() / columns, k.op.name);
  const Updates updates{places.order(), places.starts(), columns, variable.numel()};
  rule(k, &updates);
}

}  // namespace

void register_optimizer(OpTable& table) {
  set(table, "sgd_update", dense<sgd>);
  set(table, "sgd_update_rows", scattered<sgd, 1>);
  set(table, "sgd_momentum_update", dense<momentum>);
  set(table, "sgd_momentum_update_rows", scattered<momentum, 2>);
  set(table, "adam_update", dense<adam<false>>);
  set(table, "adam_update_rows", scattered<adam<false>, 3>);
  set(table, "adam_amsgrad_update", dense<adam<true>>);
  set(table, "adam_amsgrad_update_rows", scattered<adam<true>, 4>);
  set(table, "rmsprop_update", dense<rmsprop>);
  set(table, "rmsprop_update_rows", scattered<rmsprop, 2>);
  set(table, "rmsprop_full_update", dense<rmsprop_full>);
  set(table, "rmsprop_full_update_rows", scattered<rmsprop_full, 4>);
}

}  // namespace addax::cuda
