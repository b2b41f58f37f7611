// What derives from the fields of an attribute struct: values, text, hash.
#include "ops/attrs.h"

#include <functional>
#include <iomanip>
#include <sstream>

namespace addax {
namespace {

struct Collector final : AttrVisitor {
  std::vector<std::pair<std::string, AttrValue>> values;

  void field(const char* name, bool& v) override { values.emplace_back(name, v); }
  void field(const char* name, int64_t& v) override { values.emplace_back(name, v); }
  void field(const char* name, double& v) override { values.emplace_back(name, v); }
  void field(const char* name, std::string& v) override { values.emplace_back(name, v); }
  void field(const char* name, Dtype& v) override { values.emplace_back(name, v); }
  void field(const char* name, Dims& v) override { values.emplace_back(name, v); }
  void field(const char* name, BodyRef& v) override { values.emplace_back(name, v); }
  void field(const char* name, Bodies& v) override { values.emplace_back(name, v); }
};

}  // namespace

std::vector<std::pair<std::string, AttrValue>> Attrs::fields() const {
  Collector c;
  if (base_) base_->visit(c);
  return std::move(c.values);
}

std::string text_of(const AttrValue& value) {
  std::ostringstream out;
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>)
          out << (v ? "true" : "false");
        else if constexpr (std::is_same_v<T, std::string>)
          out << std::quoted(v);
        else if constexpr (std::is_same_v<T, double>)
          out << std::setprecision(17) << v;
        else if constexpr (std::is_same_v<T, BodyRef>)
          out << v.text();
        else if constexpr (std::is_same_v<T, Bodies>) {
          out << '[';
          for (size_t i = 0; i < v.size(); ++i) out << (i ? ", " : "") << v[i].text();
          out << ']';
        } else
          out << v;
      },
      value);
  return out.str();
}

std::string Attrs::text() const {
  std::string out;
  for (const auto& [name, value] : fields()) out += (out.empty() ? "" : ", ") + name + "=" + text_of(value);
  return out;
}

size_t Attrs::hash() const { return std::hash<std::string>()(text()); }

}  // namespace addax
