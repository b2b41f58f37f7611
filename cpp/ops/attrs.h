// Attributes of an op: a plain struct with named fields. Python keyword arguments, text, equality, hash and
// the file format all derive from `fields`.
//
// To add attributes:
//   struct PoolAttrs {
//     Dims window, strides;
//     bool average = false;
//     template <class F> void fields(F&& f) { f("window", window); f("strides", strides); f("average", average); }
//   };
// A field is a bool, int64_t, double, std::string, Dtype, Dims, BodyRef or Bodies. Its initial value is its default.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "addax/dtype.h"
#include "addax/shape.h"
#include "ops/body.h"

namespace addax {

using AttrValue = std::variant<bool, int64_t, double, std::string, Dtype, Dims, BodyRef, Bodies>;

/// Sees each field of an attribute struct in order of declaration.
class ADDAX_API AttrVisitor {
 public:
  virtual ~AttrVisitor() = default;
  virtual void field(const char* name, bool& value) = 0;
  virtual void field(const char* name, int64_t& value) = 0;
  virtual void field(const char* name, double& value) = 0;
  virtual void field(const char* name, std::string& value) = 0;
  virtual void field(const char* name, Dtype& value) = 0;
  virtual void field(const char* name, Dims& value) = 0;
  virtual void field(const char* name, BodyRef& value) = 0;
  virtual void field(const char* name, Bodies& value) = 0;
};

class ADDAX_API AttrsBase {
 public:
  virtual ~AttrsBase() = default;
  virtual void visit(AttrVisitor& visitor) = 0;
  virtual std::shared_ptr<AttrsBase> clone() const = 0;
};

template <class T>
class AttrsOf final : public AttrsBase {
 public:
  AttrsOf() = default;
  explicit AttrsOf(T v) : value(std::move(v)) {}
  void visit(AttrVisitor& visitor) override {
    value.fields([&](const char* name, auto& field) { visitor.field(name, field); });
  }
  std::shared_ptr<AttrsBase> clone() const override { return std::make_shared<AttrsOf>(*this); }

  T value;
};

/// A shared immutable attribute struct of any type; empty for ops without attributes.
class ADDAX_API Attrs {
 public:
  Attrs() = default;
  explicit Attrs(std::shared_ptr<AttrsBase> base) : base_(std::move(base)) {}
  template <class T>
  static Attrs of(T value) {
    return Attrs(std::make_shared<AttrsOf<T>>(std::move(value)));
  }

  explicit operator bool() const { return static_cast<bool>(base_); }
  /// The op's registration guarantees T.
  template <class T>
  const T& as() const {
    return static_cast<const AttrsOf<T>*>(base_.get())->value;
  }
  std::vector<std::pair<std::string, AttrValue>> fields() const;
  std::shared_ptr<AttrsBase> clone() const { return base_ ? base_->clone() : nullptr; }
  /// "axes=(0, 1), keepdims=true"
  std::string text() const;
  size_t hash() const;
  friend bool operator==(const Attrs& a, const Attrs& b) { return a.fields() == b.fields(); }

 private:
  std::shared_ptr<AttrsBase> base_;
};

/// Text of one value: "true", "3", "0.5", "\"same\"", "float32", "(0, 1)".
ADDAX_API std::string text_of(const AttrValue& value);

}  // namespace addax
