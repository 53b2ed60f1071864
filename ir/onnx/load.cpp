#include "ir/onnx/load.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <unordered_map>

#include "ir/base/error.h"
#include "ir/core/walk.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/graph_load.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/opset_proto.h"
#include "ir/onnx/place.h"
#include "ir/onnx/schema.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;
using Warn = std::function<void(const std::string&)>;

constexpr int64_t kNewestIr = 14;  // onnx 1.23

class ModelLoader {
 public:
  ModelLoader(std::shared_ptr<const MappedFile> file, const std::filesystem::path& folder,
              const LoadOptions& options, std::string& trace)
      : file_(std::move(file)),
        external_(folder, options.verify_checksums),
        source_{file_, options.external_data ? &external_ : nullptr},
        budget_(file_->bytes().size()),
        trace_(trace),
        warn_(options.warn),
        lift_(options.lift) {}

  Model load() {
    const Bytes graph = fields();
    check_opsets(m_.info.opsets, true);
    {
      RawGraph raw = scan_graph(graph, budget_, trace_);
      const uint32_t slots = resolve(raw, trace_, warn_);
      GraphLoader(m_, source_, trace_, warn_).load(raw, slots, m_.main());
    }
    if (warn_ && m_[m_.main()].name.empty()) warn_("the graph has no name");
    for (const Bytes f : functions_) function(f);
    check_functions();
    check_domains();
    external_.report_overlaps(warn_);
    return std::move(m_);
  }

 private:
  Bytes fields() {
    ModelInfo& info = m_.info;
    CarriedFields carried;
    std::optional<Bytes> graph;
    const auto text = [&](const Field& f, std::string& into) {
      into = f.text();
      carried.add_if_empty(f);
    };
    if (file_->bytes().empty()) fail("the file is empty");
    Reader reader(file_->bytes());
    for (Field f; reader.next(f);) {
      switch (f.number) {
        case field::model::ir_version:
          info.ir_version = f.i64();
          break;
        case field::model::producer_name:
          text(f, info.producer_name);
          break;
        case field::model::producer_version:
          text(f, info.producer_version);
          break;
        case field::model::domain:
          text(f, info.domain);
          break;
        case field::model::model_version:
          info.model_version = f.i64();
          if (info.model_version == 0) carried.add(f);
          break;
        case field::model::doc_string:
          text(f, info.doc);
          break;
        case field::model::graph:
          if (graph) fail("the model has two graphs (files joined?)");
          graph = f.message();
          break;
        case field::model::opset_import:
          info.opsets.push_back(decode_opset(f, carried));
          break;
        case field::model::metadata_props:
          budget_.take(PartBudget::kEntry);
          info.metadata.push_back(decode_entry(f.message()));
          break;
        case field::model::functions:
          budget_.take(PartBudget::kNode);
          functions_.push_back(f.message());
          break;
        default:
          carried.add(f);
      }
    }
    if (!graph) fail("not an ONNX model: there is no graph");
    if (info.ir_version < 0) fail("IR version {} is invalid", info.ir_version);
    if (warn_ && info.ir_version == 0) warn_("the model has no IR version");
    if (warn_ && info.ir_version > kNewestIr)
      warn_(fmt::format("IR version {} is newer than known ({}); fields that are new are carried along",
                        info.ir_version, kNewestIr));
    // Before IR 3 models had no opset_import and meant the first (onnx docs/Versioning.md).
    if (info.opsets.empty() && info.ir_version < 3) {
      info.opsets.push_back({"", 1});
      carried.mark(kMarkNoOpsets);
    }
    if (!lift_) carried.mark(kMarkUnlifted);
    info.carried = carried.take();
    return *graph;
  }

  void check_opsets(const std::vector<OpsetImport>& opsets, bool warn_repeated) const {
    for (size_t i = 0; i < opsets.size(); ++i) {
      const auto& [domain, version] = opsets[i];
      const std::string label = domain.empty() ? "ai.onnx" : domain;
      if (version <= 0) fail("opset version {} of {} is invalid", version, quote(label));
      for (size_t j = 0; j < i; ++j) {
        if (opsets[j].domain != domain) continue;
        if (opsets[j].version != version)
          fail("opset of {} is imported twice, as {} and {}", quote(label), opsets[j].version, version);
        if (warn_repeated && warn_) warn_(fmt::format("opset of {} is imported twice", quote(label)));
      }
      const int newest = newest_opset(domain);
      if (newest > 0 && version > newest)
        fail("opset {} of {} is newer than known ({}); export with an older opset", version, quote(label),
             newest);
    }
  }

  void function(Bytes message) {
    Function f;
    CarriedFields carried;
    RawGraph raw = scan_function(message, budget_, trace_);
    for (const Field& x : raw.rest) {
      if (x.number == field::function::name) f.name = x.text();
      if (x.number == field::function::domain) f.domain = x.text() == "ai.onnx" ? "" : std::string(x.text());
    }
    PlaceScope place(trace_, "function", f.name);
    if (f.name.empty()) fail("a function has no name");
    GraphLoader graph_loader(m_, source_, trace_, warn_);
    Notes notes;
    for (const Field& x : raw.rest) switch (x.number) {
        case field::function::name:
          break;
        case field::function::domain:
          if (x.text().empty() || x.text() == "ai.onnx") carried.add(x);
          break;
        case field::function::overload:
          f.overload = x.text();
          carried.add_if_empty(x);
          break;
        case field::function::attribute:
          f.attributes.emplace_back(x.text());
          break;
        case field::function::attribute_proto: {
          Attr a = graph_loader.attribute(x.message());
          if (f.defaults.has(a.name)) fail("attribute parameter {} occurs twice", quote(a.name));
          f.defaults.items().push_back(std::move(a));
          break;
        }
        case field::function::opset_import:
          f.opsets.push_back(decode_opset(x, carried));
          break;
        case field::function::doc_string:
          notes.doc = x.text();
          carried.add_if_empty(x);
          break;
        case field::function::metadata_props:
          notes.metadata.push_back(decode_entry(x.message()));
          break;
        default:
          carried.add(x);
      }
    check_opsets(f.opsets, false);
    notes.carried = carried.take();
    if (!(notes == Notes{})) f.notes = std::make_shared<const Notes>(std::move(notes));
    const uint32_t slots = resolve(raw, trace_, warn_);
    f.body = m_.add_graph();
    graph_loader.load(raw, slots, f.body);
    m_.functions.push_back(std::move(f));
  }

