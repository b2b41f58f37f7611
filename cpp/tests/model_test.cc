// Model files made here: what the loader refuses, what a model and a trainer do.
#include "addax/model.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <thread>

#include "addax/ops/elementwise.h"
#include "model/file.h"

using namespace addax;

// ---- what the process asks for from the heap

namespace {
std::atomic<int64_t> allocations{0};

void* counted(size_t size, size_t alignment) {
  ++allocations;
  size = std::max<size_t>(size, 1);
  return alignment ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : std::malloc(size);
}
void* must(void* p) {
  if (!p) throw std::bad_alloc();
  return p;
}
}  // namespace

void* operator new(size_t n) { return must(counted(n, 0)); }
void* operator new[](size_t n) { return must(counted(n, 0)); }
void* operator new(size_t n, std::align_val_t a) { return must(counted(n, static_cast<size_t>(a))); }
void* operator new[](size_t n, std::align_val_t a) { return must(counted(n, static_cast<size_t>(a))); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return counted(n, 0); }
void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

// ---- files

Tensor floats(const Shape& shape, std::vector<float> values) { return Tensor::from_data(values.data(), shape); }

struct Maker {
  std::string lines, data, endpoints;
  int count = 0;

  Maker& tensor(const std::string& name, const Tensor& value) {
    std::ostringstream line;
    const size_t size = static_cast<size_t>(value.nbytes());
    char crc[11];
    std::snprintf(crc, sizeof crc, "%010u", crc32(value.raw(), size));
    line << "tensor " << count++ << " \"" << name << "\": " << value.dtype() << value.shape() << " at " << data.size()
         << " crc " << crc << '\n';
    lines += line.str();
    data.append(static_cast<const char*>(value.raw()), size);
    data.resize((data.size() + 63) / 64 * 64);
    return *this;
  }

  /// `ports`: all lines up to the graph.
  Maker& endpoint(const std::string& name, const std::string& ports, const std::string& graph) {
    endpoints +=
        "endpoint \"" + name + "\" {\n" + ports + "\n  graph " + std::to_string(graph.size()) + "\n" + graph + "\n}\n";
    return *this;
  }

  std::string text() const { return "addax 1\nops 1\nmade_by \"a test\"\n" + lines + endpoints; }
  std::string bytes() const { return bytes_of(text()); }

  std::string bytes_of(const std::string& text) const {
    const uint64_t at = (64 + text.size() + 63) / 64 * 64;
    const uint64_t ranges[] = {64, text.size(), at, data.size()}, total = at + data.size();
    const uint32_t version[] = {1, 0}, crc[] = {crc32(text.data(), text.size()), 0};
    std::string out(
        "\x89"
        "ADDAX\r\n",
        8);
    out.append(reinterpret_cast<const char*>(version), 8).append(reinterpret_cast<const char*>(ranges), 32);
    out.append(reinterpret_cast<const char*>(crc), 8).append(reinterpret_cast<const char*>(&total), 8);
    out += text;
    out.resize(at);
    return out + data;
  }
};

const char* const kPorts =
    "  sizes (batch)\n  inputs [\"x\": float32(batch, 2)]\n  outputs [\"y\": float32(batch, 2)]\n  states []\n  "
    "example [2] [3]";
const char* const kGraph =
    "graph(%0: float32(batch, 2)) {\n"
    "  const %1: float32(2, 2) = tensor 0\n"
    "  const %2: float32(2,) = tensor 1\n"
    "  %3: float32(batch, 2) = matmul(%0, %1, transpose_a=false, transpose_b=false)\n"
    "  %4: float32(batch, 2) = add(%3, %2)\n"
    "  %5: float32(batch, 2) = relu(%4)\n"
    "  return %5\n}";

// relu(x [[1, 2], [3, 4]] + [0.5, -1]).
Maker dense() {
  Maker m;
  m.tensor("kernel", floats({2, 2}, {1, 2, 3, 4})).tensor("bias", floats({2}, {0.5f, -1}));
  m.tensor("", floats({2, 2}, {1, 0, -1, 1})).tensor("", floats({2, 2}, {1.5f, 1, 2.5f, 1}));
  return m.endpoint("serve", kPorts, kGraph);
}

