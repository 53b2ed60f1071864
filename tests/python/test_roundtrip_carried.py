"""What lathe does not understand it carries: models that set every field of the format come back equal.

`test_every_field_is_tried` holds the models here against the format's own description, so that a field of a later
onnx release that nobody sets shows up as a failure.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import compare

# Not set here: fields that the schema declares reserved or that only a loader of its own would write.
UNTRIED = {"TensorProto.segment", "Segment.begin", "Segment.end", "TensorProto.external_data", "TensorProto.data_location"}


def noted(message, **fields):
    """Doc string and metadata on anything that has them."""
    for name, value in fields.items():
        setattr(message, name, value)
    entry = message.metadata_props.add()
    entry.key, entry.value = "note", f"ä, \" and \n of {getattr(message, 'name', '')}"
    return message


def floats(name: str, shape=("n", 4)):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes, inputs, outputs, initializers=(), functions=(), opsets=(("", 21), ("my.domain", 3)), **graph_fields):
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers, **graph_fields)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*o) for o in opsets], functions=functions,
                             ir_version=11)


def custom_ops() -> onnx.ModelProto:
    """An unknown domain with every kind of attribute, empty optional inputs, a type that no rule knows."""
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["inner_out"])], "inner", [], [floats("inner_out")])
    dense = helper.make_tensor("", TensorProto.FLOAT, [2], [1.0, float("nan")])
    sparse = helper.make_sparse_tensor(helper.make_tensor("v", TensorProto.FLOAT, [1], [3.0]),
                                       helper.make_tensor("i", TensorProto.INT64, [1], [2]), [5])
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT16, ["a", 2])
    node = helper.make_node(
        "Odd", ["x", "", "x", ""], ["y", "", "z"], name="odd", domain="my.domain", overload="second",
        f=0.1, i=-5, s=b"\x00\xff", t=dense, g=inner, sparse=sparse, tp=kind, fs=[1.5, -0.0], is_=[1, -2],
        ss=[b"a", b""], ts=[dense, dense], gs=[inner], sparses=[sparse], tps=[kind, kind])
    node.attribute.append(helper.make_attribute("empty", [], attr_type=onnx.AttributeProto.INTS))
    node.attribute[0].doc_string = "why 0.1"
    noted(node, doc_string="a node")
    made = model([node, helper.make_node("Odd", ["y"], ["w"], domain="my.domain")], [floats("x")],
                 [floats("y"), helper.make_empty_tensor_value_info("z"), floats("w")])
    noted(made, producer_name="p", producer_version="1.2", domain="org.x", model_version=7, doc_string="a model")
    noted(made.graph, doc_string="a graph")
    noted(made.graph.input[0], doc_string="an input")
    made.graph.input[0].type.denotation = "TENSOR"
    made.graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    return made


def typed_tensors() -> onnx.ModelProto:
    """Initializers of each element type, in raw bytes and in the typed fields; unused ones too; odd orders."""
    held = []
    for name, kind in TensorProto.DataType.items():
        if kind in (TensorProto.UNDEFINED, TensorProto.STRING):
            continue
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        values = np.array([0, 1, 1, 0, 1, 0]).astype(dtype)
        held.append(helper.make_tensor(f"typed_{name}", kind, [2, 3], values))
        held.append(onnx.numpy_helper.from_array(values.reshape(3, 2), f"raw_{name}"))
    held.append(helper.make_tensor("strings", TensorProto.STRING, [2], [b"a", b"\xfe\x00"]))
    held.append(helper.make_tensor("scalar", TensorProto.FLOAT, [], [2.0]))
    held.append(helper.make_tensor("nothing", TensorProto.FLOAT, [0, 4], []))
    noted(held[0], doc_string="a tensor")
    return model([helper.make_node("Add", ["x", "scalar"], ["y"])], [floats("x")], [floats("y")], held)


def values_of_every_type() -> onnx.ModelProto:
    """Sequences, maps, optionals, sparse tensors, opaque values, a map of sequences, unranked tensors."""
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", None, 3])
    unranked = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    sequence = helper.make_sequence_type_proto(tensor)
    mapping = helper.make_map_type_proto(TensorProto.STRING, sequence)
    opaque = onnx.TypeProto()
    opaque.opaque_type.domain, opaque.opaque_type.name = "my.domain", "Thing"
    kinds = dict(unranked=unranked, sequence=sequence, mapping=mapping, opaque=opaque,
                 maybe=helper.make_optional_type_proto(sequence),
                 sparse=helper.make_sparse_tensor_type_proto(TensorProto.DOUBLE, [10, "m"]))
    nodes = [helper.make_node("Odd", [k], [f"{k}_out"], domain="my.domain") for k in kinds]
    between = helper.make_tensor_value_info("x_mid", TensorProto.FLOAT, ["n", 4])
    nodes += [helper.make_node("Relu", ["x"], ["x_mid"]), helper.make_node("Relu", ["x_mid"], ["x_out"])]
    return model(nodes, [helper.make_value_info(k, t) for k, t in kinds.items()] + [floats("x")],
                 [helper.make_value_info(f"{k}_out", t) for k, t in kinds.items()] + [floats("x_out")],
                 value_info=[between])


def functions() -> onnx.ModelProto:
    """Local functions: attributes with and without defaults, references to them, overloads, one that calls another."""
    scaled = helper.make_node("Constant", [], ["c"])
    reference = onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT, ref_attr_name="scale")
    scaled.attribute.append(reference)
    body = [scaled, helper.make_node("Mul", ["a", "c"], ["b"])]
    one = helper.make_function("my.domain", "Scale", ["a"], ["b"], body, [helper.make_opsetid("", 21)], ["scale"],
                               [helper.make_attribute("bias", 0.5)], doc_string="a function", overload="of_float",
                               value_info=[floats("c", [])])
    noted(one)
    two = helper.make_function("my.domain", "Twice", ["a"], ["b"], [
        helper.make_node("Scale", ["a"], ["m"], domain="my.domain", overload="of_float", scale=2.0),
        helper.make_node("Scale", ["m"], ["b"], domain="my.domain", overload="of_float", scale=3.0)],
        [helper.make_opsetid("", 21), helper.make_opsetid("my.domain", 3)])
    return model([helper.make_node("Twice", ["x"], ["y"], domain="my.domain")], [floats("x")], [floats("y")],
                 functions=[two, one])


def training_and_quantization() -> onnx.ModelProto:
    """Training info, quantization annotations, sparse initializers, initializers that are inputs too."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], [1, 2, 3, 4])
    sparse = helper.make_sparse_tensor(helper.make_tensor("s", TensorProto.FLOAT, [1], [3.0]),
                                       helper.make_tensor("s_i", TensorProto.INT64, [1], [2]), [4])
    made = model([helper.make_node("Add", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "s"], ["y"])],
                 [floats("x"), floats("w", [4])], [floats("y")], [weight], sparse_initializer=[sparse])
    note = made.graph.quantization_annotation.add(tensor_name="w")
    for key, value in (("SCALE_TENSOR", "w_scale"), ("ZERO_POINT_TENSOR", "w_zero")):
        note.quant_parameter_tensor_names.add(key=key, value=value)
    step = helper.make_graph([helper.make_node("Sub", ["w", "w"], ["w_new"])], "step", [], [floats("w_new", [4])])
    start = helper.make_graph([helper.make_node("Constant", [], ["w_0"], value=weight)], "start", [], [floats("w_0", [4])])
    made.training_info.append(helper.make_training_info(step, [("w", "w_new")], start, [("w", "w_0")]))
    return made


