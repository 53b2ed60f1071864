#include "ir/onnx/schema.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "ir/base/hash.h"
#include "ir/onnx/contrib_schemas.h"
#include "ir/onnx/onnx_schema.h"
#include "onnx/defs/operator_sets.h"
#include "onnx/defs/operator_sets_ml.h"
#include "onnx/defs/operator_sets_preview.h"

namespace lathe {
namespace {

enum class Set : uint8_t { Onnx, OnnxML, OnnxPreview };

struct Entry {
  Set set;
  int version;
  std::string_view type;
  onnx::OpSchema (*make)();
};

constexpr Entry kEntries[] = {
#define LATHE_SCHEMA(set, version, type) \
  {Set::set, version, #type,             \
   &onnx::GetOpSchema<onnx::ONNX_OPERATOR_SET_SCHEMA_CLASS_NAME(set, version, type)>},
#include "onnx_schema_table.inc"
#undef LATHE_SCHEMA
};

constexpr std::string_view kMicrosoft = "com.microsoft";

std::string_view domain_of(const Entry& e) {
  switch (e.set) {
    case Set::Onnx:
      return "";
    case Set::OnnxML:
      return "ai.onnx.ml";
    default:
      return e.type == "FlexAttention" ? "ai.onnx.preview" : "ai.onnx.preview.training";
  }
}

std::string_view plain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

struct Key {
  std::string_view domain, type;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  size_t operator()(const Key& k) const { return hash_string(k.type, k.domain.size()); }
};

struct Version {
  int since;
  const Entry* entry;        // of the onnx library, or
  const ContribOp* contrib;  // ours
};

// Versions of each op, ascending.
const std::unordered_map<Key, std::vector<Version>, KeyHash>& versions() {
  static const auto table = [] {
    std::unordered_map<Key, std::vector<Version>, KeyHash> t;
    t.reserve(512);
    for (const Entry& e : kEntries) t[{domain_of(e), e.type}].push_back({e.version, &e, nullptr});
    for (const ContribOp& op : contrib_ops())
      t[{op.type == "SimplifiedLayerNormalization" ? std::string_view() : kMicrosoft, op.type}].push_back(
          {1, nullptr, &op});
    for (auto& [key, list] : t)
      std::sort(list.begin(), list.end(),
                [](const Version& a, const Version& b) { return a.since < b.since; });
    return t;
  }();
  return table;
}

const Version* in_force(std::string_view domain, std::string_view type, int64_t opset) {
  const auto it = versions().find({plain(domain), type});
  if (it == versions().end()) return nullptr;
  const Version* found = nullptr;
  for (const Version& v : it->second)
    if (opset == 0 || v.since <= opset) found = &v;
  return found;
}

AttrValue default_of(const onnx::AttributeProto& a) {
  switch (a.type()) {
    case onnx::AttributeProto::FLOAT:
      return a.f();
    case onnx::AttributeProto::INT:
      return a.i();
    case onnx::AttributeProto::STRING:
      return a.s();
    case onnx::AttributeProto::FLOATS:
      return std::vector<float>(a.floats().begin(), a.floats().end());
    case onnx::AttributeProto::INTS:
      return std::vector<int64_t>(a.ints().begin(), a.ints().end());
    case onnx::AttributeProto::STRINGS:
      return std::vector<std::string>(a.strings().begin(), a.strings().end());
    default:
      return {};  // no op has a default of another kind
  }
}

// "tensor(float)", "seq(tensor(float))", "optional(seq(tensor(float)))": the element type.
DType element_of(std::string_view type) {
  const size_t open = type.rfind('('), close = type.find(')');
  if (open != std::string_view::npos && close != std::string_view::npos)
    type = type.substr(open + 1, close - open - 1);
  if (const size_t comma = type.find(','); comma != std::string_view::npos)
    type = type.substr(comma + 1);  // map(k,v)
  return dtype_from_name(type).value_or(DType::Undefined);
}

void convert(const std::vector<onnx::OpSchema::FormalParameter>& formals,
             std::vector<std::vector<DType>>& types, std::vector<std::string>& names) {
  for (const auto& f : formals) {
    std::vector<DType> list;
    for (const std::string* type : f.GetTypes()) list.push_back(element_of(*type));
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    types.push_back(std::move(list));
    names.push_back(f.GetName());
  }
}

Schema convert(const onnx::OpSchema& o) {
  Schema s;
  s.domain = o.domain();
  s.type = o.Name();
  s.since = o.SinceVersion();
  s.deprecated = o.Deprecated();
  s.min_inputs = o.min_input();
  s.max_inputs = o.max_input();
  s.min_outputs = o.min_output();
  s.max_outputs = o.max_output();
  for (const auto& [name, a] : o.attributes())
    s.attrs.emplace(name, SchemaAttr{static_cast<AttrKind>(a.type), a.required, default_of(a.default_value)});
  convert(o.inputs(), s.input_types, s.input_names);
  convert(o.outputs(), s.output_types, s.output_names);
  s.has_function = o.HasFunction() || o.HasContextDependentFunction();
  return s;
}

struct Cache {
  std::mutex mutex;
  std::unordered_map<const void*, std::unique_ptr<Schema>> schemas;
  std::unordered_map<const void*, std::unique_ptr<onnx::OpSchema>> onnx;
};
Cache& cache() {
  static Cache c;
  return c;
}

const onnx::OpSchema& build(Cache& c, const Entry& e) {
  auto& slot = c.onnx[&e];
  if (!slot) {
    slot = std::make_unique<onnx::OpSchema>(e.make());
    slot->Finalize();
  }
  return *slot;
}

}  // namespace

const onnx::OpSchema* find_onnx_schema(std::string_view domain, std::string_view type, int64_t opset) {
  const Version* v = in_force(domain, type, opset);
  if (v == nullptr || v->entry == nullptr) return nullptr;
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  return &build(c, *v->entry);
}

const Schema* find_schema(std::string_view domain, std::string_view type, int64_t opset) {
  const Version* v = in_force(domain, type, opset);
  if (v == nullptr) return nullptr;
  Cache& c = cache();
  const std::lock_guard lock(c.mutex);
  auto& slot = c.schemas[v];
  if (!slot) {
    slot = std::make_unique<Schema>(v->entry ? convert(build(c, *v->entry)) : unpack(*v->contrib));
    slot->domain = plain(domain);
  }
  return slot.get();
}

int op_version(std::string_view domain, std::string_view type, int64_t opset) {
  const Version* v = in_force(domain, type, opset);
  return v ? v->since : 0;
}

int first_version(std::string_view domain, std::string_view type) {
  const auto it = versions().find({plain(domain), type});
  return it == versions().end() ? 0 : it->second.front().since;
}

void for_each_first_version(std::string_view domain, const std::function<void(std::string_view, int)>& body) {
  for (const auto& [key, list] : versions())
    if (key.domain == plain(domain)) body(key.type, list.front().since);
}

int newest_opset(std::string_view domain) {
  domain = plain(domain);
  if (domain == kMicrosoft) return 1;
  int newest = 0;
  for (const Entry& e : kEntries)
    if (domain_of(e) == domain) newest = std::max(newest, e.version);
  return newest;
}

std::vector<std::pair<std::string, std::string>> all_schemas() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, list] : versions()) out.emplace_back(key.domain, key.type);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace lathe
