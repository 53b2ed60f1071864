#include "ir/base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace lathe {
namespace {

std::string digest(const EVP_MD* algorithm, std::span<const std::byte> bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out, &size, algorithm, nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", out[i]);
  return hex;
}

}  // namespace

std::string sha256_hex(std::span<const std::byte> bytes) { return digest(EVP_sha256(), bytes); }
std::string sha1_hex(std::span<const std::byte> bytes) { return digest(EVP_sha1(), bytes); }

}  // namespace lathe
