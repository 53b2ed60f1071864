// What lathe did to a model: the record that onnx-opt --provenance leaves in metadata_props (ir/onnx/save.h).
#pragma once
#include <string>
#include <vector>

#include "ir/core/model.h"

namespace lathe {

struct RewriteLog {
  bool known = false;
  std::string input_sha256;            // of the file that was rewritten; "" if not recorded
  std::vector<RewriteRecord> records;  // in the order they were made
};

// A record that is not what onnx-opt writes is ignored.
RewriteLog read_rewrite_log(const Model& m);

// One rewrite behind a node: what it was made from, and how deep below the asked node it lies.
struct RewriteStep {
  const RewriteRecord* record = nullptr;
  size_t depth = 0;
  std::string node;  // that it made
};
// The rewrites that made the node of this label, then those that made the nodes taken for it, and so on.
std::vector<RewriteStep> rewrites_behind(const RewriteLog& log, const std::string& node);

}  // namespace lathe
