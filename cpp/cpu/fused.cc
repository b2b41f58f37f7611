// CPU kernel of fused: the program runs over a tile of values at a time, so that what it computes stays in the first
// cache. Every value is rounded to its own dtype, so the bits are those of the rows run one by one.
#include "cpu/fused.h"

#include <cstring>
#include <memory>
#include <vector>

#include "core/stream.h"
#include "cpu/tiles.h"
#include "ops/op.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTile = 512;     // values at a time
constexpr int64_t kBlock = 16384;  // values per piece of work
constexpr int kSlots = 24;         // tiles on the stack; programs that need more take them from the allocator

bool is_half(Dtype d) { return d == Dtype::Float16 || d == Dtype::BFloat16; }

// One instruction with its loops: conversions in, the row, a conversion out. Operands live in numbered slots.
struct Line {
  Tile convert[3] = {};
  int in[3] = {};         // operand
  int converted[3] = {};  // slot for a converted operand
  int operands = 0;
  Tile row = nullptr;
  Tile narrow = nullptr;  // of the row's result, from `wide`
  int wide = 0;
  int out = 0;   // operand
  int slot = 0;  // where it is kept, unless it is returned
};

struct Code {
  std::vector<Line> lines;
  std::vector<int> input_slot;  // for inputs that must be spread out
  int slots = 0;
};

const Code* build(const FusedProgram& program) {
  auto code = std::make_unique<Code>();
  const int inputs = static_cast<int>(program.inputs.size());
  for (int i = 0; i < inputs; ++i) code->input_slot.push_back(code->slots++);
  const int scratch = code->slots;
  code->slots += 4;  // three converted operands and a wide result
  // A slot is free again after the last reader of what it holds.
  std::vector<int> last(static_cast<size_t>(program.operands()), -1);
  for (size_t s = 0; s < program.steps.size(); ++s)
    for (int k = 0; k < program.steps[s].operands; ++k)
      last[static_cast<size_t>(program.steps[s].in[static_cast<size_t>(k)])] = static_cast<int>(s);
  std::vector<int> slot_of(static_cast<size_t>(program.operands()), -1), free;
  std::vector<Dtype> types = program.inputs;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const FusedStep& step = program.steps[s];
    Line line;
    line.operands = step.operands;
    line.out = inputs + static_cast<int>(s);
    const bool cast = step.op->name == std::string_view("cast"), choice = step.op->name == std::string_view("where");
    const Dtype work = is_half(step.compute) && !choice ? Dtype::Float32 : step.compute;
    for (int k = 0; k < step.operands; ++k) {
      const int operand = step.in[static_cast<size_t>(k)];
      const Dtype from = types[static_cast<size_t>(operand)];
      const Dtype want = choice && k == 0 ? Dtype::Bool : work;
      line.in[k] = operand;
      line.converted[k] = scratch + k;
      if (from != want && !cast) line.convert[k] = convert_of(from, want);
    }
    if (cast) {
      line.row = step.compute == step.out ? nullptr : convert_of(step.compute, step.out);
    } else {
      line.row = tile_of(step.op->name, work);
      if (step.out != work && is_half(step.out) && !choice) {
        line.narrow = convert_of(work, step.out);
        line.wide = scratch + 3;
      }
    }
    // The result may lie where a dying operand of its dtype does only if no conversion stands between; a slot of its
    // own is simpler and as fast.
    if (free.empty()) {
      line.slot = code->slots++;
    } else {
      line.slot = free.back();
      free.pop_back();
    }
    slot_of[static_cast<size_t>(line.out)] = line.slot;
    for (int k = 0; k < step.operands; ++k) {
      int& held = slot_of[static_cast<size_t>(step.in[static_cast<size_t>(k)])];
      if (held >= 0 && last[static_cast<size_t>(step.in[static_cast<size_t>(k)])] == static_cast<int>(s)) {
        free.push_back(held);
        held = -1;
      }
    }
    types.push_back(step.out);
    code->lines.push_back(line);
  }
  return code.release();
}

const Code& code_of(const FusedProgram& program) {
  const void* code = program.code.load(std::memory_order_acquire);
  if (!code) {
    const Code* made = build(program);
    if (program.code.compare_exchange_strong(code, made))
      code = made;
    else
      delete made;  // another thread was sooner
  }
  return *static_cast<const Code*>(code);
}

}  // namespace

FusedRun::Input::Input(const View& in, const Shape& shape) : data(in.as<const char>()), bytes(size_of(in.dtype)) {
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    const int axis = i - (shape.rank() - in.rank());
    const int64_t s = axis >= 0 && in.shape[axis] != 1 ? in.strides[axis] : 0;
    if (rank && s == stride[rank - 1] * size[rank - 1]) {
      size[rank - 1] *= shape[i];
    } else {
      size[rank] = shape[i];
      stride[rank++] = s;
    }
  }
  if (rank == 1 && stride[0] == 0) period = 1;
  if (rank == 2 && stride[0] == 1 && stride[1] == 0 && size[0] <= kTile) period = size[0];
  dense = rank == 0 || (rank == 1 && stride[0] == 1);
}