Model load(const std::string& bytes, const LoadOptions& options = {}) {
  return Model::from_bytes(bytes.data(), bytes.size(), options);
}

// A text like that of dense() but for one part of it.
std::string with(const std::string& from, const std::string& to) {
  const Maker m = dense();
  std::string text = m.text();
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  const size_t head = text.find("  graph ") + 8, line = text.find('\n', head), end = text.find("\n}\n}", line);
  if (end != std::string::npos) text.replace(head, line - head, std::to_string(end + 2 - (line + 1)));
  return m.bytes_of(text);
}

template <class E = Error, class Body>
std::string message(const Body& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

bool says(const std::string& message, const std::string& part) {
  const bool found = message.find(part) != std::string::npos;
  if (!found) MESSAGE(message);
  return found;
}

bool refuses(const std::string& bytes, const std::string& part) {
  return says(message<ValueError>([&] { load(bytes); }), part);
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && !std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.nbytes()));
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/addax_model_XXXXXX";
    REQUIRE(mkdtemp(name));
    path = name;
  }
  ~Folder() {
    for (const std::string& name : names()) std::remove((path + "/" + name).c_str());
    rmdir(path.c_str());
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    DIR* dir = opendir(path.c_str());
    for (const dirent* e; (e = readdir(dir));)
      if (e->d_name[0] != '.') found.emplace_back(e->d_name);
    closedir(dir);
    return found;
  }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path + "/" + name, std::ios::binary) << bytes;
    return path + "/" + name;
  }
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

}  // namespace

// ---- loading

TEST_CASE("a file made by hand loads and runs") {
  LoadOptions options;
  options.verify = true;
  const Model m = load(dense().bytes(), options);
  CHECK(m.inputs()[0].name == "x");
  CHECK(m.inputs()[0].sizes == std::vector<std::string>{"batch", ""});
  const Tensor y = m.run({floats({1, 2}, {1, 1})})[0];
  CHECK(same(y, floats({1, 2}, {4.5f, 5})));
  CHECK(m.output_shapes({{7, 2}})[0] == Shape{7, 2});
  CHECK(m.run(std::map<std::string, Tensor>{{"x", floats({1, 2}, {1, 1})}}).at("y").numel() == 2);
}

TEST_CASE("no part of a file is enough") {
  const std::string whole = dense().bytes();
  for (size_t n = 0; n < whole.size(); ++n) CHECK_THROWS_AS(load(whole.substr(0, n)), ValueError);
  CHECK_THROWS_AS(load(whole + "x"), ValueError);
}

TEST_CASE("any byte of the text and header may be wrong") {
  const Maker m = dense();
  const std::string text = m.text(), whole = m.bytes();
  int loaded = 0;
  const auto try_one = [&](const std::string& bytes) {
    try {
      const Model model = load(bytes);
      model.run({floats({2, 2}, {1, 1, 2, 2})});
      ++loaded;
    } catch (const Error&) {
    }
  };
  for (size_t at = 0; at < text.size(); ++at)
    for (const int flip : {1, 2, 4, 16, 64, 128}) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try_one(m.bytes_of(changed));
    }
  for (size_t at = 0; at < 64; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      try_one(changed);
    }
  CHECK(loaded > 100);  // names and values may be others
}

TEST_CASE("files that are none, or of a later version") {
  std::string bytes = dense().bytes();
  CHECK(refuses("hello", "no addax model file"));
  CHECK(refuses(std::string(4096, 'x'), "no addax model file"));
  bytes[8] = 2;
  CHECK(refuses(bytes, "its format has version 2, and this library reads those up to 1; update addax"));
  bytes[8] = 0;
  CHECK(refuses(bytes, "version 0"));
  bytes = dense().bytes();
  bytes[12] = 1;
  CHECK(refuses(bytes, "features that this library does not have"));
  bytes = dense().bytes();
  bytes[70] ^= 1;
  CHECK(refuses(bytes, "does not have the checksum"));
  CHECK(refuses(with("ops 1", "ops 3"), "version 3 of the ops"));
  CHECK(says(message([] { Model::load("/nowhere/m.addax"); }), "cannot open /nowhere/m.addax: No such file"));
  CHECK(says(message([] { Model::load("/"); }), "is no regular file"));
}

