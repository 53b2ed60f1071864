#include "ir/onnx/external_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "ir/base/error.h"
#include "ir/base/mapped_file.h"
#include "ir/base/quote.h"
#include "ir/core/walk.h"
#include "ir/onnx/external_data.h"
#include "ir/onnx/tensor_proto.h"

namespace lathe {
namespace {

// Page alignment, as in onnx.external_data_helper, lets readers map a tensor; small ones only need their
// elements'.
constexpr uint64_t kPage = 4096, kSmall = 64;

// Every dense tensor in file order, and whether it is an initializer.
void for_each_tensor(const Model& m, const std::function<void(const Tensor&, bool)>& body) {
  const auto sparse = [&](const SparseTensor& s) {
    body(s.values, false);
    body(s.indices, false);
  };
  const auto attrs = [&](const Attrs& list) {
    for (const Attr& a : list.items()) {
      if (const auto* t = std::get_if<TensorPtr>(&a.value); t != nullptr && *t) body(**t, false);
      if (const auto* ts = std::get_if<std::vector<TensorPtr>>(&a.value))
        for (const TensorPtr& t : *ts) body(*t, false);
      if (const auto* s = std::get_if<std::shared_ptr<const SparseTensor>>(&a.value); s != nullptr && *s)
        sparse(**s);
      if (const auto* ss = std::get_if<std::vector<std::shared_ptr<const SparseTensor>>>(&a.value))
        for (const auto& s : *ss) sparse(*s);
    }
  };
  for (const GraphId g : all_graphs(m)) {
    for (const ValueId v : m[g].initializers)
      if (m[v].constant) body(*m[v].constant, true);
    for (const ValueId v : m[g].sparse_initializers) sparse(*m[v].sparse);
    for (NodeId n = m[g].first; n; n = m[n].next) attrs(m[n].attrs);
  }
  for (const Function& f : m.functions) attrs(f.defaults);
}

std::string location_of(const Tensor& t) {
  for (const auto& [key, value] : t.spelling->external)
    if (key == "location") return value;
  return {};
}

bool is_file_in(const std::filesystem::path& folder, const Tensor& t) {
  struct stat st{};
  if (::stat((folder / location_of(t)).c_str(), &st) != 0) return false;
  return t.spelling->file->identity() == std::pair<uint64_t, uint64_t>(st.st_dev, st.st_ino);
}

std::string shard_name(const std::string& name, size_t i, size_t n) {
  return fmt::format("{}-{:05}-of-{:05}", name, i + 1, n);
}

class Layout {
 public:
  Layout(std::string name, int64_t shard_bytes) : name_(std::move(name)), shard_bytes_(shard_bytes) {}

  void add(const Tensor& t) {
    const auto key = std::pair(t.bytes().data(), t.byte_size());
    const auto [it, fresh] = places_.try_emplace(key);
    if (fresh) it->second = place(t.bytes());
    tensors_.emplace_back(&t, it->second);
  }

  void finish(ExternalPlan& plan) {
    for (size_t i = 0; i < files_.size(); ++i)
      files_[i].name = shard_bytes_ > 0 ? shard_name(name_, i, files_.size()) : name_;
    for (const auto& [t, place] : tensors_)
      plan.entries[t] = {{"location", files_[place.file].name},
                         {"offset", std::to_string(place.offset)},
                         {"length", std::to_string(t->byte_size())}};
    plan.files = std::move(files_);
  }

 private:
  struct Place {
    size_t file = 0;
    uint64_t offset = 0;
  };

  Place place(wire::Bytes bytes) {
    const uint64_t unit = bytes.size() >= kPage ? kPage : kSmall;
    if (files_.empty()) files_.emplace_back();
    uint64_t offset = (files_.back().size + unit - 1) / unit * unit;
    if (shard_bytes_ > 0 && files_.back().size > 0 &&
        offset + bytes.size() > static_cast<uint64_t>(shard_bytes_)) {
      files_.emplace_back();
      offset = 0;
    }
    files_.back().pieces.push_back({offset, bytes});
    files_.back().size = offset + bytes.size();
    return {files_.size() - 1, offset};
  }

  std::string name_;
  int64_t shard_bytes_;
  std::vector<DataFile> files_;
  std::map<std::pair<const std::byte*, size_t>, Place> places_;
  std::vector<std::pair<const Tensor*, Place>> tensors_;
};

}  // namespace

ExternalPlan plan_external(const Model& m, const std::filesystem::path& folder, const std::string& model_name,
                           const SaveOptions& options) {
  using External = SaveOptions::External;
  const std::string name = options.external_name.empty() ? model_name + ".data" : options.external_name;
  if (options.shard_bytes < 0) fail_usage("shard size {} is negative", options.shard_bytes);
  if (name == model_name || name.find('/') != name.npos)
    fail_usage("external data name {}: must be a file name of its own beside the model", quote(name));
  check_location(name);

  // A file that is written anew cannot keep what others have in the old one: repeat until no name is in both
  // roles.
  std::unordered_set<std::string> rewritten;
  for (;;) {
    ExternalPlan plan;
    Layout layout(name, options.shard_bytes);
    std::unordered_set<std::string> kept;
    for_each_tensor(m, [&](const Tensor& t, bool is_initializer) {
      const bool loaded = is_external_as_loaded(t);
      const bool undefined = t.byte_size() == 0 && t.count() != 0;
      if (t.dtype == DType::String || undefined || t.byte_size() == 0) {
        if (loaded && options.external == External::keep) plan.entries[&t] = t.spelling->external;
        return;
      }
      const bool wanted = options.external == External::all && is_initializer &&
                          std::cmp_greater_equal(t.byte_size(), options.external_threshold);
      if (options.external == External::none || (!loaded && !wanted)) return;
      if (options.external == External::keep && !rewritten.contains(location_of(t)) &&
          is_file_in(folder, t)) {
        kept.insert(location_of(t));
        plan.entries[&t] = t.spelling->external;
      } else {
        layout.add(t);
      }
    });
    layout.finish(plan);
    bool again = false;
    for (const DataFile& f : plan.files) again |= kept.contains(f.name) && rewritten.insert(f.name).second;
    if (!again) return plan;
  }
}

}  // namespace lathe
