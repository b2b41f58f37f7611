// Graphs as text and back:
//
//   graph(%0: float32(32, 8), state %1: float32(8, 4)) {
//     const %2: float32() = [1.5]
//     const %4: float32(32, 4) = all [1]
//     %3: float32(32, 4) = matmul(%0, %1, transpose_a=false)
//     return %3, state %1
//   }
//
// The bodies of loops and branches stand among their eqn's settings as graphs of their own.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <iomanip>
#include <map>
#include <sstream>

#include "graph/body.h"

namespace addax {
namespace {

constexpr int64_t kShownValues = 16;

bool is_uniform(const Tensor& t) {
  return t.numel() > 1 && std::all_of(t.strides().begin(), t.strides().end(), [](int64_t s) { return s == 0; });
}

class Writer {
 public:
  explicit Writer(const Graph& g) : g_(g), number_(g.vars.size(), -1) {}

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
    if (t.numel() > kShownValues) {
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
  std::vector<int> number_;
  int next_ = 0;
  std::ostringstream out_;
};

class Reader {
 public:
  explicit Reader(std::string_view text, size_t at = 0) : text_(text), at_(at) {}

  size_t at() const { return at_; }

  Graph graph() {
    expect("graph");
    expect("(");
    while (!accept(")")) {
      const bool state = accept("state");
      g_.states += state;
      g_.inputs.push_back(define());
      accept(",");
    }
    expect("{");
    while (!accept("return")) {
      if (accept("const"))
        read_const();
      else
        read_eqn();
    }
    while (!accept("}")) {
      accept("state");
      g_.outputs.push_back(use());
      accept(",");
    }
    verify(g_);
    return std::move(g_);
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    fail<ValueError>("graph text, line ", line, ": ", what, ", got '", text_.substr(at_, 24), "'");
  }

  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool accept(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) wrong("expected '" + std::string(token) + "'");
  }

  std::string word() {
    skip();
    const size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (at_ == start) wrong("expected a name");
    return std::string(text_.substr(start, at_ - start));
  }

  int64_t integer() {
    skip();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("expected an integer");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::string number_text() {
    skip();
    const size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || std::strchr("+-.", text_[at_]) != nullptr))
      ++at_;
    if (at_ == start) wrong("expected a number");
    return std::string(text_.substr(start, at_ - start));
  }

  double real() {
    const std::string text = number_text();
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (*end) wrong("expected a number");
    return value;
  }

  Dims dims() {
    Dims d;
    expect("(");
    while (!accept(")")) {
      d.push_back(integer());
      accept(",");
    }
    return d;
  }

  int define() {
    expect("%");
    const int64_t name = integer();
    expect(":");
    const Dtype dtype = dtype_from(word());
    const int v = g_.add_var(dims(), dtype);
    if (!ids_.emplace(name, v).second) wrong("%" + std::to_string(name) + " is defined twice");
    return v;
  }

  int use() {
    expect("%");
    const int64_t name = integer();
    const auto it = ids_.find(name);
    if (it == ids_.end()) wrong("%" + std::to_string(name) + " is not defined");
    return it->second;
  }

  void read_const() {
    const int v = define();
    expect("=");
    if (accept("<")) wrong("a const of many values has no text");
    const Spec spec = g_.vars[static_cast<size_t>(v)];
    const bool all = accept("all");
    expect("[");
    Tensor value = Tensor::empty(all ? Shape() : spec.shape, spec.dtype);
    for (int64_t i = 0; i < value.numel(); ++i) {
      if (spec.dtype == Dtype::Int64) {
        value.data<int64_t>()[i] = integer();
      } else if (spec.dtype == Dtype::UInt64) {
        value.data<uint64_t>()[i] = std::stoull(number_text());
      } else {
        const Tensor one = Tensor::scalar(real(), spec.dtype);
        std::memcpy(value.data<char>() + i * size_of(spec.dtype), one.raw(), static_cast<size_t>(size_of(spec.dtype)));
      }
      accept(",");
    }
    expect("]");
    if (all) value = value.view({spec.shape, Strides::filled(spec.shape.rank(), 0), 0});
    g_.consts.emplace_back(v, value);
  }

  struct Settings final : AttrVisitor {
    Reader& r;
    explicit Settings(Reader& reader) : r(reader) {}
    void name(const char* n) {
      r.accept(",");
      r.expect(n);
      r.expect("=");
    }
    void field(const char* n, bool& v) override {
      name(n);
      v = r.accept("true");
      if (!v) r.expect("false");
    }
    void field(const char* n, int64_t& v) override {
      name(n);
      v = r.integer();
    }
    void field(const char* n, double& v) override {
      name(n);
      v = r.real();
    }
    void field(const char* n, std::string& v) override {
      name(n);
      r.skip();
      std::istringstream in{std::string(r.text_.substr(r.at_))};
      in >> std::quoted(v);
      r.at_ += static_cast<size_t>(in.tellg());
    }
    void field(const char* n, Dtype& v) override {
      name(n);
      v = dtype_from(r.word());
    }
    void field(const char* n, Dims& v) override {
      name(n);
      v = r.dims();
    }
    void field(const char* n, BodyRef& v) override {
      name(n);
      if (r.accept("none")) return;
      Reader body(r.text_, r.at_);
      v = make_body(body.graph());
      r.at_ = body.at();
    }
    void field(const char* n, Bodies& v) override {
      name(n);
      r.expect("[");
      while (!r.accept("]")) {
        Reader body(r.text_, r.at_);
        v.push_back(make_body(body.graph()));
        r.at_ = body.at();
        r.accept(",");
      }
    }
  };

  void read_eqn() {
    // The inputs stand behind the outputs in the text, and their vars are older.
    std::vector<int> out;
    do {
      out.push_back(define());
    } while (accept(","));
    expect("=");
    Eqn e;
    e.op = &find_op(word());
    e.out = std::move(out);
    expect("(");
    skip();
    while (at_ < text_.size() && (text_[at_] == '%' || text_[at_] == '_')) {
      if (accept("_"))
        e.in.push_back(-1);
      else
        e.in.push_back(use());
      accept(",");
      skip();
    }
    if (e.op->default_attrs) {
      std::shared_ptr<AttrsBase> attrs = e.op->default_attrs.clone();
      Settings settings(*this);
      attrs->visit(settings);
      e.attrs = Attrs(std::move(attrs));
    }
    expect(")");
    g_.eqns.push_back(std::move(e));
  }

  std::string_view text_;
  size_t at_;
  Graph g_;
  std::map<int64_t, int> ids_;
};

}  // namespace

bool has_text(const Tensor& value) { return is_uniform(value) || value.numel() <= kShownValues; }
std::string to_text(const Graph& graph) { return Writer(graph).text(); }
Graph parse_graph(std::string_view text) { return Reader(text).graph(); }

}  // namespace addax
