// The CUDA kernel of fused, and how a program becomes a table of instructions.
#include "cuda/generate.h"
#include "cuda/kernels.h"
#include "cuda/program.h"

namespace addax::cuda {
namespace {

bool is_16_bit(Dtype dtype) { return dtype == Dtype::Float16 || dtype == Dtype::BFloat16; }

// Lays out the cells of a program. A cell is free again after the last reader of what it holds, for the result of that
// very line too: a line reads all its operands first.
class Writer {
 public:
  Writer(Program& to, const FusedProgram& program) : to_(to), program_(program), cell_of_(program.operands(), -1) {
    types_ = program.inputs;
    last_.assign(types_.size() + program.steps.size(), -1);
    for (size_t s = 0; s < program.steps.size(); ++s)
      for (int k = 0; k < program.steps[s].operands; ++k) last_[at(program.steps[s].in[at(k)])] = static_cast<int>(s);
  }
  void keep(int operand) { last_[at(operand)] = static_cast<int>(program_.steps.size()); }
  int cell_of(int operand) const { return cell_of_[at(operand)]; }

  void step(int s) {
    const FusedStep& step = program_.steps[at(s)];
    const bool cast = step.op->name == std::string_view("cast"), choice = step.op->name == std::string_view("where");
    const Dtype work = held(step.compute);
    ProgramLine line{};
    std::vector<int> spare;  // cells of converted operands
    for (int k = 0; k < step.operands; ++k) {
      const int operand = step.in[at(k)];
      const Dtype from = held(types_[at(operand)]), want = choice && k == 0 ? Dtype::Bool : work;
      if (cell_of_[at(operand)] < 0) load(operand);
      int cell = cell_of_[at(operand)];
      if (from != want && !cast) {
        const int converted = take();
        add({ProgramLine::Cast, {}, false, from, want, {byte(cell)}, byte(converted)});
        spare.push_back(cell = converted);
      }
      line.in[k] = byte(cell);
    }
    for (int k = step.operands; k < kMaxIn; ++k) line.in[k] = line.in[0];
    for (int k = 0; k < step.operands; ++k) release(step.in[at(k)], s);
    free_.insert(free_.end(), spare.begin(), spare.end());
    line.what = cast ? ProgramLine::Cast : choice ? ProgramLine::Where : ProgramLine::Row;
    if (line.what == ProgramLine::Row) {
      line.row = row_of(step.op->name);
      line.truth = elementwise::TypeRule::of(step.op->rule).gives_bool();
    }
    line.type = work;
    line.rounded = step.out;
    const int result = static_cast<int>(types_.size());
    types_.push_back(step.out);
    line.out = byte(cell_of_[at(result)] = take());
    add(line);
  }
  void store(int operand, int result) {
    add({ProgramLine::Store,
         {},
         false,
         types_[at(operand)],
         types_[at(operand)],
         {byte(cell_of(operand))},
         byte(result)});
  }
  // What nobody reads, once it is stored.
  void release(int operand, int step) {
    int& cell = cell_of_[at(operand)];
    if (cell < 0 || last_[at(operand)] > step) return;
    free_.push_back(cell);
    cell = -1;
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  static uint8_t byte(int i) { return static_cast<uint8_t>(i); }
  int take() {
    if (free_.empty()) return to_.cells++;
    const int cell = free_.back();
    free_.pop_back();
    return cell;
  }
  void load(int input) {
    cell_of_[at(input)] = take();
    add({ProgramLine::Load, {}, false, types_[at(input)], types_[at(input)], {byte(input)}, byte(cell_of_[at(input)])});
  }
  void add(const ProgramLine& line) { to_.line[to_.lines++] = line; }

  Program& to_;
  const FusedProgram& program_;
  std::vector<int> cell_of_, last_, free_;
  std::vector<Dtype> types_;
};

__global__ void fused_kernel(const __grid_constant__ Program program, int64_t count) {
  alignas(16) __shared__ char cells[kCellMemory];
  for (int64_t i = thread_index() * kValues; i < count; i += thread_count() * kValues)
    run_program(program, cells, Places(i, min(kValues, count - i)));
}

void fused(const KernelArgs& args) {
  ProgramRun(args.attrs.as<FusedAttrs>(), nullptr, args.in, args.out, args.op.name).all();
}

}  // namespace

ProgramArray::ProgramArray(const View& view, const Shape& shape)
    : data(view.data), dtype(view.dtype), walk(shape, {broadcast_strides(view, shape)}) {
  const int64_t item = size_of(dtype), aligned = std::min<int64_t>(16, kValues * item);
  in_line = walk.rank <= 1 || walk.size[0] % kValues == 0;
  vector = in_line && (walk.rank == 0 ? walk.n >= kValues : walk.step[0][0] == 1) &&
           reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(aligned) == 0;
  for (int d = 1; d < walk.rank; ++d) vector = vector && walk.step[0][d] * item % aligned == 0;
}

ProgramRun::ProgramRun(const FusedAttrs& attrs, const View* first, Span<const View> in, Span<const View> out,
                       const char* what)
    : program_(),
      sources_(static_cast<int>(in.size()) + (first ? 1 : 0)),
      results_(static_cast<int>(out.size())),
      count_(out[0].numel()),
      what_(what) {
  const FusedProgram& program = attrs.parsed();
  const Shape& shape = out[0].shape;
  if (sources_ > kMaxSources || results_ > kMaxResults)
    fail<ValueError>(what, ": a program on a device reads ", kMaxSources, " arrays and returns ", kMaxResults,
                     " at most, got ", sources_, " and ", results_);
  Program& p = program_;
  size_t next = 0;
  if (first) p.source[next++] = ProgramArray(*first, shape);
  for (const View& v : in) p.source[next++] = ProgramArray(v, shape);
  for (size_t r = 0; r < out.size(); ++r)
    if (out[r].data) p.result[r] = ProgramArray(out[r], shape);

  int64_t widest = 4;
  for (const Dtype d : program.inputs) widest = std::max(widest, size_of(held(d)));
  for (const FusedStep& s : program.steps) widest = std::max({widest, size_of(held(s.out)), size_of(held(s.compute))});
  p.cell_bytes = static_cast<int>(widest) * kValues;

  Writer writer(p, program);
  const auto result_of = [&](size_t r) { return static_cast<int>(attrs.results[static_cast<int>(r)]); };
  const bool keeps = !out[0].data;
  if (keeps) writer.keep(result_of(0));
  const int inputs = static_cast<int>(program.inputs.size());
  for (int s = 0; s < static_cast<int>(program.steps.size()); ++s) {
    writer.step(s);
    for (size_t r = 0; r < out.size(); ++r)
      if (out[r].data && result_of(r) == inputs + s) writer.store(inputs + s, static_cast<int>(r));
    writer.release(inputs + s, s);
  }
  if (keeps) {
    p.first_cell = writer.cell_of(result_of(0));
    p.first_type = held(out[0].dtype);
  }
  p.shared_cells = std::min(p.cells, kCellMemory / (p.cell_bytes * kThreads));
}

Program ProgramRun::with(Grid blocks) const {
  Program p = program_;
  if (!fits()) {
    scratch_.emplace(blocks.x * blocks.y * (p.cells - p.shared_cells) * kThreads * p.cell_bytes, what_);
    p.scratch = scratch_->get();
  }
  return p;
}

void ProgramRun::all() const {
  if (run_generated(program_, sources_, results_, count_)) return;
  Grid grid = grid_for(ceil_div(count_, kValues));
  grid.x = std::min(grid.x, kMaxBlocks);
  launch(fused_kernel, grid, kThreads, with(grid), count_);
}

void register_fused(OpTable& table) { set(table, "fused", fused); }

}  // namespace addax::cuda
