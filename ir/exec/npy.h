// NumPy's .npy (format 1.0 to 3.0: numpy.lib.format) and .npz (a zip of them).
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/core/tensor.h"

namespace lathe {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// `label` names the source in errors. Bool, integers, float16 to float64, complex and Unicode strings;
// column-major arrays are brought to row-major.
Tensor decode_npy(std::span<const std::byte> bytes, const std::string& label);
// Types that NumPy lacks are written as the next wider one: bfloat16 and 8-bit floats as float32, 4- and
// 2-bit integers as 8-bit.
std::string encode_npy(const Tensor& t);

Tensor read_npy(const std::filesystem::path& path);
NamedTensors read_npz(const std::filesystem::path& path);
void write_npy(const std::filesystem::path& path, const Tensor& t);
void write_npz(const std::filesystem::path& path, const NamedTensors& tensors);  // stored, not compressed

}  // namespace lathe
