#include "protocol.h"

#include <addax/ops.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "request_reader.h"

namespace serve {
namespace {

using addax::Dtype;
using addax::Shape;
using addax::Tensor;
using addax::TensorInfo;
using nlohmann::json;
using nlohmann::ordered_json;

const std::pair<Dtype, const char*> kDatatypes[] = {
    {Dtype::Bool, "BOOL"},     {Dtype::Int8, "INT8"},    {Dtype::Int16, "INT16"},   {Dtype::Int32, "INT32"},
    {Dtype::Int64, "INT64"},   {Dtype::UInt8, "UINT8"},  {Dtype::UInt16, "UINT16"}, {Dtype::UInt32, "UINT32"},
    {Dtype::UInt64, "UINT64"}, {Dtype::Float16, "FP16"}, {Dtype::BFloat16, "BF16"}, {Dtype::Float32, "FP32"},
    {Dtype::Float64, "FP64"},
};

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw HttpError(400, text.str());
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

/// `name` for messages, short whatever a client sends.
std::string quoted(const std::string& name) { return dump(name.size() <= 64 ? name : name.substr(0, 64) + "..."); }

std::string text_of(const Shape& shape) {
  std::string text = "[";
  for (const int64_t dim : shape) text += (text.size() > 1 ? "," : "") + std::to_string(dim);
  return text + "]";
}

const json& member(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) refuse(where, ": \"", key, "\" is missing");
  return *found;
}

std::string string_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where);
  if (!value.is_string()) refuse(where, ": \"", key, "\" must be a string");
  return value.get<std::string>();
}

Shape shape_of(const json& input, const std::string& where) {
  const json& dims = member(input, "shape", where);
  if (!dims.is_array()) refuse(where, ": \"shape\" must be an array of integers");
  if (dims.size() > addax::kMaxRank) refuse(where, ": a shape has at most ", addax::kMaxRank, " dims");
  Shape shape;
  for (const json& dim : dims) {
    if (!dim.is_number_unsigned() || dim.get<uint64_t>() > std::numeric_limits<int32_t>::max())
      refuse(where, ": \"shape\" must hold integers from 0 to 2147483647");
    shape.push_back(dim.get<int64_t>());
  }
  return shape;
}

/// `sizes`: what names of sizes stand for in this request.
void check_shape(const Shape& shape, const TensorInfo& info, std::map<std::string, int64_t>& sizes) {
  bool fits = shape.rank() == info.shape.rank();
  for (int i = 0; fits && i < shape.rank(); ++i) {
    fits = info.shape[i] < 0 || info.shape[i] == shape[i];
    const std::string name = static_cast<size_t>(i) < info.sizes.size() ? info.sizes[i] : "";
    if (!fits || name.empty()) continue;
    const auto [known, is_new] = sizes.emplace(name, shape[i]);
    if (!is_new && known->second != shape[i])
      refuse("input ", quoted(info.name), ": dim ", i, " must be ", known->second, " as in another input, not ",
             shape[i]);
  }
  if (!fits)
    refuse("input ", quoted(info.name), ": shape must be ", text_of(info.shape), ", where -1 is any size, not ",
           text_of(shape));
}

double real(Values::Kind kind, uint64_t bits) {
  if (kind == Values::Kind::Natural) return static_cast<double>(bits);
  double value = 0;
  if (kind == Values::Kind::Negative) {
    int64_t integer = 0;
    std::memcpy(&integer, &bits, 8);
    return static_cast<double>(integer);
  }
  std::memcpy(&value, &bits, 8);
  return value;
}

template <class T>
void fill_integers(const Values& values, T* out, const std::string& where, const char* datatype) {
  for (size_t i = 0; i < values.bits.size(); ++i) {
    bool fits = false;
    if (values.kinds[i] == Values::Kind::Natural) {
      fits = values.bits[i] <= static_cast<uint64_t>(std::numeric_limits<T>::max());
      out[i] = static_cast<T>(values.bits[i]);
    } else if (values.kinds[i] == Values::Kind::Negative) {
      int64_t value = 0;
      std::memcpy(&value, &values.bits[i], 8);
      fits = std::is_signed_v<T> && value >= static_cast<int64_t>(std::numeric_limits<T>::min());
      out[i] = static_cast<T>(value);
    }
    if (!fits) refuse(where, ": element ", i, " is not an integer in the range of ", datatype);
  }
}

