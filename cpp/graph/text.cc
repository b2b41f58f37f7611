// Graphs as text and back:
//
//   graph(%0: float32(32, 8), state %1: float32(8, 4)) {
//     const %2: float32() = [1.5]
//     const %4: float32(32, 4) = all [1]
//     %3: float32(32, 4) = matmul(%0, %1, transpose_a=false)
//     return %3, state %1
//   }
//
// The bodies of loops and branches stand among their eqn's settings as graphs of their own. For files (docs/format.md)
// numbers may follow from sizes that are named (`80*n + 1`) and from dims of values (`%8.1`), and the shape rule may
// say a dim of an output (`?`). A const may be a tensor of the caller's (`tensor 3`), equally far apart values
// (`range [0, 1]`), whole numbers that follow sizes (`whole [n]`), or a number divided by a size (`quotient [1, n]`).
#include <algorithm>
#include <cstring>
#include <iomanip>
#include <map>
#include <sstream>

#include "addax/ops/elementwise.h"
#include "graph/body.h"
#include "graph/lexer.h"

namespace addax {
namespace {

constexpr int64_t kShownValues = 16;

bool is_uniform(const Tensor& t) {
  return t.numel() > 1 && std::all_of(t.strides().begin(), t.strides().end(), [](int64_t s) { return s == 0; });
}

class Writer {
 public:
  Writer(const Graph& g, bool all_values) : g_(g), all_values_(all_values), number_(g.vars.size(), -1) {}

  std::string text() {
    out_ << "graph(";
    for (size_t i = 0; i < g_.inputs.size(); ++i) {
      out_ << (i ? ", " : "") << (is_state(i, g_.inputs) ? "state " : "");
      define(g_.inputs[i]);
    }
    out_ << ") {\n";
    for (const auto& [v, value] : g_.consts) {
      out_ << "  const ";
      define(v);
      out_ << " = ";
      write_values(value);
      out_ << '\n';
    }
    for (const Eqn& e : g_.eqns) write_eqn(e);
    out_ << "  return ";
    for (size_t i = 0; i < g_.outputs.size(); ++i)
      out_ << (i ? ", " : "") << (is_state(i, g_.outputs) ? "state " : "") << '%' << number(g_.outputs[i]);
    out_ << "\n}\n";
    return out_.str();
  }

 private:
  bool is_state(size_t i, const std::vector<int>& list) const {
    return i + static_cast<size_t>(g_.states) >= list.size();
  }

  int number(int v) const { return number_[static_cast<size_t>(v)]; }

  void define(int v) {
    number_[static_cast<size_t>(v)] = next_++;
    const Spec& spec = g_.vars[static_cast<size_t>(v)];
    out_ << '%' << number(v) << ": " << spec.dtype << spec.shape;
  }

  void write_values(const Tensor& t) {
    if (is_uniform(t)) {
      out_ << "all ";
      return write_values(t.view({{}, {}, t.layout().offset}));
    }
    if (!all_values_ && t.numel() > kShownValues) {
      out_ << '<' << t.numel() << " values>";
      return;
    }
    // Whole numbers of any size keep their bits in text only as integers.
    const Tensor c = t.contiguous();
    out_ << '[';
    for (int64_t i = 0; i < c.numel(); ++i) {
      out_ << (i ? ", " : "");
      if (c.dtype() == Dtype::Int64)
        out_ << c.data<int64_t>()[i];
      else if (c.dtype() == Dtype::UInt64)
        out_ << c.data<uint64_t>()[i];
      else
        out_ << std::setprecision(17) << c.view({{}, {}, c.layout().offset + i}).item();
    }
    out_ << ']';
  }

