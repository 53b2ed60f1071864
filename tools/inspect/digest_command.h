// onnx-inspect --sha256 and --verify-sha: the hash of a model file and of its external data.
#pragma once
#include <string>
#include <vector>

#include "tools/cli.h"

namespace lathe::inspect {

// Lines as sha256sum writes them (or JSON): the file, then each file of external data.
int digest_command(const std::vector<std::string>& paths, bool json);
// Compares before anything is parsed: a check error names both hashes. Says on standard error which external
// data the hash does not cover.
void verify_sha(const std::string& path, const std::string& expected);

}  // namespace lathe::inspect
