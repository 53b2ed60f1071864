// Removes what runtimes do not read: node names, doc strings, metadata. Asked for by name only; no group runs
// it.
#include "ir/core/walk.h"
#include "passes/all_passes.h"

namespace lathe {
namespace {

struct What {
  bool names, docs, metadata;
};

// The notes without what is stripped; the same pointer if nothing was to strip.
NotesPtr stripped(const NotesPtr& notes, const What& what) {
  if (notes == nullptr) return notes;
  Notes out = *notes;
  if (what.docs) out.doc.clear();
  if (what.metadata) out.metadata.clear();
  if (out == *notes) return notes;
  return out == Notes{} ? nullptr : std::make_shared<const Notes>(std::move(out));
}

class Stripper {
 public:
  Stripper(PassContext& ctx, const What& what) : ctx_(ctx), m_(ctx.model), what_(what) {}

  void run() {
    for (const GraphId g : all_graphs(m_)) {
      graph(g);
      for (NodeId n = m_[g].first; n; n = m_[n].next) node(n);
    }
    if (what_.docs && !m_.info.doc.empty() && ctx_.spend("strip-doc", "model", "")) m_.info.doc.clear();
    if (what_.metadata && !m_.info.metadata.empty() && ctx_.spend("strip-metadata", "model", ""))
      m_.info.metadata.clear();
    for (Function& f : m_.functions) notes(f.notes, f.name);
  }

 private:
  void notes(NotesPtr& slot, const std::string& name) {
    NotesPtr less = stripped(slot, what_);
    if (less != slot && ctx_.spend("strip-notes", name, "")) slot = std::move(less);
  }

  void graph(GraphId g) {
    Graph& graph = m_.edit(g);
    notes(graph.notes, graph.name);
    for (auto* ports : {&graph.inputs, &graph.outputs})
      for (Port& p : *ports) notes(p.notes, p.name);
    for (ValueInfo& v : graph.value_info) notes(v.notes, v.name);
  }

  void node(NodeId n) {
    NotesPtr slot = m_[n].notes;
    notes(slot, m_[n].name);
    if (slot != m_[n].notes) m_.set_notes(n, slot);
    if (what_.names && !m_[n].name.empty() && ctx_.spend("strip-name", m_[n].name, "")) m_.set_name(n, "");
  }

  PassContext& ctx_;
  Model& m_;
  What what_;
};

}  // namespace

PassDef strip() {
  return {.name = "strip",
          .group = "cleanup",
          .summary = "Remove names of nodes, doc strings or metadata",
          .options = {{"names", "node names", "false"},
                      {"docs", "doc strings", "true"},
                      {"metadata", "metadata_props", "false"}},
          .run = [](PassContext& ctx, const PassOptions& o) {
            Stripper(ctx, {o.flag("names"), o.flag("docs"), o.flag("metadata")}).run();
          }};
}

}  // namespace lathe