  void write_eqn(const Eqn& e) {
    out_ << "  ";
    for (size_t i = 0; i < e.out.size(); ++i) {
      if (i) out_ << ", ";
      define(e.out[i]);
    }
    out_ << " = " << e.op->name << '(';
    const char* between = "";
    for (const int v : e.in) {
      out_ << between;
      between = ", ";
      if (v < 0)
        out_ << '_';
      else
        out_ << '%' << number(v);
    }
    const std::string settings = e.settings().text();
    if (!settings.empty()) out_ << between;
    for (const char c : settings) {
      out_ << c;
      if (c == '\n') out_ << "  ";  // a body is indented
    }
    out_ << ")\n";
  }

  const Graph& g_;
  bool all_values_;
  std::vector<int> number_;
  int next_ = 0;
  std::ostringstream out_;
};

// How deep bodies may lie in bodies.
constexpr int kDeepest = 32;
// Bytes of the consts of a graph that are made from few characters.
constexpr int64_t kMostMade = int64_t{1} << 28;

class Reader final : public KnownDims {
 public:
  Reader(Lexer& lexer, Span<const Tensor> tensors, int64_t& made, int depth = 0)
      : in_(lexer), tensors_(tensors), made_(made), depth_(depth), outer_(in_.know(this)) {
    if (depth > kDeepest) in_.wrong("bodies lie too deep in bodies");
  }
  ~Reader() override { in_.know(outer_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  int64_t dim(uint64_t name, uint64_t axis) const override {
    const auto it = ids_.find(static_cast<int64_t>(name));
    if (it == ids_.end() || axis >= static_cast<uint64_t>(spec(it->second).shape.rank()))
      in_.wrong("expected a dim of a value that is defined before this");
    return spec(it->second).shape[static_cast<int>(axis)];
  }

  Graph graph() {
    in_.expect("graph");
    in_.expect("(");
    while (!in_.accept(")")) {
      const bool state = in_.accept("state");
      if (!state && g_.states > 0) in_.wrong("expected a state, for they come last");
      g_.states += state;
      g_.inputs.push_back(define());
      in_.accept(",");
    }
    in_.expect("{");
    while (!in_.accept("return")) {
      if (in_.accept("const"))
        read_const();
      else
        read_eqn();
    }
    int states = 0;
    while (!in_.accept("}")) {
      const bool state = in_.accept("state");
      if (!state && states > 0) in_.wrong("expected a state, for they come last");
      states += state;
      g_.outputs.push_back(use());
      in_.accept(",");
    }
    if (states != g_.states) in_.wrong("expected as many states to be returned as come in");
    for (int i = 0; i < states; ++i) {
      const Spec &before = spec(g_.inputs[static_cast<size_t>(g_.arguments() + i)]),
                 &after = spec(g_.outputs[static_cast<size_t>(g_.results() + i)]);
      if (before.shape != after.shape || before.dtype != after.dtype)
        in_.wrong("expected states to keep their shapes and dtypes");
    }
    verify(g_);
    return std::move(g_);
  }

 private:
  const Spec& spec(int v) const { return g_.vars[static_cast<size_t>(v)]; }

  // A var whose dims are known.
  int define() {
    const auto [name, dtype] = begin_definition();
    return add(name, {shape(nullptr), dtype});
  }

  std::pair<int64_t, Dtype> begin_definition() {
    in_.expect("%");
    const int64_t name = static_cast<int64_t>(in_.natural());
    in_.expect(":");
    return {name, dtype_from(in_.word())};
  }

  // Dims, of which "?" stands for that of `made`, if given.
  Shape shape(const Shape* made) {
    Shape s;
    in_.expect("(");
    while (!in_.accept(")")) {
      if (made && in_.accept("?"))
        s.push_back(s.rank() < made->rank() ? (*made)[s.rank()] : 0);
      else
        s.push_back(in_.integer());
      if (s.back() < 0) in_.wrong("expected a dim that is not negative before this");
      in_.accept(",");
    }
    return s;
  }

  int add(int64_t name, const Spec& spec) {
    check_size("graph", spec.shape, spec.dtype, kAddressable);
    if (kind_of(spec.dtype) == Kind::Complex) in_.wrong("expected a dtype that is not complex before this");
    const int v = g_.add_var(spec.shape, spec.dtype);
    if (!ids_.emplace(name, v).second) in_.wrong("%" + std::to_string(name) + " is defined twice");
    return v;
  }

  int use() {
    in_.expect("%");
    const uint64_t name = in_.natural();
    const auto it = ids_.find(static_cast<int64_t>(name));
    if (it == ids_.end()) in_.wrong("%" + std::to_string(name) + " is not defined");
    return it->second;
  }

  void read_const() {
    const int v = define();
    in_.expect("=");
    g_.consts.emplace_back(v, const_value(spec(v)));
  }

  Tensor const_value(const Spec& spec) {
    if (in_.accept("<")) in_.wrong("expected the values of a const, as Graph.text() writes them");
    if (in_.accept("tensor")) {
      const uint64_t number = in_.natural();
      if (number >= tensors_.size()) in_.wrong("there is no tensor " + std::to_string(number));
      const Tensor& value = tensors_[number];
      if (value.shape() != spec.shape || value.dtype() != spec.dtype)
        in_.wrong("tensor " + std::to_string(number) + " has another shape or dtype");
      return value;
    }
    if (in_.accept("range")) return range(spec);
    if (in_.accept("quotient")) return quotient(spec);
    const bool all = in_.accept("all"), whole = !all && in_.accept("whole");
    in_.expect("[");
    const int64_t count = all ? 1 : numel(spec.shape);
    if (static_cast<uint64_t>(count) > in_.left()) in_.wrong("expected " + std::to_string(count) + " values");
    Tensor value = Tensor::empty(all ? Shape() : spec.shape, spec.dtype);
    for (int64_t i = 0; i < count; ++i) {
      set(value, i, spec.dtype, whole);
      in_.accept(",");
    }
    in_.expect("]");
    return all ? value.view({spec.shape, Strides::filled(spec.shape.rank(), 0), 0}) : value;
  }

  // The next number of the text as element i. Whole numbers of any size keep their bits in text only as integers.
  void set(const Tensor& value, int64_t i, Dtype dtype, bool whole) {
    if (dtype == Dtype::UInt64) {
      value.data<uint64_t>()[i] = in_.natural();
    } else if (dtype == Dtype::Int64) {
      value.data<int64_t>()[i] = in_.integer();
    } else {
      const Kind kind = kind_of(dtype);
      const double number =
          whole || kind == Kind::Signed || kind == Kind::Unsigned ? static_cast<double>(in_.integer()) : in_.real();
      const Tensor one = Tensor::scalar(number, dtype);
      std::memcpy(value.data<char>() + i * size_of(dtype), one.raw(), static_cast<size_t>(size_of(dtype)));
    }
  }

  Tensor quotient(const Spec& spec) {
    in_.expect("[");
    const double numerator = in_.real();
    in_.expect(",");
    const double value = numerator / static_cast<double>(in_.integer());  // by 0: an infinity, as of an empty mean
    in_.expect("]");
    if (!is_float(spec.dtype)) in_.wrong("expected a quotient to be a float before this");
    return Tensor::scalar(value, spec.dtype).view({spec.shape, Strides::filled(spec.shape.rank(), 0), 0});
  }

  Tensor range(const Spec& spec) {
    in_.expect("[");
    const double start = in_.real();
    in_.expect(",");
    const double step = in_.real();
    in_.expect("]");
    if (spec.shape.rank() != 1) in_.wrong("expected a range of one dim before this");
    made_ = std::min(kMostMade, made_) + spec.shape[0] * int64_t{sizeof(double)};
    if (made_ > kMostMade) in_.wrong("expected ranges of at most 256 MiB before this");
    Tensor wide = Tensor::empty(spec.shape, is_float(spec.dtype) ? Dtype::Float64 : Dtype::Int64);
    for (int64_t i = 0; i < spec.shape[0]; ++i) {
      const double x = start + step * static_cast<double>(i);
      if (wide.dtype() == Dtype::Float64)
        wide.data<double>()[i] = x;
      else
        wide.data<int64_t>()[i] = x > -9e18 && x < 9e18 ? static_cast<int64_t>(x) : 0;
    }
    return cast(wide, spec.dtype);
  }

  struct Settings final : AttrVisitor {
    Reader& r;
    Lexer& in;
    explicit Settings(Reader& reader) : r(reader), in(reader.in_) {}
    // Files of an older version lack fields that came later: those keep their defaults.
    bool stands(const char* n) {
      in.accept(",");
      if (!in.accept_word(n)) return false;
      in.expect("=");
      return true;
    }
    BodyRef body() { return make_body(Reader(in, {}, r.made_, r.depth_ + 1).graph()); }

    void field(const char* n, bool& v) override {
      if (!stands(n)) return;
      v = in.accept("true");
      if (!v) in.expect("false");
    }
    void field(const char* n, int64_t& v) override {
      if (!stands(n)) return;
      v = in.integer();
    }
    void field(const char* n, double& v) override {
      if (!stands(n)) return;
      v = in.real();
    }
    void field(const char* n, std::string& v) override {
      if (!stands(n)) return;
      v = in.quoted();
    }
    void field(const char* n, Dtype& v) override {
      if (!stands(n)) return;
      v = dtype_from(in.word());
    }
    void field(const char* n, Dims& v) override {
      if (!stands(n)) return;
      v = in.dims();
    }
    void field(const char* n, BodyRef& v) override {
      if (!stands(n)) return;
      if (!in.accept("none")) v = body();
    }
    void field(const char* n, Bodies& v) override {
      if (!stands(n)) return;
      in.expect("[");
      while (!in.accept("]")) {
        v.push_back(body());
        in.accept(",");
      }
    }
  };

  void read_eqn() {
    // The text names the outputs first, and what follows says how many dims they have that it leaves open.
    const size_t start = in_.at();
    skip_definitions();
    Eqn e;
    e.op = &find_op(in_.word());
    in_.expect("(");
    while (in_.peek() == '%' || in_.peek() == '_') {
      e.in.push_back(in_.accept("_") ? -1 : use());
      in_.accept(",");
    }
    if (e.op->default_attrs) {
      std::shared_ptr<AttrsBase> attrs = e.op->default_attrs.clone();
      Settings settings(*this);
      attrs->visit(settings);
      e.attrs = Attrs(std::move(attrs));
    }
    if (!in_.accept(")")) in_.wrong("expected ')', or an attribute of " + std::string(e.op->name) + " in its place");
    const std::vector<Spec> made = outputs_of(g_, e);
    Lexer after = in_;
    in_.seek(start);
    do {
      if (e.out.size() == made.size()) in_.wrong(std::string(e.op->name) + " has fewer outputs");
      const auto [name, dtype] = begin_definition();
      e.out.push_back(add(name, {shape(&made[e.out.size()].shape), dtype}));
    } while (in_.accept(","));
    in_ = after;
    g_.eqns.push_back(std::move(e));
  }

  void skip_definitions() {
    do {
      begin_definition();
      in_.expect("(");
      while (!in_.accept(")")) {
        if (!in_.accept("?")) in_.integer();
        in_.accept(",");
      }
    } while (in_.accept(","));
    in_.expect("=");
  }

  Lexer& in_;
  Span<const Tensor> tensors_;
  int64_t& made_;
  int depth_;
  const KnownDims* outer_;
  Graph g_;
  std::map<int64_t, int> ids_;
};

}  // namespace

bool has_text(const Tensor& value) { return is_uniform(value) || value.numel() <= kShownValues; }
std::string to_text(const Graph& graph, bool all_values) { return Writer(graph, all_values).text(); }
Graph parse_graph(std::string_view text, const Sizes& sizes) {
  Lexer lexer(text, &sizes);
  return parse_graph(lexer, {});
}
Graph parse_graph(Lexer& lexer, Span<const Tensor> tensors) {
  int64_t made = 0;
  return Reader(lexer, tensors, made).graph();
}

}  // namespace addax
