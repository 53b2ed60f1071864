// onnx-diff as git's diff driver for *.onnx (gitattributes(5), "Defining an external diff driver";
// git-config(1), diff.<driver>.command, diff.<driver>.textconv, difftool.<tool>.cmd).
#pragma once
#include <string>
#include <vector>

namespace lathe::cli {

// Registers it in the repository around the working folder, or for the user. Says what it did.
std::string git_setup(bool global);

// What git passes to a diff driver: path, then file, hash and mode of the old and of the new side; for a
// rename also the new path and its description.
struct GitDiff {
  std::string path, new_path, old_file, new_file;
};
GitDiff read_git_arguments(const std::vector<std::string>& args);

}  // namespace lathe::cli