template <class T>
const void* FusedRun::Input::bring(int64_t begin, int64_t n, void* to) const {
  T* y = static_cast<T*>(to);
  const T* x = reinterpret_cast<const T*>(data);
  int64_t index[kMaxRank], rest = begin;
  for (int d = 0; d < rank; ++d) {
    index[d] = rest % size[d];
    rest /= size[d];
    x += index[d] * stride[d];
  }
  if (stride[0] == 1 && n <= size[0] - index[0]) return x;
  while (n > 0) {
    const int64_t run = size[0] - index[0] < n ? size[0] - index[0] : n;
    if (stride[0] == 1)
      std::memcpy(y, x, static_cast<size_t>(run) * sizeof(T));
    else if (stride[0] == 0)
      for (int64_t i = 0; i < run; ++i) y[i] = *x;
    else
      for (int64_t i = 0; i < run; ++i) y[i] = x[i * stride[0]];
    y += run;
    n -= run;
    x -= index[0] * stride[0];
    index[0] = 0;
    for (int d = 1; d < rank; ++d) {
      x += stride[d];
      if (++index[d] < size[d]) break;
      x -= stride[d] * size[d];
      index[d] = 0;
    }
  }
  return to;
}

const void* FusedRun::Input::bring(int64_t begin, int64_t n, void* to) const {
  switch (bytes) {
    case 1:
      return bring<uint8_t>(begin, n, to);
    case 2:
      return bring<uint16_t>(begin, n, to);
    case 4:
      return bring<uint32_t>(begin, n, to);
    default:
      return bring<uint64_t>(begin, n, to);
  }
}

FusedRun::FusedRun(const FusedAttrs& attrs, const View* first, Span<const View> in, Span<const View> out)
    : attrs_(attrs), program_(attrs.parsed()), out_(out) {
  if (!first)
    for (const View& v : out) past_ = past_ || (v.data && streams(v.numel() * size_of(v.dtype)));
  inputs_.resize(in.size() + (first != nullptr));
  if (first) inputs_[0] = Input(*first, out[0].shape);
  for (size_t i = 0; i < in.size(); ++i) inputs_[i + (first != nullptr)] = Input(in[i], out[0].shape);
  for (const Input& i : inputs_) widest_ = std::max(widest_, i.bytes);
  for (const FusedStep& s : program_.steps) widest_ = std::max({widest_, size_of(s.out), size_of(s.compute)});

  const int64_t tile = std::min(kTile, out[0].numel());
  const auto room = [&](const Input& i) { return i.period ? ((i.period + tile) * i.bytes + 63) / 64 * 64 : 0; };
  int64_t total = 0;
  for (const Input& i : inputs_) total += room(i);
  if (total == 0) return;
  periods_.emplace(total, "fused");
  char* to = periods_->get();
  for (Input& i : inputs_) {
    if (!i.period) continue;
    i.data = static_cast<const char*>(i.bring(0, i.period + tile, to));
    to += room(i);
  }
}

void FusedRun::rows(int64_t begin, int64_t rows, int64_t columns, int64_t step, void* first) const {
  const Code& code = code_of(program_);
  const size_t count = inputs_.size();
  if (columns == step) {
    columns *= rows;
    rows = 1;
  }
  alignas(64) char stack[kSlots * kTile * 4];
  std::optional<Scratch<char>> heap;
  const int64_t stride = kTile * widest_;
  char* slots = stack;
  if (code.slots * stride > static_cast<int64_t>(sizeof stack)) {
    heap.emplace(code.slots * stride, "fused");
    slots = heap->get();
  }
  const void* operand[kMostFusedInputs + kMostFusedSteps];
  const auto place = [&](int64_t i) { return slots + i * stride; };
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t end = begin + row * step + columns;
    for (int64_t at = end - columns; at < end; at += kTile) {
      const int64_t n = std::min(kTile, end - at);
      for (size_t k = 0; k < count; ++k) {
        const Input& in = inputs_[k];
        if (in.dense)
          operand[k] = in.data + at * in.bytes;
        else if (in.period)
          operand[k] = in.data + at % in.period * in.bytes;
        else
          operand[k] = in.bring(at, n, place(code.input_slot[k]));
      }
      for (const Line& line : code.lines) {
        const void* in[3];
        for (int k = 0; k < line.operands; ++k) {
          in[k] = operand[line.in[k]];
          if (!line.convert[k]) continue;
          line.convert[k](&in[k], place(line.converted[k]), n);
          in[k] = place(line.converted[k]);
        }
        char* result = nullptr;
        for (size_t r = 0; r < out_.size(); ++r) {
          if (attrs_.results[static_cast<int>(r)] != line.out) continue;
          const int64_t item = size_of(out_[r].dtype);
          if (r == 0 && first)
            result = static_cast<char*>(first) + (at - begin) * item;
          else if (out_[r].data)
            result = out_[r].as<char>() + at * item;
        }
        char* out = result && !past_ ? result : place(line.slot);
        const int64_t bytes = n * size_of(program_.steps[static_cast<size_t>(line.out) - count].out);
        if (line.row)
          line.row(in, line.narrow ? place(line.wide) : out, n);
        else
          std::memcpy(out, in[0], static_cast<size_t>(bytes));
        if (line.narrow) {
          const void* wide = place(line.wide);
          line.narrow(&wide, out, n);
        }
        if (result && past_) stream(result, out, bytes);
        operand[line.out] = out;
      }
    }
  }
}

void FusedRun::all(int64_t begin, int64_t count) const {
  parallel_for(count, kBlock, [&](int64_t first, int64_t last) { rows(begin + first, 1, last - first, last - first); });
}

void register_fused(KernelSink& sink) {
  sink.set("fused", [](const KernelArgs& args) {
    FusedRun(args.attrs.as<FusedAttrs>(), nullptr, args.in, args.out).all(0, args.out[0].numel());
  });
}

}  // namespace addax::cpu::ADDAX_ISA
