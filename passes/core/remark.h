// What a pass did, and what it nearly did: the material of --remarks, --report and provenance.
#pragma once
#include <string>

#include "ir/core/attr.h"

namespace lathe {

class Model;

struct Remark {
  enum class Kind : unsigned char {
    applied,     // a rewrite was committed
    missed,      // a near miss or a guard's refusal, with its reason
    rejected,    // both sides ran and differ: a wrong rule was stopped
    unverified,  // committed without a run, because checking is off or the user allowed it
  };
  Kind kind = Kind::applied;
  std::string pass, rule;
  std::string node;  // label of the node at the root
  std::string text;  // applied: what became of it; otherwise the reason
  NodeId at = {};    // the node itself, where the remark is about one that stays
};

// The node's name; one that has none is told by its op and output, "Add -> y".
std::string node_label(const Model& m, NodeId n);

}  // namespace lathe
