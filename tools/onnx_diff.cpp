// onnx-diff: what differs between two models, whatever their nodes are called and in whatever order they
// stand.
#include <fmt/format.h>
#include <sys/mman.h>

#include <filesystem>
#include <iostream>
#include <set>

#include "ir/base/mapped_file.h"
#include "ir/base/output_file.h"
#include "ir/base/parallel.h"
#include "ir/onnx/load.h"
#include "passes/diff/diff.h"
#include "tools/cli.h"
#include "tools/diff/fail_on.h"
#include "tools/diff/git.h"
#include "tools/diff/picture.h"
#include "tools/diff/text.h"

namespace {

using namespace lathe;
using Strings = std::vector<std::string>;

const cli::Program kProgram = {
    "onnx-diff", "tells what differs between two ONNX models, whatever their nodes are called",
    "onnx-diff [options] A.onnx B.onnx\n       onnx-diff --git-setup",
    R"(  onnx-diff old.onnx new.onnx                        # short: what changed, grouped; exit 0 same, 1 different
  onnx-diff -v old.onnx new.onnx                     # every node, and why it has no partner
  onnx-diff --html=diff.html old.onnx new.onnx       # one page to look at and search; --svg=diff.svg: a picture
  onnx-diff --markdown=comment.md old.onnx new.onnx  # for a review comment
  onnx-diff --json old.onnx new.onnx | jq .nodes
  onnx-diff --no-weights a.onnx b.onnx               # structure only: types and shapes of weights
  onnx-diff --fail-on='interface,weights>1e-3' a.onnx b.onnx    # exit 1 only for these
  onnx-diff --run --dim seq=16 old.onnx new.onnx     # and values: the first node that computes something else
  onnx-diff --git-setup                              # `git diff` shows *.onnx of this repository so
)"};

// The mapped files of both models: pages of weights that are compared go again, so that two models of any
// size take little memory.
class MappedPages {
 public:
  void add(const std::shared_ptr<const MappedFile>& file) {
    if (file && file->identity() != std::pair<uint64_t, uint64_t>()) files_.insert(file);
  }
  void add_external(const Model& m) {
    for (uint32_t i = 0; i < m.value_capacity(); ++i)
      if (const Tensor* t = m[ValueId{i}].constant.get(); t != nullptr && t->spelling) add(t->spelling->file);
  }
  void drop(std::span<const std::byte> bytes) const {
    constexpr size_t kPage = 4096;
    for (const auto& file : files_) {
      const std::span<const std::byte> all = file->bytes();
      if (bytes.data() < all.data() || bytes.data() + bytes.size() > all.data() + all.size()) continue;
      const auto begin = static_cast<size_t>(bytes.data() - all.data());  // a mapping starts with a page
      const size_t first = (begin + kPage - 1) / kPage * kPage;
      const size_t last = (begin + bytes.size()) / kPage * kPage;
      if (last > first) ::madvise(const_cast<std::byte*>(all.data()) + first, last - first, MADV_DONTNEED);
    }
  }

 private:
  std::set<std::shared_ptr<const MappedFile>> files_;
};

Model load(const std::string& path, const cli::po::variables_map& v, MappedPages& pages) {
  const LoadOptions options = {.lift = v.count("as-written") == 0,
                               .external_data = v.count("no-external-data") == 0,
                               .warn = [](const std::string& text) { cli::warn(kProgram.name, text); }};
  if (path == "-") return load_model(path, options);
  const auto file = MappedFile::open(path);
  pages.add(file);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  Model m = load_model(file, path, folder.empty() ? "." : folder, options);
  pages.add_external(m);
  return m;
}

// git stops at a driver that fails, so what is wrong with a file is part of the output.
int git_diff(const Strings& args) {
  const cli::GitDiff g = cli::read_git_arguments(args);
  const auto load_side = [](const std::string& path) {
    return path == "/dev/null" ? Model() : load_model(path, {.external_data = false});
  };
  std::cout << "diff --onnx " << cli::shown("a/" + g.path, 300) << " " << cli::shown("b/" + g.new_path, 300)
            << "\n";
  try {
    const Model a = load_side(g.old_file), b = load_side(g.new_file);
    const diff::Diff d = diff::diff_models(a, b);
    const auto name = [](const std::string& file, const std::string& path, const char* side) {
      return file == "/dev/null" ? file : side + path;
    };
    std::cout << cli::diff_text(
        {name(g.old_file, g.path, "a/"), name(g.new_file, g.new_path, "b/"), a, b, d, nullptr}, false);
  } catch (const Error& e) {
    std::cout << "  cannot be compared: " << cli::shown(e.what(), 500) << "\n";
  }
  return 0;
}

diff::RunOptions run_options(const cli::po::variables_map& v) {
  diff::RunOptions o;
  o.seed = v["seed"].as<uint64_t>();
  o.max_bytes = v["max-memory"].as<int64_t>();
  if (v.count("rtol") > 0) o.tolerance = v["rtol"].as<double>();
  for (const std::string& dim : v["dim"].as<Strings>()) {
    const auto [name, size] = cli::dim_size(dim);
    o.dims[name] = size;
  }
  return o;
}

void write(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::cout << text;
    return;
  }
  OutputFile file(path);
  file.write(text);
  file.commit();
}