/// `largest`: what rounds to a finite value of the datatype. Not-a-number and infinities pass; their names say so.
template <class T>
void fill_reals(const Values& values, T* out, double largest, const std::string& where, const char* datatype) {
  for (size_t i = 0; i < values.bits.size(); ++i) {
    if (values.kinds[i] == Values::Kind::Bool) refuse(where, ": element ", i, " is a bool, not a number");
    const double value = real(values.kinds[i], values.bits[i]);
    if (std::isfinite(value) && std::abs(value) > largest)
      refuse(where, ": element ", i, " is out of the range of ", datatype);
    out[i] = static_cast<T>(value);
  }
}

Tensor to_tensor(const Values& values, const Shape& shape, Dtype dtype, const std::string& where) {
  const std::string datatype = datatype_of(dtype);
  const char* name = datatype.c_str();
  const bool narrow = dtype == Dtype::Float16 || dtype == Dtype::BFloat16;
  Tensor tensor = Tensor::empty(shape, narrow ? Dtype::Float32 : dtype, "input");
  switch (dtype) {
    case Dtype::Bool:
      for (size_t i = 0; i < values.bits.size(); ++i) {
        if (values.kinds[i] != Values::Kind::Bool) refuse(where, ": element ", i, " is not true or false");
        tensor.data<bool>()[i] = values.bits[i] != 0;
      }
      break;
    case Dtype::Int8:
      fill_integers(values, tensor.data<int8_t>(), where, name);
      break;
    case Dtype::Int16:
      fill_integers(values, tensor.data<int16_t>(), where, name);
      break;
    case Dtype::Int32:
      fill_integers(values, tensor.data<int32_t>(), where, name);
      break;
    case Dtype::Int64:
      fill_integers(values, tensor.data<int64_t>(), where, name);
      break;
    case Dtype::UInt8:
      fill_integers(values, tensor.data<uint8_t>(), where, name);
      break;
    case Dtype::UInt16:
      fill_integers(values, tensor.data<uint16_t>(), where, name);
      break;
    case Dtype::UInt32:
      fill_integers(values, tensor.data<uint32_t>(), where, name);
      break;
    case Dtype::UInt64:
      fill_integers(values, tensor.data<uint64_t>(), where, name);
      break;
    case Dtype::Float64:
      fill_reals(values, tensor.data<double>(), std::numeric_limits<double>::max(), where, name);
      break;
    default: {
      const double largest = dtype == Dtype::Float16    ? 65519
                             : dtype == Dtype::BFloat16 ? 0x1.feffffp127
                                                        : 0x1.fffffefffffffp127;
      fill_reals(values, tensor.data<float>(), largest, where, name);
      if (narrow) tensor = addax::cast(tensor, dtype);
    }
  }
  return tensor;
}

Tensor parse_input(const json& input, const std::vector<Values>& all, const TensorInfo& info,
                   std::map<std::string, int64_t>& sizes) {
  const std::string where = "input " + quoted(info.name);
  const std::string datatype = string_member(input, "datatype", where);
  if (datatype != datatype_of(info.dtype))
    refuse(where, ": datatype must be ", datatype_of(info.dtype), ", not ", quoted(datatype));
  const Shape shape = shape_of(input, where);
  check_shape(shape, info, sizes);
  const json& data = member(input, "data", where);
  if (!data.is_array()) refuse(where, ": \"data\" must be an array");
  const Values& values = all[data[0].get<size_t>()];
  int64_t count = 0;
  try {
    count = addax::numel(shape);
  } catch (const addax::Error&) {
    refuse(where, ": shape ", text_of(shape), " is too large");
  }
  if (static_cast<int64_t>(values.bits.size()) != count)
    refuse(where, ": shape ", text_of(shape), " needs ", count, " elements, data has ", values.bits.size());
  if (values.dims.size() > 1 && count &&
      !std::equal(values.dims.begin(), values.dims.end(), shape.begin(), shape.end()))
    refuse(where, ": data is nested unlike shape ", text_of(shape));
  return to_tensor(values, shape, info.dtype, where);
}

template <class T>
void append_number(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return;
    }
  }
  // The shortest text that reads back as the same value.
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

template <class T>
void append_all(std::string& out, const Tensor& tensor) {
  const T* values = tensor.data<T>();
  const int64_t count = tensor.numel();
  for (int64_t i = 0; i < count; ++i) {
    if (i) out += ',';
    if constexpr (std::is_same_v<T, bool>)
      out += values[i] ? "true" : "false";
    else
      append_number(out, values[i]);
  }
}

