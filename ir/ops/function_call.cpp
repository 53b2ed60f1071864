#include "ir/ops/function_call.h"

#include <algorithm>

namespace lathe {

Attrs bind_call(const Function& f, const Attrs& call) {
  Attrs bound = call;
  for (const Attr& a : f.defaults.items())
    if (!bound.has(a.name)) bound.set(a.name, a.value);
  return bound;
}

bool has_refs(const Attrs& attrs) {
  return std::any_of(attrs.items().begin(), attrs.items().end(),
                     [](const Attr& a) { return std::holds_alternative<AttrRef>(a.value); });
}

Attrs resolve_refs(const Attrs& attrs, const Attrs& bound) {
  Attrs out;
  for (const Attr& a : attrs.items()) {
    const AttrRef* ref = std::get_if<AttrRef>(&a.value);
    const AttrValue* value = ref != nullptr ? bound.find(ref->param) : &a.value;
    if (value != nullptr) out.set(a.name, *value);
  }
  return out;
}

}  // namespace lathe
