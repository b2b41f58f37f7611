// Lexer: the words, numbers and strings of graphs and model files as text. Trusts nothing of what it reads.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "addax/error.h"
#include "addax/shape.h"

namespace addax {

/// What names of unknown sizes stand for.
using Sizes = std::map<std::string, int64_t, std::less<>>;

/// Knows the dims of values that stand before in the text.
class KnownDims {
 public:
  virtual ~KnownDims() = default;
  /// Dim `axis` of the value %`name`. Throws ValueError if there is none.
  virtual int64_t dim(uint64_t name, uint64_t axis) const = 0;
};

class Lexer {
 public:
  /// Neither text nor sizes are copied. `what` names the text in errors.
  explicit Lexer(std::string_view text, const Sizes* sizes = nullptr, const char* what = "graph text")
      : text_(text), sizes_(sizes), what_(what) {}

  /// Throws ValueError with the line and what stands there.
  [[noreturn]] void wrong(const std::string& message) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    fail<ValueError>(what_, ", line ", line, ": ", message, ", got '", text_.substr(std::min(at_, text_.size()), 24),
                     "'");
  }

  size_t at() const { return at_; }
  size_t left() const { return text_.size() - at_; }
  void seek(size_t at) { at_ = at; }
  std::string_view since(size_t start) const { return text_.substr(start, at_ - start); }

  void skip() {
    while (at_ < text_.size() && is(" \n\t\r")) ++at_;
  }

  /// The next character that is no space; 0 at the end.
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool accept(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  /// `word` and no longer one.
  bool accept_word(std::string_view word) {
    const size_t start = at_;
    if (accept(word) && (at_ == text_.size() || !is_word(text_[at_]))) return true;
    at_ = start;
    return false;
  }

  void expect(std::string_view token) {
    if (!accept(token)) wrong("expected '" + std::string(token) + "'");
  }

  std::string word() {
    skip();
    const size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == start) wrong("expected a name");
    return std::string(since(start));
  }

  /// From here on, dims of values may stand in numbers; null: not. Returns what was said before.
  const KnownDims* know(const KnownDims* dims) { return std::exchange(dims_, dims); }

  /// A number, or a sum of products of numbers, sizes and dims of values: "3", "n", "80*n*m + -2", "4*%8.1".
  int64_t integer() {
    int64_t sum = 0;
    do {
      int64_t product = 1;
      do {
        if (__builtin_mul_overflow(product, factor(), &product)) wrong("the number is too large");
      } while (accept("*"));
      if (__builtin_add_overflow(sum, product, &sum)) wrong("the number is too large");
    } while (accept("+"));
    return sum;
  }

  /// A number written out, not negative.
  uint64_t natural() {
    skip();
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("expected a number that is not negative");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  double real() {
    skip();
    double value = 0;  // whatever the user's locale
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("expected a number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  /// In double quotes, with \" and \\ for these two characters.
  std::string quoted() {
    expect("\"");
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    if (at_ >= text_.size()) wrong("expected the end of a string");
    ++at_;
    return out;
  }

  /// So many bytes as they are, after the end of this line.
  std::string_view lines(uint64_t bytes) {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\r')) ++at_;
    if (at_ >= text_.size() || text_[at_] != '\n') wrong("expected the end of the line");
    ++at_;
    if (bytes > text_.size() - at_) wrong("expected " + std::to_string(bytes) + " more bytes");
    at_ += bytes;
    return text_.substr(at_ - bytes, bytes);
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

 private:
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  bool is(const char* any_of) const { return std::strchr(any_of, text_[at_]) && text_[at_] != '\0'; }

  int64_t factor() {
    skip();
    if (dims_ && accept("%")) {
      const uint64_t name = natural();
      expect(".");
      return dims_->dim(name, natural());
    }
    if (sizes_ && at_ < text_.size() && is_word(text_[at_]) && !(text_[at_] >= '0' && text_[at_] <= '9')) {
      const auto it = sizes_->find(word());
      if (it == sizes_->end()) wrong("expected a number or the name of a size before this");
      return it->second;
    }
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("expected an integer");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::string_view text_;
  const Sizes* sizes_;
  const char* what_;
  const KnownDims* dims_ = nullptr;
  size_t at_ = 0;
};

}  // namespace addax
