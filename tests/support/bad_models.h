// Files that must be refused: one line that names the place, exit code 3, nothing left behind.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/proto_builder.h"

namespace lathe::test {

struct BadModel {
  const char* name;
  std::string bytes;
  std::string says;  // part of the message
};

inline void PrintTo(const BadModel& bad, std::ostream* out) { *out << bad.name; }

inline std::string if_nested(int depth) {
  Msg g = graph({.nodes = {node("Relu", {"x"}, {"y"})}, .inputs = {}});
  for (int i = 0; i < depth; ++i)
    g = graph({.nodes = {node("If", {"x"}, {"y"}, {graph_attr("then_branch", g)})}, .inputs = {}});
  return model(graph({.nodes = {node("If", {"x"}, {"y"}, {graph_attr("then_branch", g)})}})).str();
}

inline std::string type_nested(int depth) {
  Msg t = float_type();
  for (int i = 0; i < depth; ++i) t = Msg().m(field::type::sequence, Msg().m(field::type::elem_type, t));
  return model(graph({.nodes = {node("Relu", {"x"}, {"y"})},
                      .inputs = {Msg().s(field::value_info::name, "x").m(field::value_info::type, t)}}))
      .str();
}

inline Msg function(std::string_view name, const std::vector<Msg>& nodes) {
  Msg f = Msg().s(field::function::name, name).s(field::function::input, "x").s(field::function::output, "y");
  for (const auto& n : nodes) f.m(field::function::node, n);
  return std::move(f).m(field::function::opset_import, opset("", 17)).s(field::function::domain, "local");
}
inline Msg call(std::string_view name) { return node(name, {"x"}, {"y"}).s(field::node::domain, "local"); }
inline std::string with_functions(const std::vector<Msg>& functions) {
  Msg m = model(graph({.nodes = {call("f")}}), {opset("", 17), opset("local", 1)});
  for (const auto& f : functions) m.m(field::model::functions, f);
  return m.str();
}

inline std::string with_attr(const Msg& attr) {
  return model(graph({.nodes = {node("Relu", {"x"}, {"y"}, {attr})}})).str();
}

inline std::vector<BadModel> bad_models() {
  namespace ft = field::tensor;
  const std::string relu = relu_model().str();
  const std::string eight(8, '\x01');
  const Msg two_payloads = raw_tensor("w", 1, {2}, eight).s(ft::float_data, eight);
  const auto nodes = [](const std::vector<Msg>& list) { return model(graph({.nodes = list})).str(); };
  const Msg sparse_values = raw_tensor("w", 1, {1}, "abcd");
  const auto sparse = [&](const Msg& indices, int64_t dim) {
    Msg s = Msg()
                .m(field::sparse::values, sparse_values)
                .m(field::sparse::indices, indices)
                .i(field::sparse::dims, dim);
    Msg g = graph({.nodes = {node("Add", {"x", "w"}, {"y"})}});
    return model(g.m(field::graph::sparse_initializer, s)).str();
  };
  Msg group_bomb;
  for (int i = 0; i < 5000; ++i) group_bomb.raw("\x9b\x06");  // opens group 99
  Msg unclosed;
  unclosed.raw("\x9b\x06");
  // A few bytes of file for each part, hundreds in memory.
  const auto million = [](std::string_view part) {
    std::string parts;
    for (int i = 0; i < 1 << 20; ++i) parts += part;
    return parts;
  };
  const auto crowd = [&](std::string_view part) { return model(graph({}).raw(million(part))).str(); };

  return {
      // wire format
      {"empty", "", "empty"},
      {"text", "This is no model, whatever its name says.\n", ""},
      {"zip", std::string("PK\x03\x04\x14\0\0\0\0\0", 10), ""},
      {"zeros", std::string(64, '\0'), "invalid field tag"},
      {"truncated", relu.substr(0, relu.size() - 3), "truncated"},
      {"length_beyond_end", "\x08\x08\x3a\xff\xff\xff\xff\x0f", "truncated"},
      {"length_overlong", "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "overlong"},
      {"length_2_to_63", "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated"},
      {"wire_type_7", "\x08\x08\x3f", "wire type 7"},
      {"field_number_0", "\x02\x01x", "invalid field tag"},
      {"graph_as_number", "\x08\x08\x38\x01", "field 7 has wire type 0"},
      {"group_unclosed", unclosed.str(), "truncated"},
      {"group_closed_wrongly", "\x9b\x06\xa4\x06", "closed as"},
      {"end_group_alone", "\x9c\x06", "wire type 4"},
      {"groups_nested", group_bomb.str(), "groups nested deeper"},
      {"no_graph", "\x08\x08", "there is no graph"},
      {"doubled_file", relu + relu, "two graphs"},
      // payload against type and dims
      {"raw_too_short", model_with(raw_tensor("w", 1, {2}, "abcd")).str(), "initializer 'w': raw_data has 4 bytes"},
      {"raw_too_long", model_with(raw_tensor("w", 1, {2}, eight + "x")).str(), "raw_data has 9 bytes"},
      {"raw_for_nothing", model_with(raw_tensor("w", 1, {0}, "abcd")).str(), "raw_data has 4 bytes"},
      {"raw_string", model_with(raw_tensor("w", 8, {2}, eight)).str(), "string tensor"},
      {"two_payloads", model_with(two_payloads).str(), "two payloads, raw_data and float_data"},
      {"two_typed_payloads", model_with(tensor("w", 1, {2}).s(ft::float_data, eight).s(ft::int64_data, "\1\1")).str(),
       "two payloads"},
      {"raw_twice", model_with(raw_tensor("w", 1, {2}, eight).s(ft::raw_data, eight)).str(), "raw_data twice"},
      {"two_payloads_in_attribute", with_attr(tensor_attr("v", two_payloads)),
       "node 'n_y' ('Relu'), attribute 'v': tensor has two payloads"},
      {"two_payloads_in_function_default",
       with_functions({function("f", {node("Relu", {"x"}, {"y"})}).m(field::function::attribute_proto, tensor_attr("v", two_payloads))}),
       "function 'f', attribute 'v': tensor has two payloads"},
      {"external_and_raw",
       model_with(external_tensor("w", {2}, {{"location", "w.bin"}}).s(ft::raw_data, eight)).str(), "two payloads"},
      {"int4_odd_short", model_with(raw_tensor("w", 22, {3}, "a")).str(), "raw_data has 1 bytes"},
      {"int4_odd_long", model_with(raw_tensor("w", 22, {3}, "abc")).str(), "raw_data has 3 bytes"},
      {"float_data_short", model_with(tensor("w", 1, {3}).s(ft::float_data, eight)).str(), "tensor has 2 values"},
      {"float_data_ragged", model_with(tensor("w", 1, {2}).s(ft::float_data, "abcde")).str(), "not whole"},
      {"int64_data_short", model_with(tensor("w", 7, {3}).s(ft::int64_data, "\1\2")).str(), "tensor has 2 values"},
      {"int64_data_truncated", model_with(tensor("w", 7, {2}).s(ft::int64_data, "\1\2\x80")).str(), "truncated"},
      {"int32_data_range", model_with(tensor("w", 2, {1}).s(ft::int32_data, "\xac\x02")).str(), "no uint8"},
      {"typed_mismatch", model_with(tensor("w", 7, {2}).s(ft::float_data, eight)).str(), "cannot be stored"},
      {"string_data_short", model_with(tensor("w", 8, {2}).s(ft::string_data, "a")).str(), "string_data has 1 values"},
      {"no_data", model_with(tensor("w", 1, {2})).str(), "no data"},
      {"type_undefined", model_with(raw_tensor("w", 0, {2}, eight)).str(), "element type 0"},
      {"type_unknown", model_with(raw_tensor("w", 99, {2}, eight)).str(), "element type 99"},
      {"type_negative", model_with(raw_tensor("w", -1, {2}, eight)).str(), "element type -1"},
      // dims
      {"dim_negative", model_with(raw_tensor("w", 1, {-2}, eight)).str(), "negative dimension"},
      {"dims_overflow", model_with(raw_tensor("w", 1, {int64_t{1} << 40, int64_t{1} << 40}, eight)).str(), "overflow"},
      {"dims_wrap_to_0", model_with(raw_tensor("w", 1, {int64_t{1} << 32, int64_t{1} << 32}, "")).str(), "overflow"},
      {"bytes_overflow", model_with(raw_tensor("w", 1, {int64_t{1} << 62}, eight)).str(), "overflow"},
      {"dims_huge", model_with(raw_tensor("w", 1, {int64_t{1} << 40}, eight)).str(), "need 4398046511104"},
      {"rank_huge", model_with(raw_tensor("w", 1, std::vector<int64_t>(100000, 1), "abcd")).str(), "more than 64 dims"},
      {"type_rank_huge",
       [] {
         Msg shape;
         for (int i = 0; i < 1000; ++i) shape.m(field::type::dim, Msg().i(field::type::dim_value, 1));
         const Msg t = Msg().m(field::type::tensor, Msg().i(1, 1).m(field::type::shape, shape));
         return model(graph({.nodes = {node("Relu", {"x"}, {"y"})}, .inputs = {Msg().s(1, "x").m(2, t)}})).str();
       }(),
       "more than 64 dims"},
      // sparse
      {"sparse_index_out_of_range", sparse(raw_tensor("", 7, {1}, std::string("\x05\0\0\0\0\0\0\0", 8)), 2), "index 5"},
      {"sparse_index_negative", sparse(raw_tensor("", 7, {1}, std::string(8, '\xff')), 2), "index -1"},
      {"sparse_indices_shape", sparse(raw_tensor("", 7, {2}, std::string(16, '\0')), 2), "indices must be"},
      {"sparse_dims_overflow", sparse(raw_tensor("", 7, {1}, std::string(8, '\0')), -5), "negative dimension"},
      // structure
      {"cycle", nodes({node("Add", {"x", "b"}, {"a"}), node("Add", {"a", "x"}, {"b"}), node("Relu", {"b"}, {"y"})}),
       "cycle"},
      {"self_loop", nodes({node("Add", {"x", "y"}, {"y"})}), "cycle through node 'n_y'"},
      {"duplicate_output", nodes({node("Relu", {"x"}, {"y"}), node("Abs", {"x"}, {"y"})}), "'y' is defined twice"},
      {"output_named_as_input", nodes({node("Relu", {"x"}, {"x"}), node("Relu", {"x"}, {"y"})}), "'x' is defined twice"},
      {"duplicate_initializer",
       model(graph({.nodes = {node("Add", {"x", "w"}, {"y"})},
                    .initializers = {raw_tensor("w", 1, {2}, eight), raw_tensor("w", 1, {2}, eight)}}))
           .str(),
       "'w' is defined twice"},
      {"duplicate_input", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}, .inputs = {value("x"), value("x")}})).str(),
       "'x' is defined twice"},
      {"initializer_unnamed", model_with(raw_tensor("", 1, {2}, eight)).str(), "initializer without a name"},
      {"dangling_input", nodes({node("Relu", {"nowhere"}, {"y"})}), "node 'n_y' ('Relu'): input 'nowhere' is defined nowhere"},
      {"dangling_output", nodes({node("Relu", {"x"}, {"z"})}), "output 'y' is defined nowhere"},
      {"dangling_in_subgraph",
       nodes({node("If", {"x"}, {"y"}, {graph_attr("then_branch", graph({.nodes = {node("Relu", {"q"}, {"y"})}, .inputs = {}}))})}),
       "input 'q' is defined nowhere"},
      {"inner_value_from_outside",
       nodes({node("If", {"x"}, {"z"}, {graph_attr("then_branch", graph({.nodes = {node("Relu", {"x"}, {"y"})}, .inputs = {}}))})}),
       "output 'y' is defined nowhere"},
      {"no_op_type", nodes({node("", {"x"}, {"y"})}), "no op_type"},
      {"hidden_op_type", nodes({node("$params", {"x"}, {"y"})}), "begins with '$'"},
      {"no_opset", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}}), {}).str(), "imports no opset"},
      {"opset_twice", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}}), {opset("", 17), opset("ai.onnx", 18)}).str(),
       "imported twice"},
      {"opset_newer", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}}), {opset("", 1000)}).str(),
       "opset 1000 of 'ai.onnx' is newer than known"},
      {"opset_0", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}}), {opset("", 0)}).str(), "invalid"},
      {"opset_negative", model(graph({.nodes = {node("Relu", {"x"}, {"y"})}}), {opset("", -1)}).str(), "invalid"},
      {"function_twice", with_functions({function("f", {node("Relu", {"x"}, {"y"})}), function("f", {node("Abs", {"x"}, {"y"})})}),
       "function 'f' is defined twice"},
      {"function_recursion", with_functions({function("f", {call("f")})}), "function 'f' calls itself"},
      {"function_recursion_far", with_functions({function("f", {call("g")}), function("g", {call("h")}), function("h", {call("f")})}),
       "calls itself"},
      {"function_dangling", with_functions({function("f", {node("Relu", {"q"}, {"y"})})}), "input 'q' is defined nowhere"},
      {"function_unnamed", with_functions({function("", {node("Relu", {"x"}, {"y"})})}), "no name"},
      // attributes
      {"attribute_twice", nodes({node("Relu", {"x"}, {"y"}, {int_attr("a", 1), int_attr("a", 2)})}), "'a' occurs twice"},
      {"attribute_unnamed", with_attr(int_attr("", 1)), "no name"},
      {"attribute_hidden", with_attr(int_attr("$since", 1)), "lathe's own"},
      {"attribute_type_unknown", with_attr(Msg().s(1, "a").i(field::attribute::type, 99)), "type 99 is unknown"},
      {"attribute_no_tensor", with_attr(Msg().s(1, "a").i(field::attribute::type, 4)), "no value"},
      {"attribute_ambiguous", with_attr(Msg().s(1, "a").f(2, 1.0f).i(3, 1)), "several values"},
      {"attribute_graph_hidden", with_attr(graph_attr("a", graph({.nodes = {}, .inputs = {}, .outputs = {}})).i(3, 1)), "a graph and another"},
      {"attribute_tensor_twice",
       with_attr(Msg().s(1, "a").m(5, raw_tensor("", 1, {2}, eight)).m(5, raw_tensor("", 1, {2}, eight)).i(20, 4)),
       "its value twice"},
      // external data without any file
      {"external_parent", model_with(external_tensor("w", {2}, {{"location", "../w.bin"}})).str(), "leaves the model's folder"},
      {"external_parent_inside", model_with(external_tensor("w", {2}, {{"location", "a/../../w.bin"}})).str(), "leaves"},
      {"external_absolute", model_with(external_tensor("w", {2}, {{"location", "/etc/passwd"}})).str(), "is absolute"},
      {"external_drive", model_with(external_tensor("w", {2}, {{"location", "C:w.bin"}})).str(), "drive letter"},
      {"external_backslash", model_with(external_tensor("w", {2}, {{"location", "..\\w.bin"}})).str(), "backslash"},
      {"external_nul", model_with(external_tensor("w", {2}, {{"location", std::string("w\0.bin", 6)}})).str(), "NUL"},
      {"external_memory", model_with(external_tensor("w", {2}, {{"location", "*/_ORT_MEM_ADDR_/*"}, {"offset", "4096"}})).str(),
       "memory"},
      {"external_no_location", model_with(external_tensor("w", {2}, {{"offset", "0"}})).str(), "without a location"},
      {"external_empty_location", model_with(external_tensor("w", {2}, {{"location", ""}})).str(), "is empty"},
      {"external_missing", model_with(external_tensor("w", {2}, {{"location", "no_such_file"}})).str(), "no_such_file"},
      {"external_in_attribute", with_attr(tensor_attr("v", external_tensor("", {2}, {{"location", "../w"}}))), "leaves"},
      {"external_in_subgraph",
       nodes({node("If", {"x"}, {"y"},
                   {graph_attr("then_branch", graph({.nodes = {node("Relu", {"w"}, {"y"})},
                                                     .initializers = {external_tensor("w", {2}, {{"location", "../w"}})},
                                                     .inputs = {}}))})}),
       "subgraph 'g', initializer 'w'"},
      {"external_in_function",
       with_functions({function("f", {node("Constant", {}, {"y"}, {tensor_attr("value", external_tensor("", {2}, {{"location", "/w"}}))})})}),
       "function 'f'"},
      {"external_in_sparse",
       [&] {
         Msg s = Msg().m(field::sparse::values, external_tensor("w", {1}, {{"location", "../w"}})).i(field::sparse::dims, 2);
         Msg g = graph({.nodes = {node("Add", {"x", "w"}, {"y"})}});
         return model(g.m(field::graph::sparse_initializer, s)).str();
       }(),
       "leaves"},
      // size
      {"many_nodes", crowd("\x0a\x06\x22\x04Relu"), "nodes, names and list entries"},
      {"many_initializers", crowd(std::string_view("\x2a\0", 2)), "nodes, names and list entries"},
      {"many_value_infos", crowd(std::string_view("\x6a\0", 2)), "nodes, names and list entries"},
      {"many_entries", relu + million(std::string_view("\x72\0\x72\0", 4)), "nodes, names and list entries"},
      // depth
      {"subgraphs_nested_5000", if_nested(5000), "nested deeper"},
      {"types_nested_5000", type_nested(5000), "nested deeper"},
      // names
      {"name_with_newline", nodes({node("Relu", {"a\nb\x1b[31m\xff"}, {"y"})}), "'a\\x0ab\\x1b[31m\\xff' is defined nowhere"},
      {"name_with_nul", nodes({node("Relu", {std::string("a\0b", 3)}, {"y"})}), "'a\\x00b' is defined nowhere"},
      {"name_of_a_megabyte", nodes({node("Relu", {std::string(1 << 20, 'a')}, {"y"})}), "... (1048576 bytes)' is defined nowhere"},
  };
}

}  // namespace lathe::test