def devices() -> onnx.ModelProto:
    """Multi-device annotations."""
    made = model([helper.make_node("Relu", ["x"], ["y"])], [floats("x")], [floats("y")])
    made.configuration.add(name="two", num_devices=2, device=["a", "b"])
    placed = made.graph.node[0].device_configurations.add(configuration_id="two", pipeline_stage=1)
    spec = placed.sharding_spec.add(tensor_name="x", device=[0, 1])
    spec.index_to_device_group_map.add(key=0, value=[0, 1])
    dim = spec.sharded_dim.add(axis=0)
    dim.simple_sharding.add(dim_value=4, num_shards=2)
    dim.simple_sharding.add(dim_param="n", num_shards=2)
    return made


def unknown_fields() -> onnx.ModelProto:
    """Fields of a format newer than the reader, at the model, the graph, a node and a tensor: wire bytes appended."""
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], [floats("x")], [floats("y")],
                 [helper.make_tensor("w", TensorProto.FLOAT, [4], [1, 2, 3, 4])])
    new = b"\xfa\x7d\x03new"  # field 2015, three bytes
    made.graph.node[0].MergeFromString(new)
    made.graph.initializer[0].MergeFromString(new)
    made.graph.MergeFromString(new)
    made.MergeFromString(new)
    return made


MODELS = [custom_ops, typed_tensors, values_of_every_type, functions, training_and_quantization, devices, unknown_fields]


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
def test_carried(run, tmp_path, make):
    before, after = tmp_path / "in.onnx", tmp_path / "out.onnx"
    before.write_bytes(make().SerializeToString())
    run("onnx-opt", "--passes=", before, "-o", after).ok()
    assert compare.unequal(before, after) == []


def fields_set(message, found: set[str]) -> set[str]:
    for field, value in message.ListFields():
        found.add(f"{message.DESCRIPTOR.name}.{field.name}")
        if field.message_type:
            for m in value if field.is_repeated else [value]:
                fields_set(m, found)
    return found


def fields_known(descriptor, found: set[str], seen: set[str]) -> set[str]:
    if descriptor.full_name not in seen:
        seen.add(descriptor.full_name)
        for field in descriptor.fields:
            found.add(f"{descriptor.name}.{field.name}")
            if field.message_type:
                fields_known(field.message_type, found, seen)
    return found


def test_every_field_is_tried():
    tried: set[str] = set()
    for make in MODELS:
        fields_set(make(), tried)
    known = fields_known(onnx.ModelProto.DESCRIPTOR, set(), set())
    assert sorted(known - tried - UNTRIED) == []
