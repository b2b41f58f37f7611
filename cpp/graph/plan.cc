// Planning: which values are views, where every other one lies, and in which order the steps run.
#include "graph/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "graph/body.h"
#include "graph/passes.h"
#include "graph/run.h"
#include "ops/control.h"
#include "ops/count.h"
#include "ops/elsewhere.h"

namespace addax {
namespace {

constexpr int64_t kAlignment = 64;
// Bytes of consts that are put in order once for all runs. Beyond that they are inner values, which have a limit.
constexpr int64_t kMostMade = int64_t{16} << 20;

// Memory that one or several values share.
struct Buffer {
  Place place = Place::Arena;
  int index = 0;
  int64_t bytes = 0;
  int first = 0, last = -1;  // steps that write it first and touch it last
  int64_t offset = 0;
};

int64_t bytes_of(const Shape& shape, Dtype dtype) { return numel(shape) * size_of(dtype); }

}  // namespace

class Planner {
 public:
  explicit Planner(Plan& plan) : plan_(plan), g_(plan.graph_), home_(g_.vars.size(), -1) {}

  void run() {
    place_inputs();
    for (const Eqn& e : g_.eqns) lower(e);
    note_uses();
    place_states();
    place_results();
    copy_results();
    copy_states();
    note_uses();
    reuse_inputs();
    lay_out();
    finish();
  }

 private:
  std::vector<Location>& locations() { return plan_.locations_; }
  Location& at(int location) { return plan_.locations_[static_cast<size_t>(location)]; }
  Buffer& buffer(int location) { return buffers_[static_cast<size_t>(buffer_id(location))]; }

  int buffer_id(int location) {
    int b = buffer_of_[static_cast<size_t>(location)];
    while (merged_[static_cast<size_t>(b)] != b) b = merged_[static_cast<size_t>(b)];
    return b;
  }

  int add_buffer(Place place, int index, int64_t bytes) {
    buffers_.push_back({place, index, bytes});
    merged_.push_back(static_cast<int>(buffers_.size()) - 1);
    return merged_.back();
  }

  int add_location(int buffer, const Layout& layout, Dtype dtype) {
    Location l;
    l.layout = layout;
    l.dtype = dtype;
    plan_.locations_.push_back(l);
    buffer_of_.push_back(buffer);
    return static_cast<int>(plan_.locations_.size()) - 1;
  }

  int fresh(Place place, int index, const Shape& shape, Dtype dtype) {
    return add_location(add_buffer(place, index, bytes_of(shape, dtype)), Layout::contiguous(shape), dtype);
  }

  int& home(int var) { return home_[static_cast<size_t>(var)]; }
  const Spec& spec(int var) const { return g_.vars[static_cast<size_t>(var)]; }

  // The location is the whole of its buffer, in order.
  bool is_whole(int location) {
    const Location& l = at(location);
    return l.layout.offset == 0 && l.layout.is_contiguous() &&
           bytes_of(l.layout.shape, l.dtype) == buffer(location).bytes;
  }

  void place_inputs() {
    for (size_t i = 0; i < g_.inputs.size(); ++i) {
      const int v = g_.inputs[i], arguments = g_.arguments(), position = static_cast<int>(i);
      const bool state = position >= arguments;
      home(v) = fresh(state ? Place::State : Place::Argument, state ? position - arguments : position, spec(v).shape,
                      spec(v).dtype);
    }
    for (const auto& [v, given] : g_.consts) {
      const Tensor value = moved(given, plan_.device_);
      const int b = add_buffer(Place::Const, static_cast<int>(plan_.consts_.size()), value.nbytes());
      Layout layout = value.layout();
      layout.offset = 0;  // of the value's first element
      home(v) = add_location(b, layout, value.dtype());
      plan_.consts_.push_back(value);
    }
  }

  int copied(int location) {
    const Location from = at(location);
    const int to = fresh(Place::Arena, 0, from.layout.shape, from.dtype);
    if (numel(from.layout.shape) > 0) add_copy(location, to);
    return to;
  }

  void add_copy(int from, int to) {
    Step s;
    s.in = {from};
    s.out = {to};
    plan_.steps_.push_back(std::move(s));
  }

  // The value in order, for kernels that take no strides.
  int contiguous(int location) {
    if (at(location).layout.is_contiguous()) return location;
    int& copy = contiguous_[location];
    if (!copy) {
      const Location l = at(location);
      const int64_t bytes = bytes_of(l.layout.shape, l.dtype);
      if (buffer(location).place == Place::Const && bytes <= kMostMade - made_) {
        made_ += bytes;
        const Tensor value = plan_.consts_[static_cast<size_t>(buffer(location).index)];
        Layout layout = l.layout;
        layout.offset += value.layout().offset;
        const Tensor made = value.view(layout).contiguous();
        copy = fresh(Place::Const, static_cast<int>(plan_.consts_.size()), l.layout.shape, l.dtype);
        plan_.consts_.push_back(made);
      } else {
        copy = copied(location);
      }
    }
    return copy;
  }