TEST_CASE("tensors lie within the data, aligned, one behind the other") {
  CHECK(refuses(with("at 64 crc", "at 32 crc"), "at a multiple of 64 behind the others"));
  CHECK(refuses(with("at 64 crc", "at 0 crc"), "behind the others"));
  CHECK(refuses(with("at 192 crc", "at 256 crc"), "to lie within the file's data"));
  CHECK(refuses(with("at 192 crc", "at 18446744073709551552 crc"), "to lie within the file's data"));
  CHECK(refuses(with("float32(2,) at", "float32(70,) at"), "lie within the file's data"));
  CHECK(refuses(with("float32(2,) at", "float32(4294967296, 4294967296, 4294967296) at"), "can be addressed"));
  CHECK(refuses(with("float32(2,) at", "float32(-2,) at"), "dims that are not negative"));
  CHECK(refuses(with("float32(2,) at", "float99(2,) at"), "float99"));
  CHECK(refuses(with("float32(2,) at", "complex64(1,) at"), "not complex"));
  CHECK(refuses(with("float32(2,) at", "bool(8,) at"), "expected bools to be 0 or 1"));
  CHECK(refuses(with("tensor 1 ", "tensor 2 "), "numbered in order"));
  CHECK(refuses(with("crc ", "crc 0"), "ten digits"));
}

