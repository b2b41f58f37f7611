// Reads the JSON of an inference request in one pass: a small tree, with the numbers of tensors kept apart in plain
// arrays. A tree of all of it would take up to twenty times the bytes that a client sends.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace serve {

/// The elements of one "data", in order.
struct Values {
  enum class Kind : uint8_t { Bool, Negative, Natural, Real };
  std::vector<Kind> kinds;
  std::vector<uint64_t> bits;  // of a bool or uint64_t, an int64_t, a double
  std::vector<int64_t> dims;   // of the nested arrays
};

/// The handler of nlohmann's SAX parser.
class RequestReader {
 public:
  using json = nlohmann::json;
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  /// Throws HttpError. Members "data" of elements of "inputs" are arrays of one number, which is an index of `values`.
  void read(const std::string& body);
  const json& root() const { return root_; }
  const std::vector<Values>& values() const { return values_; }

  bool null();
  bool boolean(bool value);
  bool number_integer(number_integer_t value);
  bool number_unsigned(number_unsigned_t value);
  bool number_float(number_float_t value, const string_t& text);
  bool string(string_t& value);
  bool binary(binary_t& value);
  bool start_object(size_t);
  bool key(string_t& value);
  bool end_object();
  bool start_array(size_t);
  bool end_array();
  bool parse_error(size_t position, const std::string& token, const json::exception& error);

 private:
  bool refuse(const std::string& problem);
  bool add(json value, bool open = false);
  bool add_element(Values::Kind kind, uint64_t bits);
  bool starts_data() const;

  json root_;
  std::vector<json*> open_;  // from the root; pointers hold, since only the last element of an array is open
  std::string key_;
  std::vector<Values> values_;
  int nodes_ = 0;
  bool in_data_ = false;
  std::vector<int64_t> counts_;  // of the open arrays of the data
  size_t leaf_depth_ = 0;
  std::string problem_;
};

}  // namespace serve