  void lower(const Eqn& e) {
    Layout layout;
    if (e.op->view && spec(e.in[0]).dtype == spec(e.out[0]).dtype &&
        e.op->view(at(home(e.in[0])).layout, spec(e.out[0]).shape, e.settings(), layout)) {
      const int source = home(e.in[0]);
      const int view = add_location(buffer_of_[static_cast<size_t>(source)], layout, at(source).dtype);
      home(e.out[0]) = keeps_views_ ? view : copied(view);
      return;
    }
    Step s;
    s.op = e.op;
    s.kernel = e.op->kernels[static_cast<size_t>(plan_.device_.type)];
    if (!s.kernel) fail<Error>(e.op->name, ": has no kernel for ", plan_.device_, " yet");
    s.attrs = e.settings();
    for (const int v : e.in) s.in.push_back(v < 0 ? -1 : e.op->strided ? home(v) : contiguous(home(v)));
    bool empty = true;
    for (const int v : e.out) {
      home(v) = fresh(Place::Arena, 0, spec(v).shape, spec(v).dtype);
      s.out.push_back(home(v));
      empty = empty && numel(spec(v).shape) == 0;
    }
    if (empty) return;
    for (size_t k = 0; k < s.out.size(); ++k)
      writers_[s.out[k]] = {static_cast<int>(plan_.steps_.size()), static_cast<int>(k)};
    plan_.steps_.push_back(std::move(s));
  }

  void note_uses() {
    for (Buffer& b : buffers_) b.first = -1, b.last = -1;
    for (size_t i = 0; i < plan_.steps_.size(); ++i) {
      const int step = static_cast<int>(i);
      auto touch = [&](int location) {
        if (location < 0) return;
        Buffer& b = buffer(location);
        if (b.first < 0) b.first = step;
        b.last = step;
      };
      for (const int l : plan_.steps_[i].in) touch(l);
      for (const int l : plan_.steps_[i].out) touch(l);
    }
  }

  // The step that writes a location, and which of its outputs it is.
  std::pair<int, int> writer(int location) const {
    const auto it = writers_.find(location);
    return it == writers_.end() ? std::pair<int, int>{-1, 0} : it->second;
  }

  // Whether the step's output may lie where its input does: every element is read before it is written.
  bool may_overwrite(const Step& s, int output, int input_buffer) {
    if (!works_in_place_) return false;
    for (size_t k = 0; k < s.in.size(); ++k) {
      if (s.in[k] < 0 || buffer_id(s.in[k]) != input_buffer) continue;
      const Location &in = at(s.in[k]), &out = at(s.out[static_cast<size_t>(output)]);
      const bool aligned =
          is_whole(s.in[k]) && in.layout.shape == out.layout.shape && size_of(in.dtype) == size_of(out.dtype);
      const bool donated = s.op && output < s.op->donates && static_cast<int>(k) == output;
      const bool in_place = s.op && (s.op->in_place ? s.op->in_place(s.attrs, output, static_cast<int>(k))
                                                    : s.op->fusion == Fusion::Pointwise);
      if (!aligned || !(donated || in_place)) return false;
    }
    return true;
  }

  // New values of states are written where the old ones are, if nobody needs those any more.
  void place_states() {
    const int arguments = g_.arguments(), results = g_.results();
    std::vector<char> read_at_end(buffers_.size(), 0);
    for (size_t i = 0; i < g_.outputs.size(); ++i) {
      const int b = buffer_id(home(g_.outputs[i]));
      const bool unchanged =
          static_cast<int>(i) >= results &&
          g_.outputs[i] == g_.inputs[static_cast<size_t>(arguments) + i - static_cast<size_t>(results)];
      if (!unchanged) read_at_end[static_cast<size_t>(b)] = 1;
    }
    plan_.assigned_.assign(static_cast<size_t>(g_.states), 0);
    for (int i = 0; i < g_.states; ++i) {
      const int before = g_.inputs[static_cast<size_t>(arguments + i)],
                after = g_.outputs[static_cast<size_t>(results + i)];
      if (before == after) continue;
      plan_.assigned_[static_cast<size_t>(i)] = 1;
      const int old_buffer = buffer_id(home(before)), new_location = home(after);
      const auto [step, output] = writer(new_location);
      const bool placed = step >= 0 && buffer(new_location).place == Place::Arena && is_whole(new_location) &&
                          !read_at_end[static_cast<size_t>(old_buffer)] &&
                          buffers_[static_cast<size_t>(old_buffer)].last <= step &&
                          may_overwrite(plan_.steps_[static_cast<size_t>(step)], output, old_buffer);
      if (placed)
        merged_[static_cast<size_t>(buffer_id(new_location))] = old_buffer;
      else
        late_states_.push_back(i);
    }
  }

