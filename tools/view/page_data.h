// What a model's page holds, as JSON that its script reads (assets/model-data.js names the fields).
#pragma once
#include <nlohmann/json.hpp>

#include "tools/view/scene.h"

namespace lathe::view {

using Json = nlohmann::ordered_json;

Json page_data(const Scene& s, ColorBy by);

// {"text"} for a few elements, else {"bins", "low", "high", "mean", "deviation", "zeros", "bad", "sampled"}:
// of large tensors runs of elements in even distances are read. "bad": NaN and infinities; "zeros": a part of
// one.
Json weight_data(const Tensor& t);

}  // namespace lathe::view
