// Graphviz's library behind a few names: contexts and graphs that free themselves, attributes from constant
// strings.
#pragma once
#include <graphviz/gvc.h>

#include <memory>
#include <string>

#include "ir/base/error.h"

namespace lathe::view {

using GvContext = std::unique_ptr<GVC_t, int (*)(GVC_t*)>;
using GvGraph = std::unique_ptr<Agraph_t, int (*)(Agraph_t*)>;

inline GvContext gv_context() {
  GvContext c(::gvContext(), ::gvFreeContext);
  if (!c) fail("graphviz's library does not start");
  return c;
}

inline GvGraph gv_graph(std::string name = "g") {
  GvGraph g(::agopen(name.data(), Agdirected, nullptr), ::agclose);
  if (!g) fail("graphviz's library does not start");
  return g;
}

// The library takes writable strings.
inline void gv_set(void* object, const char* name, const std::string& value) {
  std::string empty, key = name, text = value;
  ::agsafeset(object, key.data(), text.data(), empty.data());
}

inline Agnode_t* gv_node(Agraph_t* g, std::string name) { return ::agnode(g, name.data(), 1); }
inline Agedge_t* gv_edge(Agraph_t* g, Agnode_t* from, Agnode_t* to, std::string name) {
  return ::agedge(g, from, to, name.data(), 1);
}

}  // namespace lathe::view