  // Results are computed where they are returned, unless they lie somewhere else already.
  void place_results() {
    for (int i = 0; i < g_.results(); ++i) {
      const int location = home(g_.outputs[static_cast<size_t>(i)]);
      Buffer& b = buffer(location);
      if (b.place == Place::Arena && is_whole(location) && writer(location).first >= 0) {
        b.place = Place::Result;
        b.index = i;
        plan_.results_.push_back(location);
      } else {
        plan_.results_.push_back(-1);
      }
    }
  }

  void copy_results() {
    for (int i = 0; i < g_.results(); ++i) {
      int& result = plan_.results_[static_cast<size_t>(i)];
      if (result >= 0) continue;
      const int var = g_.outputs[static_cast<size_t>(i)];
      result = fresh(Place::Result, i, spec(var).shape, spec(var).dtype);
      if (numel(spec(var).shape) > 0) add_copy(home(var), result);
    }
  }

  // What could not be written in place. First values that lie in states which are about to change are put aside.
  void copy_states() {
    std::vector<std::pair<int, int>> copies;
    for (const int i : late_states_) {
      const int before = g_.inputs[static_cast<size_t>(g_.arguments() + i)],
                after = g_.outputs[static_cast<size_t>(g_.results() + i)];
      if (numel(spec(after).shape) == 0) continue;
      int source = home(after);
      if (buffer(source).place == Place::State) {
        const int aside = fresh(Place::Arena, 0, spec(after).shape, spec(after).dtype);
        add_copy(source, aside);
        source = aside;
      }
      copies.emplace_back(source, home(before));
    }
    for (const auto& [from, to] : copies) add_copy(from, to);
  }

  // A step that reads its inputs element by element writes over one that nobody reads after it.
  void reuse_inputs() {
    for (size_t i = 0; i < plan_.steps_.size(); ++i) {
      const Step& s = plan_.steps_[i];
      if (!s.op) continue;
      for (size_t k = 0; k < s.out.size(); ++k) {
        const int out = s.out[k];
        if (buffer(out).place != Place::Arena || buffer(out).first != static_cast<int>(i)) continue;
        for (const int in : s.in) {
          if (in < 0) continue;
          const int b = buffer_id(in);
          const Buffer old = buffers_[static_cast<size_t>(b)];
          if (old.place != Place::Arena || old.last != static_cast<int>(i) || old.bytes != buffer(out).bytes ||
              b == buffer_id(out) || !is_whole(in) || !may_overwrite(s, static_cast<int>(k), b))
            continue;
          const int o = buffer_id(out);
          merged_[static_cast<size_t>(o)] = b;
          buffers_[static_cast<size_t>(b)].last = buffers_[static_cast<size_t>(o)].last;
          break;
        }
      }
    }
  }