void append_data(std::string& out, const Tensor& tensor) {
  switch (tensor.dtype()) {
    case Dtype::Bool:
      return append_all<bool>(out, tensor);
    case Dtype::Int8:
      return append_all<int8_t>(out, tensor);
    case Dtype::Int16:
      return append_all<int16_t>(out, tensor);
    case Dtype::Int32:
      return append_all<int32_t>(out, tensor);
    case Dtype::Int64:
      return append_all<int64_t>(out, tensor);
    case Dtype::UInt8:
      return append_all<uint8_t>(out, tensor);
    case Dtype::UInt16:
      return append_all<uint16_t>(out, tensor);
    case Dtype::UInt32:
      return append_all<uint32_t>(out, tensor);
    case Dtype::UInt64:
      return append_all<uint64_t>(out, tensor);
    case Dtype::Float64:
      return append_all<double>(out, tensor);
    case Dtype::Float32:
      return append_all<float>(out, tensor);
    default:
      return append_all<float>(out, addax::cast(tensor, Dtype::Float32));
  }
}

ordered_json infos_json(const std::vector<TensorInfo>& infos) {
  ordered_json list = ordered_json::array();
  for (const TensorInfo& info : infos)
    list.push_back({{"name", info.name},
                    {"datatype", datatype_of(info.dtype)},
                    {"shape", std::vector<int64_t>(info.shape.begin(), info.shape.end())}});
  return list;
}

}  // namespace

std::string error_body(const std::string& message) { return dump({{"error", message}}); }

std::string datatype_of(Dtype dtype) {
  for (const auto& [known, name] : kDatatypes)
    if (known == dtype) return name;
  return "";
}

InferRequest parse_request(const std::string& body, const std::vector<TensorInfo>& inputs,
                           const std::vector<TensorInfo>& outputs) {
  RequestReader reader;
  reader.read(body);
  const json& root = reader.root();
  InferRequest request;
  if (root.contains("id")) request.id = string_member(root, "id", "request");

  const json& given = member(root, "inputs", "request");
  if (!given.is_array()) refuse("request: \"inputs\" must be an array");
  std::map<std::string, const json*> by_name;
  for (const json& input : given) {
    if (!input.is_object()) refuse("request: \"inputs\" must hold objects");
    const std::string name = string_member(input, "name", "input");
    if (!by_name.emplace(name, &input).second) refuse("input ", quoted(name), " is given twice");
  }
  std::map<std::string, int64_t> sizes;
  for (const TensorInfo& info : inputs) {
    const auto found = by_name.find(info.name);
    if (found == by_name.end()) refuse("input ", quoted(info.name), " is missing");
    request.inputs.push_back(parse_input(*found->second, reader.values(), info, sizes));
    by_name.erase(found);
  }
  if (!by_name.empty()) refuse("the model has no input ", quoted(by_name.begin()->first));

  const auto wanted = root.find("outputs");
  if (wanted == root.end() || (wanted->is_array() && wanted->empty())) {
    for (size_t i = 0; i < outputs.size(); ++i) request.outputs.push_back(i);
    return request;
  }
  if (!wanted->is_array()) refuse("request: \"outputs\" must be an array");
  for (const json& output : *wanted) {
    if (!output.is_object()) refuse("request: \"outputs\" must hold objects");
    const std::string name = string_member(output, "name", "output");
    size_t index = 0;
    while (index < outputs.size() && outputs[index].name != name) ++index;
    if (index == outputs.size()) refuse("the model has no output ", quoted(name));
    for (const size_t other : request.outputs)
      if (other == index) refuse("output ", quoted(name), " is asked for twice");
    request.outputs.push_back(index);
  }
  return request;
}

std::string response_body(const std::string& model, const InferRequest& request, const addax::Tensors& outputs,
                          const std::vector<TensorInfo>& infos) {
  std::string out = "{\"model_name\":" + dump(model) + ",\"model_version\":\"" + kModelVersion + "\"";
  if (!request.id.empty()) out += ",\"id\":" + dump(request.id);
  out += ",\"outputs\":[";
  for (size_t k = 0; k < request.outputs.size(); ++k) {
    const size_t i = request.outputs[k];
    const Tensor tensor = outputs[i].contiguous();
    out += (k ? ",{\"name\":" : "{\"name\":") + dump(infos[i].name) + ",\"datatype\":\"" + datatype_of(tensor.dtype()) +
           "\",\"shape\":" + text_of(tensor.shape()) + ",\"data\":[";
    append_data(out, tensor);
    out += "]}";
  }
  return out + "]}";
}

std::string server_metadata() {
  return ordered_json{{"name", "addax"}, {"version", ADDAX_VERSION}, {"extensions", ordered_json::array()}}.dump();
}

std::string model_metadata(const std::string& name, const std::vector<TensorInfo>& inputs,
                           const std::vector<TensorInfo>& outputs) {
  const ordered_json metadata = {{"name", name},
                                 {"versions", {kModelVersion}},
                                 {"platform", "addax"},
                                 {"inputs", infos_json(inputs)},
                                 {"outputs", infos_json(outputs)}};
  return metadata.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace serve
