// Which weight gets which scheme, as a text that people review: rules in order, the first that matches a
// weight decides (docs/precision.md, docs/policy.xsd).
//
//   <policy name="mixed" extends="base.xml">
//     <rule role="feed-forward" layers="0-3" scheme="quant4" block="16"/>
//     <rule op="Gather" scheme="rows"/>
//     <rule role="head" scheme="fp16"/>
//     <rule scheme="float"/>
//   </policy>
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "passes/analysis/roles.h"
#include "passes/quant/scheme.h"
#include "passes/quant/sites.h"

namespace lathe {

struct PolicyRule {
  // What it matches: all that is given must hold.
  std::optional<Role> role;
  std::optional<Part> part;
  std::string op;                                   // type of the node that reads the weight
  std::string name;                                 // pattern (* and ?) for the name of node or weight
  std::vector<std::pair<int32_t, int32_t>> layers;  // closed ranges of layer numbers; empty: any
  double share_above = 0, share_below = 1;          // of the bytes of all weights found
  int64_t min_elements = 0;
  // What it gives: a scheme is named as the pass that makes it (quant-dynamic: INT8 weights and activations;
  // fp16, bf16: weights and what is computed with them); "float" leaves the weight as it is.
  std::string scheme;
  std::optional<Scheme> weight_only;  // quant2, quant4, quant8, rows
  bool best_rounding = false;         // no rounding is named: GPTQ where there is data, otherwise mse
  std::string place;                  // "mixed.xml:12", for remarks

  std::optional<DType> half() const;  // what fp16 and bf16 name
  bool matches_all() const;           // it names nothing that must hold
};

struct Policy {
  std::string name;
  std::vector<PolicyRule> rules;  // own first, then those of `extends`
};

// Reads the file and what it extends: names relative to it, and only in its folder and below. Malformed XML,
// a DOCTYPE, unknown elements, attributes, roles or schemes, and a cycle are input errors that name file,
// line and column.
Policy read_policy(const std::filesystem::path& file);

// The same as a file's text; read_policy gives it back. Comments are lines before the first rule.
std::string to_xml(const Policy& p, const std::vector<std::string>& comments = {});

// "quant4 block 16 gptq": as remarks and tables tell it.
std::string scheme_text(const Scheme& s);

// What rules look at. A site without a weight is a node that only computes: no name of a weight, no elements
// and no share of bytes match it.
struct PolicySubject {
  const WeightSite* site = nullptr;
  int64_t bytes = 0;  // of the weight
  int64_t all = 0;    // of every weight found
};

// The first rule that matches; null if none does.
const PolicyRule* find_rule(const Policy& p, const Model& m, const Roles& roles, const PolicySubject& s);

// The role that rules see: rows picked from a constant table are an embedding wherever they stand.
Role role_of(const WeightSite& site, const Roles& roles);

}  // namespace lathe
