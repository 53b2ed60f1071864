// One function a lint, named as the lint (dashes are underscores), defined in the file of that name.
#pragma once
#include "passes/lint/lint.h"

namespace lathe::lint {

LintDef anonymous_axis();
LintDef bad_scale();
LintDef beyond_float16();
LintDef call_bomb();
LintDef cast_round_trip();
LintDef constant_weight();
LintDef contradiction();
LintDef dead_node();
LintDef duplicate_names();
LintDef duplicate_weights();
LintDef endless_loop();
LintDef external_checksum();
LintDef external_link();
LintDef external_path();
LintDef external_range();
LintDef false_dynamic_axis();
LintDef float64_island();
LintDef int64_arithmetic();
LintDef integer_trap();
LintDef missing_names();
LintDef newer_than_runtime();
LintDef no_kernel();
LintDef overridable_weights();
LintDef redundant_nodes();
LintDef refused_file();
LintDef size_bomb();
LintDef sloppy_file();
LintDef slow_kernel();
LintDef training_mode();
LintDef two_payloads();
LintDef u8s8_saturation();
LintDef undeclared_shape();
LintDef unfused();
LintDef unreachable_data();
LintDef unseeded_random();
LintDef unused_initializer();
LintDef unused_input();
LintDef unused_output();
LintDef weight_denormal();
LintDef weight_infinite();
LintDef weight_nan();
LintDef wrong_shape();

}  // namespace lathe::lint
