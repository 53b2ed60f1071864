// One function a lint, named as the lint (dashes are underscores), defined in the file of that name.
#pragma once
#include "passes/lint/lint.h"

namespace lathe::lint {

LintDef duplicate_weights();
LintDef external_path();
LintDef false_dynamic_axis();
LintDef refused_file();
LintDef two_payloads();
LintDef unfused();
LintDef unused_initializer();

}  // namespace lathe::lint
