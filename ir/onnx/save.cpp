#include "ir/onnx/save.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <list>
#include <nlohmann/json.hpp>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/base/output_file.h"
#include "ir/onnx/external_plan.h"
#include "ir/onnx/graph_save.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/save_names.h"

namespace lathe {
namespace {

constexpr uint64_t kMaxMessage = std::numeric_limits<int32_t>::max();  // protobuf's limit

// Makes of the model what is written.
void prepare(Model& m) {
  if (!is_marked(m.info.carried, kMarkUnlifted)) lower(m);
  settle_names(m);
}

void encode(const Model& m, const ExternalPlan& plan, wire::Writer& out, const std::string& label) {
  ModelEncoder(m, out, [&](const Tensor& t) {
    const auto it = plan.entries.find(&t);
    return it == plan.entries.end() ? nullptr : &it->second;
  }).model();
  if (out.size() > kMaxMessage)
    fail("{}: the model would have {} bytes, above protobuf's 2 GB; use --external-data", label, out.size());
}

void add_provenance(Model& m, const std::string& input_sha256) {
  nlohmann::ordered_json rewrites = nlohmann::ordered_json::array();
  for (const RewriteRecord& r : m.trail)
    rewrites.push_back({{"pass", r.pass}, {"rule", r.rule}, {"taken", r.taken}, {"made", r.made}});
  nlohmann::ordered_json all;
  if (!input_sha256.empty()) all["input_sha256"] = input_sha256;
  all["rewrites"] = std::move(rewrites);
  // Names may be anything; JSON is UTF-8.
  std::string text = all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  for (auto& [key, value] : m.info.metadata)
    if (key == kRewritesKey) {
      value = std::move(text);
      return;
    }
  m.info.metadata.emplace_back(kRewritesKey, std::move(text));
}

void write_stdout(const wire::Writer& out) {
  out.pieces([](wire::Bytes piece) {
    while (!piece.empty()) {
      const ssize_t n = ::write(STDOUT_FILENO, piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("standard output: {}", std::strerror(errno));
      piece = piece.subspan(static_cast<size_t>(n));
    }
  });
}

// What is mapped leaves memory once it is written.
void write_piece(OutputFile& out, std::span<const std::byte> bytes) {
  constexpr size_t kPart = size_t{16} << 20;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPart));
    out.write(part);
    MappedFile::forget(part);
    bytes = bytes.subspan(part.size());
  }
}

void write_data(OutputFile& out, const DataFile& file) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (const DataFile::Piece& p : file.pieces) {
    while (out.size() < p.offset)
      out.write(std::span(kZeros).first(std::min<uint64_t>(kZeros.size(), p.offset - out.size())));
    write_piece(out, p.bytes);
  }
}

// The folders of a data file below the model's; those made are gone again unless all was written.
class DataFolders {
 public:
  DataFolders() = default;
  DataFolders(const DataFolders&) = delete;
  DataFolders& operator=(const DataFolders&) = delete;
  ~DataFolders() {
    std::error_code ignored;
    for (auto it = made_.rbegin(); it != made_.rend(); ++it) std::filesystem::remove(*it, ignored);
  }
  void make(const std::filesystem::path& folder, const std::filesystem::path& below) {
    std::filesystem::path at = folder;
    for (const auto& part : below.parent_path()) {
      at /= part;
      std::error_code error;
      if (std::filesystem::is_symlink(at))
        fail("{}: a link; data files are not written through links", at.string());
      if (std::filesystem::create_directory(at, error)) made_.push_back(at);
      if (error) fail("{}: cannot create: {}", at.string(), error.message());
    }
  }
  void keep() { made_.clear(); }

 private:
  std::vector<std::filesystem::path> made_;
};

// The location of copied data comes from the model: it must not make lathe replace a file that has nothing to
// do with it.
void check_may_replace(const std::filesystem::path& model, const std::filesystem::path& target,
                       const DataFile& file) {
  if (!std::filesystem::exists(target) || std::filesystem::exists(model)) return;
  const auto there = MappedFile::open(target);
  if (there->bytes().size() != file.size || !std::ranges::equal(there->bytes(), file.pieces.front().bytes))
    fail(
        "{}: is there already, with other content than the input's data file (name another with "
        "--external-name)",
        target.string());
}

}  // namespace

void save_model(Model m, const std::filesystem::path& path, const SaveOptions& options) {
  prepare(m);
  if (options.provenance) add_provenance(m, options.input_sha256);
  wire::Writer message;
  if (path == "-") {
    if (options.external == SaveOptions::External::all)
      fail_usage("external data cannot go to standard output");
    encode(m, {}, message, "standard output");
    return write_stdout(message);
  }
  auto folder = path.parent_path();
  if (folder.empty()) folder = ".";
  const ExternalPlan plan = plan_external(m, folder, path.filename().string(), options);
  encode(m, plan, message, path.string());

  // All is written before anything is renamed, the model last: it never points to data that is not there.
  DataFolders folders;
  std::list<OutputFile> outputs;
  for (const DataFile& file : plan.files) {
    folders.make(folder, file.name);
    if (file.is_copy) check_may_replace(path, folder / file.name, file);
    write_data(outputs.emplace_back(folder / file.name), file);
  }
  OutputFile& model_file = outputs.emplace_back(path);
  message.pieces([&](wire::Bytes piece) { write_piece(model_file, piece); });
  for (OutputFile& file : outputs) file.commit();
  folders.keep();
}

std::string serialize_model(const Model& m) {
  Model copy = m;  // tensor bytes are shared
  prepare(copy);
  wire::Writer message;
  encode(copy, {}, message, "model");
  return message.str();
}

}  // namespace lathe