int run(int argc, char** argv) {
  using cli::po::value;
  cli::po::options_description options, hidden;
  const auto file = [] { return value<std::string>()->implicit_value("-"); };
  options.add_options()("verbose,v", "all of it: every place, every node, and why it has no partner")(
      "json", file(), "as JSON, to this file or standard output")(
      "markdown", file(), "as Markdown for a review comment")("html", file(), "as one HTML page")(
      "svg", file(), "as a picture")("no-weights",
                                     "do not read large weights: compare their types and shapes")(
      "no-external-data", "do not open external data files")(
      "as-written", "compare old op spellings as they stand, not what they mean")(
      "fail-on", value<std::string>(),
      "what makes the exit code 1: interface, ops, weights, values (of --run), weights>X, values>X (relative "
      "difference); default: all")(
      "run", "run both on the same seeded inputs: where values first differ, each node fed with A's values")(
      "dim", value<Strings>()->default_value({}, ""), "NAME=SIZE of a symbolic dim, for --run")(
      "seed", value<uint64_t>()->default_value(0), "of the inputs of --run")(
      "rtol", value<double>(),
      "allowed difference of --run, as a part of a value's largest magnitude (by type)")(
      "max-memory", value<int64_t>()->default_value(0), "bytes that values of --run may take; 0: no limit")(
      "quiet,q", "print nothing; the exit code tells")("threads,j", value<int>()->default_value(0),
                                                       "0: all cores (the report does not depend on it)")(
      "git-setup", value<std::string>()->implicit_value("local"),
      "register for git diff and git difftool on *.onnx: in this repository (local), or for you (global)");
  hidden.add_options()("git", "as git calls a diff driver")("git-text", "one model as text")(
      "model", value<Strings>());
  cli::po::positional_options_description positional;
  positional.add("model", -1);
  const auto v = cli::parse(kProgram, argc, argv, options, hidden, positional);
  const auto models = v.count("model") > 0 ? v["model"].as<Strings>() : Strings();
  set_thread_count(v["threads"].as<int>());
  if (v.count("git-setup") > 0) {
    const std::string where = v["git-setup"].as<std::string>();
    if ((where != "local" && where != "global") || !models.empty())
      fail_usage("--git-setup stands alone, or with =local or =global");
    std::cout << cli::git_setup(where == "global");
    return 0;
  }
  if (v.count("git") > 0) return git_diff(models);
  if (v.count("git-text") > 0) {
    if (models.size() != 1) fail_usage("--git-text wants one model");
    std::cout << cli::model_listing(load_model(models[0], {.lift = false, .external_data = false}));
    return 0;
  }
  if (models.size() != 2) fail_usage("two models are needed, {} given (try onnx-diff --help)", models.size());
  if (models[0] == "-" && models[1] == "-") fail_usage("only one of the models can be standard input");
  if (v.count("run") > 0 && v.count("as-written") + v.count("no-external-data") > 0)
    fail_usage(
        "--run needs models as they mean, with their data: not with --as-written or --no-external-data");
  const cli::FailOn fail_on =
      cli::FailOn::parse(v.count("fail-on") > 0 ? v["fail-on"].as<std::string>() : "");

  MappedPages pages;
  const Model a = load(models[0], v, pages), b = load(models[1], v, pages);
  const diff::Diff d = diff::diff_models(
      a, b, {.read = v.count("no-weights") == 0, .done = [&](std::span<const std::byte> bytes) {
               pages.drop(bytes);
             }});
  std::optional<diff::RunReport> values;
  if (v.count("run") > 0) values = diff::run_both(a, b, d, run_options(v));
  const cli::DiffInput in{models[0], models[1], a, b, d, values ? &*values : nullptr};
  bool printed = v.count("quiet") > 0;
  const auto form = [&](const char* option, std::string (*make)(const cli::DiffInput&)) {
    if (v.count(option) == 0) return;
    const std::string path = v[option].as<std::string>();
    printed = printed || path == "-";
    write(path, make(in));
  };
  form("json", cli::diff_json);
  form("markdown", cli::diff_markdown);
  form("html", cli::diff_html);
  form("svg", cli::diff_svg);
  if (!printed) std::cout << cli::diff_text(in, v.count("verbose") > 0);
  return fail_on.trips(d, in.run) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  // The option library would take the word after an option with an optional value for that value.
  std::vector<std::string> words(argv, argv + argc);
  for (std::string& w : words) {
    if (w == "--") break;
    if (w == "--json" || w == "--markdown" || w == "--html" || w == "--svg") w += "=-";
    if (w == "--git-setup") w += "=local";
  }
  std::vector<char*> pointers;
  for (std::string& w : words) pointers.push_back(w.data());
  return lathe::cli::guarded(kProgram.name, [&] { return run(argc, pointers.data()); });
}