  // Offsets by size, largest first, each at the lowest place free over its lifetime (Pisarchyk and Lee, "Efficient
  // memory management for deep neural net inference", 2020).
  void lay_out() {
    std::vector<int> order;
    for (size_t b = 0; b < buffers_.size(); ++b)
      if (merged_[b] == static_cast<int>(b) && buffers_[b].place == Place::Arena && buffers_[b].first >= 0)
        order.push_back(static_cast<int>(b));
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return buffers_[static_cast<size_t>(a)].bytes > buffers_[static_cast<size_t>(b)].bytes;
    });
    std::vector<int> placed;  // by offset
    int64_t total = 0;
    for (const int id : order) {
      Buffer& b = buffers_[static_cast<size_t>(id)];
      int64_t offset = 0;
      for (const int other : placed) {
        const Buffer& p = buffers_[static_cast<size_t>(other)];
        if (p.last < b.first || b.last < p.first) continue;
        if (offset + b.bytes <= p.offset) break;
        offset = std::max(offset, (p.offset + p.bytes + kAlignment - 1) / kAlignment * kAlignment);
      }
      if (offset > kAddressable) fail<OutOfMemory>("plan: inner values take more bytes than there can be");
      b.offset = offset;
      total = std::max(total, offset + b.bytes);
      const auto behind = std::upper_bound(placed.begin(), placed.end(), offset, [&](int64_t o, int p) {
        return o < buffers_[static_cast<size_t>(p)].offset;
      });
      placed.insert(behind, id);
    }
    plan_.stats_.arena_bytes = total;
  }

  void finish() {
    for (size_t l = 0; l < plan_.locations_.size(); ++l) {
      const Buffer& b = buffer(static_cast<int>(l));
      Location& location = plan_.locations_[l];
      location.place = b.place;
      location.index = b.index;
      location.offset = b.offset;
    }
    PlanStats& stats = plan_.stats_;
    for (const int l : plan_.results_)
      stats.result_bytes = sum_of(stats.result_bytes, bytes_of(at(l).layout.shape, at(l).dtype));
    for (const Tensor& c : plan_.consts_) stats.const_bytes += c.nbytes();
    stats.steps = static_cast<int>(plan_.steps_.size());
    stats.captured_steps = stats.steps;
    std::set<const Body*> bodies;
    for (const Step& s : plan_.steps_) {
      const int64_t times = s.kernel == run_scan ? s.attrs.as<LoopAttrs>().length : 1;
      const auto count = [&](const BodyRef& body) {
        if (!body) return;
        const PlanStats& inner = plan_of(body, plan_.device_).stats();
        stats.captured_steps = sum_of(stats.captured_steps, product_of({times, inner.captured_steps}));
        if (!bodies.insert(body.body.get()).second) return;
        stats.has_bodies = true;
        stats.body_bytes = sum_of(stats.body_bytes, sum_of(inner.arena_bytes, inner.body_bytes));
      };
      for (const auto& [name, value] : s.attrs.fields()) {
        if (const auto* body = std::get_if<BodyRef>(&value)) count(*body);
        if (const auto* list = std::get_if<Bodies>(&value)) std::for_each(list->begin(), list->end(), count);
      }
      std::vector<Spec> in, out;
      for (const int l : s.in) {
        in.push_back(l < 0 ? Spec() : Spec{at(l).layout.shape, at(l).dtype});
        if (l >= 0) stats.bytes_moved = sum_of(stats.bytes_moved, bytes_of(at(l).layout.shape, at(l).dtype));
      }
      for (const int l : s.out) {
        out.push_back({at(l).layout.shape, at(l).dtype});
        stats.bytes_moved = sum_of(stats.bytes_moved, bytes_of(at(l).layout.shape, at(l).dtype));
      }
      if (!s.op) continue;
      stats.flops = sum_of(stats.flops, s.op->flops_of(in, out, s.attrs));
    }
  }

  Plan& plan_;
  const Graph& g_;
  std::vector<int> home_;       // var -> location
  std::vector<int> buffer_of_;  // location -> buffer
  std::vector<Buffer> buffers_;
  std::vector<int> merged_;  // buffer -> the one it shares memory with
  std::map<int, int> contiguous_;
  std::map<int, std::pair<int, int>> writers_;
  std::vector<int> late_states_;
  int64_t made_ = 0;
  const bool keeps_views_ = !is_switched_off("view"), works_in_place_ = !is_switched_off("in_place");
};

Plan::Plan(Graph body, Device device) : graph_(std::move(body)), device_(device) { Planner(*this).run(); }

Plan::Plan(Graph graph, std::vector<State> states, Device device) : Plan(std::move(graph), device) {
  states_ = std::move(states);
  for (const State& s : states_) s.variable->move_to(device_);
  if (static_cast<int>(states_.size()) != graph_.states)
    fail<Error>("plan: ", states_.size(), " variables for ", graph_.states, " states");
}

Plan::~Plan() = default;

bool Plan::is_current() const {
  for (const State& s : states_)
    if (s.variable->trainable != s.trainable) return false;
  return true;
}

std::string Plan::text() const {
  static const char* const names[] = {"arena", "argument", "state", "const", "result"};
  std::ostringstream out;
  auto show = [&](int l) {
    if (l < 0) {
      out << '_';
      return;
    }
    const Location& x = locations_[static_cast<size_t>(l)];
    out << names[static_cast<int>(x.place)] << '[' << (x.place == Place::Arena ? x.offset : x.index) << "]: " << x.dtype
        << x.layout.shape;
    if (!x.layout.is_contiguous() || x.layout.offset)
      out << " strides " << x.layout.strides << " from " << x.layout.offset;
  };
  for (const Step& s : steps_) {
    out << (s.op ? s.op->name : "copy") << '(';
    for (size_t i = 0; i < s.in.size(); ++i) {
      if (i) out << ", ";
      show(s.in[i]);
    }
    out << ") -> ";
    for (size_t i = 0; i < s.out.size(); ++i) {
      if (i) out << ", ";
      show(s.out[i]);
    }
    out << '\n';
  }
  return out.str();
}

}  // namespace addax
