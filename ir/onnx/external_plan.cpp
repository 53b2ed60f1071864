#include "ir/onnx/external_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

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

bool is_at(const std::filesystem::path& path, const MappedFile& file) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 &&
         file.identity() == std::pair<uint64_t, uint64_t>(st.st_dev, st.st_ino);
}

std::string shard_name(const std::string& name, size_t i, size_t n) {
  return fmt::format("{}-{:05}-of-{:05}", name, i + 1, n);
}

class Layout {
 public:
  explicit Layout(int64_t shard_bytes) : shard_bytes_(shard_bytes) {}

  void add(const Tensor& t) {
    const auto key = std::pair(t.bytes().data(), t.byte_size());
    const auto [it, fresh] = places_.try_emplace(key);
    if (fresh) it->second = place(t.bytes());
    tensors_.emplace_back(&t, it->second);
  }

  // Is any of the files that would be written under this name there already?
  bool any(const std::string& name, const std::function<bool(const std::string&)>& is_taken) const {
    for (size_t i = 0; i < files_.size(); ++i)
      if (is_taken(name_of(name, i))) return true;
    return false;
  }

  void finish(const std::string& name, ExternalPlan& plan) {
    for (size_t i = 0; i < files_.size(); ++i) files_[i].name = name_of(name, i);
    for (const auto& [t, place] : tensors_)
      plan.entries[t] = {{"location", files_[place.file].name},
                         {"offset", std::to_string(place.offset)},
                         {"length", std::to_string(t->byte_size())}};
    std::move(files_.begin(), files_.end(), std::back_inserter(plan.files));
  }

 private:
  struct Place {
    size_t file = 0;
    uint64_t offset = 0;
  };

  std::string name_of(const std::string& name, size_t i) const {
    return shard_bytes_ > 0 ? shard_name(name, i, files_.size()) : name;
  }

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

  int64_t shard_bytes_;
  std::vector<DataFile> files_;
  std::map<std::pair<const std::byte*, size_t>, Place> places_;
  std::vector<std::pair<const Tensor*, Place>> tensors_;
};

// The data files that the model's tensors are still slices of.
class SourceFiles {
 public:
  explicit SourceFiles(const Model& m) {
    for_each_tensor(m, [&](const Tensor& t, bool) {
      if (t.byte_size() == 0 || !is_external_as_loaded(t)) return;
      Use& use = files_[t.spelling->file.get()];
      const auto begin = static_cast<uint64_t>(t.bytes().data() - t.spelling->file->bytes().data());
      use.ranges.emplace(begin, begin + t.byte_size());
    });
    for (auto& [file, use] : files_) {
      uint64_t covered = 0, end = 0;
      for (const auto& [from, to] : use.ranges) {
        covered += to > std::max(from, end) ? to - std::max(from, end) : 0;
        end = std::max(end, to);
      }
      use.mostly = covered >= file->bytes().size() / 2;
    }
  }

  // Is half of the file's content, or more, still what the model needs?
  bool mostly_used(const MappedFile* file) const { return files_.at(file).mostly; }
  bool is_one_at(const std::filesystem::path& path) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& f) { return is_at(path, *f.first); });
  }

 private:
  struct Use {
    std::set<std::pair<uint64_t, uint64_t>> ranges;
    bool mostly = false;
  };
  std::map<const MappedFile*, Use> files_;
};

std::string normal(const std::string& location) {
  return std::filesystem::path(location).lexically_normal().string();
}

// Leaves tensors where their files say that they are: a data file stays as it is in the model's own folder,
// and is copied whole into another one, so that offsets and checksums hold. A file of which the model uses
// little is not copied.
class Keeper {
 public:
  Keeper(std::filesystem::path folder, const std::string& model_name, const SourceFiles& sources,
         ExternalPlan& plan)
      : folder_(std::move(folder)), sources_(sources), plan_(plan), taken_{model_name} {}

  bool keep(const Tensor& t, bool may_copy) {
    const std::string location = normal(location_of(t));
    const MappedFile& file = *t.spelling->file;
    if (is_at(folder_ / location, file)) {
      taken_.insert(location);
    } else if (!copied_.contains(location)) {
      if (!may_copy || !sources_.mostly_used(&file) || !taken_.insert(location).second) return false;
      copied_.insert(location);
      plan_.files.push_back(
          {.name = location, .pieces = {{0, file.bytes()}}, .size = file.bytes().size(), .is_copy = true});
    }
    plan_.entries[&t] = t.spelling->external;
    return true;
  }

  // A mapped file is not replaced: the model that names it must stay whole until the new one is in place, and
  // after that too where it is another model.
  bool is_taken(const std::string& name) const {
    return taken_.contains(name) || sources_.is_one_at(folder_ / name);
  }

 private:
  std::filesystem::path folder_;
  const SourceFiles& sources_;
  ExternalPlan& plan_;
  std::set<std::string> taken_, copied_;
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

  const SourceFiles sources(m);
  ExternalPlan plan;
  Keeper keeper(folder, model_name, sources, plan);
  Layout layout(options.shard_bytes);
  const bool may_copy = options.external_name.empty() && options.shard_bytes == 0;
  for_each_tensor(m, [&](const Tensor& t, bool is_initializer) {
    const bool loaded = is_external_as_loaded(t);
    if (t.dtype == DType::String || t.byte_size() == 0) {
      if (loaded && options.external == External::keep) plan.entries[&t] = t.spelling->external;
      return;
    }
    const bool wanted = options.external == External::all && is_initializer &&
                        std::cmp_greater_equal(t.byte_size(), options.external_threshold);
    if (options.external == External::none || (!loaded && !wanted)) return;
    if (options.external == External::all || !keeper.keep(t, may_copy)) layout.add(t);
  });
  std::string free_name = name;
  for (int i = 2; layout.any(free_name, [&](const std::string& file) { return keeper.is_taken(file); });
       ++i) {
    if (!options.external_name.empty())
      fail_usage("external data name {}: the input's own data is in that file", quote(name));
    free_name = fmt::format("{}.{}", name, i);
  }
  layout.finish(free_name, plan);
  return plan;
}

}  // namespace lathe
