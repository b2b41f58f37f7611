#include "request_reader.h"

#include <cstring>
#include <limits>

#include "http_error.h"

namespace serve {
namespace {

constexpr int kMaxNodes = 4096;
constexpr size_t kMaxDepth = 16, kMaxDataDepth = 8;

template <class T>
uint64_t bits_of(T value) {
  static_assert(sizeof(T) == 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, 8);
  return bits;
}

}  // namespace

void RequestReader::read(const std::string& body) {
  if (!json::sax_parse(body.begin(), body.end(), this)) throw HttpError(400, problem_);
  if (!root_.is_object()) throw HttpError(400, "the body must be a JSON object");
}

bool RequestReader::refuse(const std::string& problem) {
  problem_ = problem;
  return false;
}

bool RequestReader::add(json value, bool open) {
  if (++nodes_ > kMaxNodes) return refuse("the request has more than 4096 JSON values beside its data");
  if (open && open_.size() == kMaxDepth) return refuse("the request is nested deeper than 16 levels");
  json* place = &root_;
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (open_.back()->is_array()) {
    open_.back()->push_back(std::move(value));
    place = &open_.back()->back();
  } else {
    place = &(*open_.back())[key_];
    *place = std::move(value);
  }
  if (open) open_.push_back(place);
  return true;
}

bool RequestReader::add_element(Values::Kind kind, uint64_t bits) {
  Values& values = values_.back();
  if (values.bits.empty()) leaf_depth_ = counts_.size();
  if (counts_.size() != leaf_depth_) return refuse("data: nested arrays must form a box");
  ++counts_.back();
  values.kinds.push_back(kind);
  values.bits.push_back(bits);
  return true;
}

bool RequestReader::starts_data() const {
  if (open_.size() != 3 || key_ != "data" || !root_.is_object() || !open_[2]->is_object()) return false;
  const auto inputs = root_.find("inputs");
  return inputs != root_.end() && open_[1] == &*inputs && inputs->is_array();
}

bool RequestReader::null() { return in_data_ ? refuse("data: null is no number") : add(nullptr); }

bool RequestReader::boolean(bool value) { return in_data_ ? add_element(Values::Kind::Bool, value) : add(value); }

bool RequestReader::number_integer(number_integer_t value) {
  return in_data_ ? add_element(Values::Kind::Negative, bits_of(value)) : add(value);
}

bool RequestReader::number_unsigned(number_unsigned_t value) {
  return in_data_ ? add_element(Values::Kind::Natural, value) : add(value);
}

bool RequestReader::number_float(number_float_t value, const string_t&) {
  return in_data_ ? add_element(Values::Kind::Real, bits_of(value)) : add(value);
}

bool RequestReader::string(string_t& value) {
  if (!in_data_) return add(std::move(value));
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (value == "NaN") return add_element(Values::Kind::Real, bits_of(std::numeric_limits<double>::quiet_NaN()));
  if (value == "Infinity") return add_element(Values::Kind::Real, bits_of(infinity));
  if (value == "-Infinity") return add_element(Values::Kind::Real, bits_of(-infinity));
  return refuse("data: of strings only \"NaN\", \"Infinity\" and \"-Infinity\" are numbers");
}

bool RequestReader::binary(binary_t&) { return refuse("JSON has no binary values"); }

bool RequestReader::start_object(size_t) {
  return in_data_ ? refuse("data: an object is no number") : add(json::object(), true);
}

bool RequestReader::key(string_t& value) {
  key_ = std::move(value);
  return true;
}

bool RequestReader::end_object() {
  open_.pop_back();
  return true;
}

bool RequestReader::start_array(size_t) {
  if (!in_data_) {
    if (!starts_data()) return add(json::array(), true);
    if (!add(json::array({values_.size()}))) return false;
    values_.emplace_back();
    in_data_ = true;
    counts_.clear();
    leaf_depth_ = 0;
  } else {
    if (counts_.size() == kMaxDataDepth) return refuse("data: arrays are nested deeper than 8 levels");
    ++counts_.back();
  }
  counts_.push_back(0);
  if (values_.back().dims.size() < counts_.size()) values_.back().dims.push_back(-1);
  return true;
}

bool RequestReader::end_array() {
  if (!in_data_) {
    open_.pop_back();
    return true;
  }
  Values& values = values_.back();
  int64_t& dim = values.dims[counts_.size() - 1];
  if (dim < 0) dim = counts_.back();
  if (dim != counts_.back()) return refuse("data: nested arrays must form a box");
  counts_.pop_back();
  in_data_ = !counts_.empty();
  if (!in_data_ && !values.bits.empty() && leaf_depth_ != values.dims.size())
    return refuse("data: nested arrays must form a box");
  return true;
}

bool RequestReader::parse_error(size_t position, const std::string&, const json::exception& error) {
  // The library's text begins with its own name and number in brackets.
  std::string text = error.what();
  const size_t end = text.find("] ");
  if (end != std::string::npos) text = text.substr(end + 2);
  return refuse("not valid JSON at byte " + std::to_string(position) + ": " + text.substr(0, 300));
}

}  // namespace serve