  // Function identities are unique, and no function calls itself through others: expanding would never end.
  void check_functions() {
    std::unordered_map<std::string, size_t> by_id;
    const auto id = [](std::string_view domain, std::string_view name, std::string_view overload) {
      std::string s(domain);
      return s.append(1, '\0').append(name).append(1, '\0').append(overload);
    };
    for (size_t i = 0; i < m_.functions.size(); ++i) {
      const Function& f = m_.functions[i];
      if (!by_id.emplace(id(f.domain, f.name, f.overload), i).second)
        fail("function {} is defined twice", quote(f.name));
    }
    std::vector<std::vector<size_t>> calls(m_.functions.size());
    for (size_t i = 0; i < m_.functions.size(); ++i)
      for (const GraphId g : nested_graphs(m_, m_.functions[i].body))
        for (NodeId n = m_[g].first; n; n = m_[n].next) {
          const auto it = by_id.find(id(m_[n].domain, m_[n].type, m_[n].overload));
          if (it != by_id.end()) calls[i].push_back(it->second);
        }
    enum : uint8_t { fresh, open, done };
    std::vector<uint8_t> state(calls.size(), fresh);
    for (size_t root = 0; root < calls.size(); ++root) {
      if (state[root] != fresh) continue;
      std::vector<std::pair<size_t, size_t>> stack = {{root, 0}};  // function, next call
      state[root] = open;
      while (!stack.empty()) {
        auto& [f, next] = stack.back();
        if (next == calls[f].size()) {
          state[f] = done;
          stack.pop_back();
          continue;
        }
        const size_t callee = calls[f][next++];
        if (state[callee] == open) fail("function {} calls itself", quote(m_.functions[callee].name));
        if (state[callee] == done) continue;
        state[callee] = open;
        stack.push_back({callee, 0});
      }
    }
  }

  // Each domain in use should be imported: an error for ai.onnx, whose ops would have no meaning.
  void check_domains() {
    const auto check = [&](GraphId root, const std::vector<OpsetImport>& opsets, bool is_main) {
      std::vector<std::string> missing;
      for (const GraphId g : nested_graphs(m_, root))
        for (NodeId n = m_[g].first; n; n = m_[n].next) {
          const std::string& domain = m_[n].domain;
          const auto imported = [&](const OpsetImport& o) { return o.domain == domain; };
          if (std::any_of(opsets.begin(), opsets.end(), imported)) continue;
          if (domain.empty() && is_main)
            fail("node {} ({}): the model imports no opset of 'ai.onnx'", quote(m_[n].name),
                 quote(m_[n].type));
          if (std::find(missing.begin(), missing.end(), domain) == missing.end()) missing.push_back(domain);
        }
      if (warn_)
        for (const std::string& domain : missing)
          warn_(fmt::format("no opset of {} is imported, but nodes use it",
                            quote(domain.empty() ? "ai.onnx" : domain)));
    };
    check(m_.main(), m_.info.opsets, true);
    for (const Function& f : m_.functions) check(f.body, f.opsets, false);
  }

  std::shared_ptr<const MappedFile> file_;
  ExternalData external_;
  TensorSource source_;
  PartBudget budget_;
  std::string& trace_;
  Warn warn_;
  bool lift_;
  std::vector<Bytes> functions_;
  Model m_;
};

std::shared_ptr<const MappedFile> read_stdin() {
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("standard input: {}", std::strerror(errno));
    if (n == 0) return MappedFile::from_bytes(std::move(bytes));
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

// A place of many nested parts: its outer and inner end.
std::string shortened(const std::string& trace) {
  constexpr size_t kEnd = 600;
  if (trace.size() <= 2 * kEnd) return trace;
  return trace.substr(0, trace.rfind(", ", kEnd)) + ", ..." +
         trace.substr(trace.find(", ", trace.size() - kEnd));
}

}  // namespace

Model load_model(std::shared_ptr<const MappedFile> file, const std::string& label,
                 const std::filesystem::path& folder, const LoadOptions& options) {
  std::string trace;
  const auto where = [&](std::string_view what) {
    return label + ": " + (trace.empty() ? "" : shortened(trace) + ": ") + std::string(what);
  };
  LoadOptions labelled = options;
  if (options.warn) labelled.warn = [&](const std::string& text) { options.warn(label + ": " + text); };
  try {
    Model m = ModelLoader(std::move(file), folder, labelled, trace).load();
    if (options.lift) lift(m);
    return m;
  } catch (const Error& e) {
    throw Error(e.kind(), where(e.what()));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::input, where("out of memory"));
  } catch (const std::length_error&) {
    throw Error(ErrorKind::input, where("a size is beyond all memory"));
  }
}

Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
  if (path == "-") return load_model(read_stdin(), "standard input", {}, options);
  auto folder = path.parent_path();
  if (folder.empty()) folder = ".";
  return load_model(MappedFile::open(path), path.string(), folder, options);
}

}  // namespace lathe
