// Attributes of local functions: a node of a body may take an attribute from the call (AttrRef).
#pragma once
#include "ir/core/model.h"

namespace lathe {

// What a body of `f` sees when called with these attributes: the call's, then the function's defaults.
Attrs bind_call(const Function& f, const Attrs& call);
bool has_refs(const Attrs& attrs);
// References replaced by the bound values; one to an attribute that is not bound is left out.
Attrs resolve_refs(const Attrs& attrs, const Attrs& bound);

}  // namespace lathe
