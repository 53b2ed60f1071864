// onnx-inspect --provenance and --why: what lathe did to a model, as onnx-opt --provenance recorded it.
#pragma once
#include <string>

namespace lathe::inspect {

std::string provenance_report(const std::string& path, bool json);
// The rewrites behind one node. A node that the model does not have is a usage error.
std::string why_report(const std::string& path, const std::string& node, bool json);

}  // namespace lathe::inspect
