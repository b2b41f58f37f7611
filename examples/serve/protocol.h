// The Open Inference Protocol v2: between its JSON and tensors.
#pragma once

#include <addax/model.h>

#include <string>
#include <vector>

#include "http_error.h"

namespace serve {

inline constexpr const char* kModelVersion = "1";

struct InferRequest {
  std::string id;
  addax::Tensors inputs;        // in the model's order, on the CPU
  std::vector<size_t> outputs;  // which ones are wanted
};

/// Throws HttpError with status 400 that says what does not fit.
InferRequest parse_request(const std::string& body, const std::vector<addax::TensorInfo>& inputs,
                           const std::vector<addax::TensorInfo>& outputs);
/// `outputs` are all of the model's, on the CPU.
std::string response_body(const std::string& model, const InferRequest& request, const addax::Tensors& outputs,
                          const std::vector<addax::TensorInfo>& infos);

std::string server_metadata();
std::string model_metadata(const std::string& name, const std::vector<addax::TensorInfo>& inputs,
                           const std::vector<addax::TensorInfo>& outputs);
/// "FP32", "INT64", ...; empty for one that the protocol has no name for.
std::string datatype_of(addax::Dtype dtype);

}  // namespace serve
