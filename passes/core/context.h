// What a pass works in: the model, what analysis knows of it, and the one door through which rewrites are
// committed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/infer_ctx.h"
#include "passes/core/builder.h"
#include "passes/core/findings.h"
#include "passes/core/patch.h"
#include "passes/core/remark.h"
#include "passes/core/rule.h"
#include "passes/core/target.h"

namespace lathe {

enum class Verify : uint8_t {
  off,
  patch,  // every rewrite is run on both sides before it commits
  model,  // and the whole model before and after the pipeline
};

struct PassSettings {
  Target target;
  Verify verify = Verify::patch;
  uint64_t fuel = ~uint64_t{0};  // commits left
  bool explain_missed = false;   // collect near misses (costs time)
  int64_t max_growth = 0;        // bytes that folding may add to the model in all
  uint64_t seed = 0x1a7e;
  std::filesystem::path failure_dir;  // where a rejected rewrite is written; empty = nowhere
};

class PassContext {
 public:
  PassContext(Model& m, PassSettings& s) : model(m), settings(s) {}

  Model& model;
  PassSettings& settings;
  ShapeValues values;               // integer contents known by shape analysis
  std::string pass;                 // name of the running pass
  bool explain_near_misses = true;  // of this pass's patterns
  std::vector<Remark> remarks;
  uint64_t commits = 0;                   // of the running pass
  uint64_t rejected = 0;                  // rewrites that verification stopped, in all
  std::map<std::string, uint64_t> stats;  // rule -> commits, in all
  Findings findings;

  // Commits a patch whole, or discards it and says why in a remark. The builder holds the new side.
  // True if the model changed. Steps: types agree, both sides run and agree, fuel, placement, replacement,
  // and the old nodes that nothing uses any more go.
  bool commit(Builder& builder, Patch patch);

  // For edits that are right by construction and have no new side to run (dead code, names): counts fuel and
  // records. False when fuel is out: do not edit.
  bool spend(std::string rule, std::string node, std::string text);

  void missed(std::string rule, NodeId node, std::string why);
  bool out_of_fuel() const { return settings.fuel == 0; }

  // Applies the rules at every node of main and nested graphs, in order, until none applies. Returns commits.
  uint64_t apply(std::span<const Rule> rules);

 private:
  bool apply_at(const Rule& rule, NodeId n);
};

// Erases n and then its producers as far as nothing uses them, within `among` if not empty.
void erase_dead(Model& m, std::vector<NodeId> candidates);

}  // namespace lathe