TEST_CASE("endpoints and graphs that do not fit") {
  CHECK(refuses(with("= tensor 1", "= tensor 9"), "there is no tensor 9"));
  CHECK(refuses(with("= tensor 1", "= tensor 0"), "another shape or dtype"));
  CHECK(refuses(with("add(%3", "add(%9"), "%9 is not defined"));
  CHECK(refuses(with("%4: float32(batch, 2) = add", "%3: float32(batch, 2) = add"), "defined twice"));
  CHECK(refuses(with("add(%3, %2)", "add(%3, _)"), "add: input 1 is not given"));
  CHECK(refuses(with("relu(%4)", "system(%4)"), "no op named 'system'"));
  CHECK(refuses(with("%5: float32(batch, 2)", "%5: float32(batch, 3)"), "relu"));
  CHECK(refuses(with("%5: float32(batch, 2)", "%5: float32(n, 2)"), "the name of a size"));
  CHECK(refuses(with("%5: float32(batch, 2)", "%5: float32(9223372036854775807*batch, 2)"), "too large"));
  CHECK(refuses(with("%5: float32(batch, 2)", "%5: float32(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "limit of 8"));
  CHECK(refuses(with("sizes (batch)", "sizes (batch, other)"), "other"));
  CHECK(refuses(with("inputs [", "inputs [\"x\": float32(batch, 2), "), "'x'"));
  CHECK(refuses(with("outputs [\"y\": float32(batch, 2)]", "outputs []"), "example"));
  CHECK(refuses(with("\"x\": float32(batch, 2)", "\"x\": int32(batch, 2)"), "input 'x' of endpoint serve is float32"));
  CHECK(refuses(with("example [2] [3]", "example [2] [4]"), "there is no tensor 4"));
  CHECK(refuses(with("states []", "states [\"a\" = 0, \"a\" = 1]"), "names and tensors of their own"));
  CHECK(refuses(with("states []", "states [\"a\" = 0]"), "1 states, and its graph 0"));
}

TEST_CASE("consts that would take much memory are refused before there is any") {
  const std::string line = "  const %2: float32(2,) = tensor 1";
  reset_peak_memory();
  const int64_t before = memory_stats().peak;
  CHECK(refuses(with(line, "  const %2: float32(100000000000,) = [1, 2]"), "expected 100000000000 values"));
  CHECK(refuses(with(line, "  const %2: float32(100000000000,) = range [0, 1]"), "256 MiB"));
  CHECK(refuses(with(line, "  const %2: float32(9007199254740992,) = all [1]"), "can be addressed"));
  // One element for all takes no memory; that it is stretched does, and has a limit.
  const std::string stretched =
      with("  %4: float32(batch, 2) = add(%3, %2)",
           "  const %6: float32(1000000000, 2) = all [1]\n"
           "  %7: float32(1000000000, 2) = exp(%6)\n  %8: float32() = sum(%7, axes=(), keepdims=false)\n"
           "  %9: float32(batch, 2) = add(%3, %2)\n  %4: float32(batch, 2) = add(%9, %8)");
  LoadOptions options;
  options.memory_limit = 1 << 20;
  const Model m = load(stretched, options);
  message([&] { m.output_shapes({{2, 2}}); });  // OutOfMemory, unless a pass found a way around it
  CHECK(memory_stats().peak - before < 1 << 24);
}

TEST_CASE("programs have as many inputs as their kernel has room for") {
  std::string inputs, dtypes;
  for (int i = 0; i < 200; ++i) {
    inputs += "%4, ";
    dtypes += "float32 ";
  }
  CHECK(
      refuses(with("relu(%4)", "fused(" + inputs + "program=\"add 0 199\", dtypes=\"" + dtypes + "\", results=(200,))"),
              "at most 64 inputs, got 200"));
}

TEST_CASE("verify compares checksums and the example") {
  LoadOptions options;
  options.verify = true;
  std::string bytes = dense().bytes();
  bytes[bytes.size() - 256] ^= 1;  // of the kernel
  CHECK(says(message<ValueError>([&] { load(bytes, options); }), "tensor 0 'kernel' does not have the checksum"));
  load(bytes);
  const std::string other = with("add(%3", "subtract(%3");
  CHECK(says(message([&] { load(other, options); }), "output 'y' differs from the recorded example by"));
  load(other);
}

// ---- running

TEST_CASE("inputs that do not fit") {
  const Model m = load(dense().bytes());
  const Tensor x = floats({1, 2}, {1, 2});
  CHECK(says(message<ValueError>([&] { m.run(Tensors{}); }), "serve: expected 1 inputs ('x'), got 0"));
  CHECK(says(message<ValueError>([&] { m.run(Tensors{Tensor()}); }), "input 0 'x' is undefined"));
  CHECK(
      says(message<DtypeError>([&] { m.run({cast(x, Dtype::Float64)}); }), "input 0 'x' must be float32, got float64"));
  CHECK(says(message<ShapeError>([&] { m.run({floats({2}, {1, 2})}); }),
             "input 0 'x' must have shape (batch, 2), got (2,)"));
  CHECK(says(message<ShapeError>([&] { m.run({floats({2, 1}, {1, 2})}); }), "must have shape (batch, 2), got (2, 1)"));
  CHECK(says(message<ShapeError>([&] { m.output_shapes({{-1, 2}}); }), "must have shape"));
  CHECK(says(message<ValueError>([&] { m.run(std::map<std::string, Tensor>{}); }), "expected an input 'x'"));
  CHECK(says(message<ValueError>([&] { m.run(std::map<std::string, Tensor>{{"x", x}, {"z", x}}); }), "no input 'z'"));
  CHECK(says(message<ValueError>([&] { m.endpoint("other"); }), "no endpoint 'other'; the file has 'serve'"));
  Tensor y = Tensor::empty({1, 2}, Dtype::Float32);
  const auto into = [&](const Tensor& in, const Tensor& out) {
    return message([&] { m.run(Span<const Tensor>(&in, 1), Span<const Tensor>(&out, 1)); });
  };
  CHECK(says(into(x, floats({2}, {0, 0})), "output 0 must have shape (1, 2)"));
  CHECK(says(into(x, Tensor::empty({1, 2}, Dtype::Int32)), "output 0 must be float32"));
  CHECK(says(into(x, x), "output 0 must not share memory with input 0"));
  CHECK(says(into(x, Tensor()), "output 0 must be contiguous"));
  CHECK(into(x, y) == "nothing was thrown");
}

TEST_CASE("sizes of one name are equal") {
  Maker m;
  m.endpoint("serve",
             "  sizes (n)\n  inputs [\"a\": float32(n), \"b\": float32(n, 2)]\n  outputs [\"y\": float32(?)]\n  states "
             "[]\n  example [] []",
             "graph(%0: float32(n), %1: float32(n, 2)) {\n  %2: float32(2*n) = reshape(%1, shape=(2*n))\n"
             "  %3: float32(?) = concatenate(%0, %2, axis=0)\n  return %3\n}");
  const Model model = load(m.bytes());
  CHECK(model.output_shapes({{4}, {4, 2}})[0] == Shape{12});
  CHECK(says(message<ShapeError>([&] { model.output_shapes({{4}, {5, 2}}); }),
             "input 1 'b' must have shape (n=4, 2), got (5, 2)"));
}

TEST_CASE("a run beyond memory_limit is refused before it begins") {
  LoadOptions options;
  options.memory_limit = 1 << 16;
  const Model m = load(dense().bytes(), options);
  m.run({Tensor::full({8, 2}, 1, Dtype::Float32)});
  CHECK(says(message<OutOfMemory>([&] { m.output_shapes({{1 << 20, 2}}); }),
             "memory_limit allows 65536; run smaller batches"));
  m.run({Tensor::full({8, 2}, 1, Dtype::Float32)});
}

TEST_CASE("many shapes come and go") {
  const Model m = load(dense().bytes());
  for (int round = 0; round < 3; ++round)
    for (int64_t n = 0; n < 40; ++n) {
      const Tensor y = m.run({Tensor::full({n, 2}, 1, Dtype::Float32)})[0];
      REQUIRE(y.shape() == Shape{n, 2});
      for (int64_t i = 0; i < n; ++i) REQUIRE(y.data<float>()[2 * i] == 4.5f);
    }
}

TEST_CASE("threads share a model") {
  const Model m = load(dense().bytes());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const int64_t n = 1 + (i * 7 + t) % 37;
        const Tensor y = m.run({Tensor::full({n, 2}, t, Dtype::Float32)})[0];
        for (int64_t k = 0; k < n; ++k) wrong += y.data<float>()[2 * k] != 4.0f * t + 0.5f;
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

namespace {

// A convolution with an epilogue, both pools, an LSTM over rows, softmax.
std::string conv_and_more() {
  return Maker()
      .endpoint("serve",
                "  sizes (n)\n  inputs [\"x\": float32(n, 8, 8, 2)]\n  outputs [\"y\": float32(n, 4)]\n"
                "  states []\n  example [] []",
                "graph(%0: float32(n, 8, 8, 2)) {\n"
                "  const %1: float32(3, 3, 2, 4) = all [0.1]\n"
                "  const %2: float32(4,) = [1, 2, 3, 4]\n"
                "  const %3: float32(n, 4) = all [0]\n"
                "  const %4: float32(4, 16) = all [0.2]\n"
                "  const %5: float32(16,) = all [0.3]\n"
                "  %6: float32(n, 6, 6, 4) = conv(%0, %1, strides=(1, 1), low=(0, 0), high=(0, 0), dilation=(1, 1), "
                "groups=1)\n"
                "  %7: float32(n, 6, 6, 4) = add(%6, %2)\n"
                "  %8: float32(n, 6, 6, 4) = relu(%7)\n"
                "  %9: float32(n, 3, 3, 4) = max_pool(%8, window=(2, 2), strides=(2, 2), low=(0, 0), high=(0, 0))\n"
                "  %10: float32(n, 2, 2, 4) = avg_pool(%9, window=(2, 2), strides=(1, 1), low=(0, 0), high=(0, 0), "
                "count_padding=false)\n"
                "  %11: float32(n, 4, 4) = reshape(%10, shape=(n, 4, 4))\n"
                "  %12: float32(n, 4, 4), %13: float32(n, 4), %14: float32(n, 4), %15: float32(n, 4, 4), "
                "%16: float32(n, 4, 16) = lstm(%11, %3, %3, %4, %4, %5, go_backwards=false)\n"
                "  %17: float32(n, 4) = softmax(%13, axis=1)\n"
                "  return %17\n}")
      .bytes();
}

}  // namespace

TEST_CASE("borrowed memory is read and written in place") {
  float x[4] = {1, 2, 3, 4};
  const Tensor t = Tensor::borrow(x, {2, 2}), c = Tensor::borrow(static_cast<const float*>(x), {4});
  CHECK(t.raw() == x);
  CHECK(t.dtype() == Dtype::Float32);
  CHECK(c.storage()->read_only);
  CHECK_FALSE(t.storage()->read_only);
  const Model m = load(dense().bytes());
  float y[4] = {};
  const Tensor out = Tensor::borrow(y, {2, 2});
  m.run(Span<const Tensor>(&t, 1), Span<const Tensor>(&out, 1));
  const Tensor expected = m.run({t})[0];
  for (int i = 0; i < 4; ++i) CHECK(y[i] == expected.data<float>()[i]);
  const Tensor fixed = Tensor::borrow(static_cast<const float*>(y), {2, 2});
  CHECK_THROWS_AS(m.run(Span<const Tensor>(&t, 1), Span<const Tensor>(&fixed, 1)), ValueError);
}

TEST_CASE("packed weights take no more than six times the weights") {
  // One element repeated, and more columns of padding than of weights.
  const std::string ports =
      "  sizes (batch)\n  inputs [\"x\": float32(batch, 4000)]\n  outputs [\"y\": float32(batch, 2)]\n  states []\n  "
      "example [] []";
  Maker maker;
  maker.tensor("narrow", Tensor::full({4000, 2}, 0.5, Dtype::Float32));
  const Model m = load(maker
                           .endpoint("serve", ports,
                                     R"(graph(%0: float32(batch, 4000)) {
  const %1: float32(4000, 3000) = all [0.25]
  const %2: float32(4000, 2) = tensor 0
  %3: float32(batch, 3000) = matmul(%0, %1, transpose_a=false, transpose_b=false)
  %4: float32(batch, 1) = max(%3, axes=(1,), keepdims=true)
  %5: float32(batch, 2) = matmul(%0, %2, transpose_a=false, transpose_b=false)
  %6: float32(batch, 2) = add(%5, %4)
  return %6
})")
                           .bytes());
  const Tensor x = Tensor::full({64, 4000}, 1, Dtype::Float32);
  const int64_t before = memory_stats().live;
  const Tensor y = m.run({x})[0];
  CHECK(y.data<float>()[0] == 3000);
  CHECK(memory_stats().live - before < 7 * 4000 * 2 * 4 + (1 << 20));  // and the arena
}

#if !defined(__SANITIZE_THREAD__)
// A scan, a while_loop and a cond.
std::string loops() {
  return Maker()
      .endpoint("serve",
                "  sizes ()\n  inputs [\"x\": float32(5, 2)]\n  outputs [\"y\": float32(5, 2)]\n  states []\n  "
                "example [] []",
                R"(graph(%0: float32(5, 2)) {
  const %1: float32() = [1000]
  %2: float32(2,) = sum(%0, axes=(0,), keepdims=false)
  %3: float32(5, 2), %4: float32(2,) = scan(%0, %2, body=graph(%0: float32(2,), %1: float32(2,)) {
    const %2: float32() = [2]
    %3: float32(2,) = add(%1, %0)
    %4: float32(2,) = multiply(%1, %2)
    return %4, %3
  }, length=5, sequences=1, carries=1, reverse=false)
  %5: float32() = sum(%4, axes=(0,), keepdims=false)
  %6: bool() = less(%5, %1)
  %7: bool(), %8: float32(2,) = while_loop(%6, %4, body=graph(%0: bool(), %1: float32(2,)) {
    const %2: float32() = [1.5]
    const %3: float32() = [1000]
    %4: float32(2,) = multiply(%1, %2)
    %5: float32() = sum(%4, axes=(0,), keepdims=false)
    %6: bool() = less(%5, %3)
    return %6, %4
  }, maximum=-1)
  %9: float32(5, 2) = add(%3, %8)
  %10: int32() = cast(%6, dtype=int32)
  %11: float32(5, 2) = cond(%10, %9, bodies=[graph(%0: float32(5, 2)) {
    const %1: float32() = [1]
    %2: float32(5, 2) = add(%0, %1)
    return %2
  }, graph(%0: float32(5, 2)) {
    const %1: float32() = [1]
    %2: float32(5, 2) = subtract(%0, %1)
    return %2
  }])
  return %11
})")
      .bytes();
}

TEST_CASE("runs into the caller's buffers allocate nothing once they are warm") {
  constexpr int64_t kRows = 5;
  constexpr int kThreads = 3;
  for (const Model& m : {load(dense().bytes()), load(conv_and_more()), load(loops())}) {
    Shape from = m.inputs()[0].shape, to = m.outputs()[0].shape;
    from[0] = to[0] = kRows;
    m.prepare({from}, kThreads);
    // Threads that meet at a new place of the kernels need a block more at once than ever before; so rounds are run
    // until one needs nothing.
    constexpr int kRounds = 40;
    std::atomic<int> ready{0}, round{0}, done{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&] {
        const Tensor x = Tensor::full(from, 1, Dtype::Float32), y = Tensor::empty(to, Dtype::Float32);
        const Span<const Tensor> in(&x, 1), out(&y, 1);
        ++ready;
        for (int r = 1; r <= kRounds; ++r) {
          while (round < r) std::this_thread::yield();
          for (int i = 0; i < 100; ++i) m.run(in, out);
          ++done;
        }
      });
    while (ready < kThreads) std::this_thread::yield();
    int64_t least = -1;
    for (int r = 1; r <= kRounds; ++r) {
      const int64_t before = allocations;
      round = r;
      while (done < r * kThreads) std::this_thread::yield();
      const int64_t made = allocations - before;
      least = least < 0 ? made : std::min(least, made);
    }
    for (std::thread& t : threads) t.join();
    CHECK(least == 0);
  }
}
#endif

namespace {

// A running sum.
Maker counter(const Shape& shape = {2}) {
  Maker m;
  m.tensor("total", Tensor::full(shape, 0, Dtype::Float32));
  std::ostringstream dims;
  dims << shape;
  const std::string s = "float32" + dims.str();
  return m.endpoint(
      "serve",
      "  sizes ()\n  inputs [\"x\": " + s + "]\n  outputs [\"y\": " + s +
          "]\n  states [\"total\" = 0]\n  example [] []",
      "graph(%0: " + s + ", state %1: " + s + ") {\n  %2: " + s + " = add(%0, %1)\n  return %2, state %2\n}");
}

}  // namespace

TEST_CASE("a state moves on with its own sequence of runs") {
  const Model m = load(counter().bytes());
  CHECK(m.has_state());
  const Tensor one = floats({2}, {1, 1});
  CHECK(says(message<ValueError>([&] { m.run({one}); }), "it has a state; call run(inputs, state)"));
  ModelState a = m.initial_state(), b = m.initial_state();
  m.run({one}, a);
  CHECK(same(m.run({one}, a)[0], floats({2}, {2, 2})));
  CHECK(same(m.run({one}, b)[0], floats({2}, {1, 1})));
  CHECK_THROWS_AS(m.run({floats({3}, {1, 1, 1})}, a), ShapeError);
  CHECK(same(a.values()[0], floats({2}, {2, 2})));
  a.set("total", floats({2}, {5, 6}));
  CHECK(same(m.run({one}, a)[0], floats({2}, {6, 7})));
  CHECK_THROWS_AS(a.set("other", one), ValueError);
  CHECK_THROWS_AS(a.set("total", floats({1}, {1})), ShapeError);
  ModelState copy = a;
  m.run({one}, copy);
  CHECK(same(a.values()[0], floats({2}, {6, 7})));
  // A state of another model is no memory to read.
  ModelState foreign = load(counter({1}).bytes()).initial_state();
  CHECK(
      says(message<ValueError>([&] { m.run({one}, foreign); }), "expected a state from initial_state() of this model"));
  ModelState none = load(dense().bytes()).initial_state();
  CHECK(says(message<ValueError>([&] { m.run({one}, none); }), "expected a state of 1 values"));
}

// ---- training

namespace {

Maker regression() {
  Maker m;
  m.tensor("w", floats({2, 1}, {0, 0})).tensor("rate", floats({}, {0.05f})).tensor("metrics/steps", floats({}, {0}));
  return m.endpoint("train",
                    "  sizes (n)\n  inputs [\"x\": float32(n, 2), \"y\": float32(n, 1)]\n  outputs [\"loss\": "
                    "float32(), \"steps\": float32()]\n"
                    "  states [\"w\" = 0, \"metrics/steps\" = 2]\n  example [] []",
                    "graph(%0: float32(n, 2), %1: float32(n, 1), state %2: float32(2, 1), state %9: float32()) {\n"
                    "  const %3: float32() = tensor 1\n  const %10: float32() = [1]\n"
                    "  %4: float32(n, 1) = matmul(%0, %2, transpose_a=false, transpose_b=false)\n"
                    "  %5: float32(n, 1) = subtract(%4, %1)\n"
                    "  %6: float32(2, 1) = matmul(%0, %5, transpose_a=true, transpose_b=false)\n"
                    "  %7: float32(2, 1) = sgd_update(%2, %6, %3)\n"
                    "  %11: float32(n, 1) = square(%5)\n"
                    "  %8: float32() = sum(%11, axes=(), keepdims=false)\n"
                    "  %12: float32() = add(%9, %10)\n"
                    "  return %8, %12, state %7, state %12\n}");
}

Tensors batch() { return {floats({3, 2}, {1, 2, 0, 1, 2, -1}), floats({3, 1}, {5, 2, 0})}; }

}  // namespace

TEST_CASE("training goes on from a saved file with the same bits") {
  const Folder folder;
  const std::string path = folder.write("m.addax", regression().bytes());
  Trainer a = Trainer::load(path);
  CHECK(a.names() == std::vector<std::string>{"w", "metrics/steps"});
  const Tensor first_value = a.value("w");
  const float first = a.step(batch())[0].data<float>()[0];
  float last = first;
  for (int i = 0; i < 9; ++i) last = a.step(batch())[0].data<float>()[0];
  CHECK(last < first / 10);
  CHECK(same(first_value, floats({2, 1}, {0, 0})));  // a value once read stays
  CHECK(a.value("metrics/steps").item() == 10);

  const std::string saved = folder.path + "/saved.addax";
  a.save(saved);
  Trainer b = Trainer::load(saved);
  CHECK(same(a.value("w"), b.value("w")));
  CHECK(b.value("metrics/steps").item() == 0);
  for (int i = 0; i < 5; ++i) {
    a.step(batch());
    b.step(batch());
  }
  CHECK(same(a.value("w"), b.value("w")));
  LoadOptions options;
  options.verify = true;
  options.endpoint = "train";
  Model::load(saved, options);  // its checksums are right
  // Over the file that it maps.
  b.save(saved);
  CHECK(same(b.value("w"), Trainer::load(saved).value("w")));
  a.reset_metrics();
  CHECK(a.value("metrics/steps").item() == 0);
}

TEST_CASE("a step that is refused changes nothing") {
  const Folder folder;
  Trainer t = Trainer::load(folder.write("m.addax", regression().bytes()));
  t.step(batch());
  const Tensor w = t.value("w").copy();
  CHECK(says(message<ValueError>([&] { t.step({batch()[0]}); }), "train: expected 2 inputs, got 1"));
  CHECK_THROWS_AS(t.step({batch()[0], floats({2, 1}, {1, 2})}), ShapeError);
  CHECK_THROWS_AS(t.step({batch()[0], Tensor()}), DtypeError);
  CHECK_THROWS_AS(t.value("other"), ValueError);
  CHECK(same(t.value("w"), w));
  CHECK(says(message<ValueError>([&] { Trainer::load(folder.write("d.addax", dense().bytes())); }),
             "no endpoint 'train'; the file has 'serve'; model.export_training writes a step"));
}

TEST_CASE("what cannot be saved leaves the old file, and nothing beside it") {
  const Folder folder;
  const std::string path = folder.write("m.addax", regression().bytes()), before = read(path);
  Trainer t = Trainer::load(path);
  t.step(batch());
  CHECK(says(message([&] { t.save(folder.path + "/no/m.addax"); }), "cannot create"));
  // The disk is full after a few bytes.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string failed = message([&] { t.save(path); });
  setrlimit(RLIMIT_FSIZE, &old);
  signal(SIGXFSZ, handler);
  CHECK(says(failed, "cannot write"));
  CHECK(read(path) == before);
  CHECK(folder.names() == std::vector<std::string>{"m.addax"});
  t.save(path);
  CHECK(folder.names() == std::vector<std::string>{"m.addax"});
  CHECK(same(Trainer::load(path).value("w"), t.value("w")));
}

TEST_CASE("values of a trainer outlive it") {
  const Folder folder;
  Tensor w;
  {
    Trainer t = Trainer::load(folder.write("m.addax", regression().bytes()));
    w = t.value("w");
  }
  CHECK(same(w, floats({2, 1}, {0, 0})));
}
