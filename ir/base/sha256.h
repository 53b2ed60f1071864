// SHA-256 (OpenSSL) as lower-case hex.
#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace lathe {

std::string sha256_hex(std::span<const std::byte> bytes);
// Of all that a descriptor reads from its beginning on, a megabyte at a time; `name` is for errors.
std::string sha256_hex_of_file(int fd, const std::string& name);
std::string sha1_hex(std::span<const std::byte> bytes);  // ONNX external data names SHA-1 for `checksum`

}  // namespace lathe
