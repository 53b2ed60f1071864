// onnx-inspect --dot, --svg, --png, --html.
#pragma once
#include <functional>
#include <string>

#include "ir/core/model.h"
#include "tools/cli.h"

namespace lathe::inspect {

void add_draw_options(cli::po::options_description& options);
// Is one of them asked for? Two at once, or options that need one of them, are usage errors.
bool draws(const cli::po::variables_map& v);
// The picture or page of a lifted model; `load` reads the model of --base.
std::string drawn(Model m, const std::string& title, const cli::po::variables_map& v,
                  const std::function<Model(const std::string&)>& load);

}  // namespace lathe::inspect
