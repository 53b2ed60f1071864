"""ONNX's own backend cases as folders: FOLDER/<onnx version>/<kind>/<case>/{model.onnx,test_data_set_0/*.pb}.

The onnx package no longer ships them; its generators make them in about 15 seconds. Made once per onnx version:

    python tests/python/backend_cases.py build/backend-cases
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.model import collect_testcases
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import DATA_DIR, load_model_tests
from onnx.backend.test.runner import Runner

KINDS = ("node", "simple", "light", "pytorch-converted", "pytorch-operator")
# As onnx's own run of the cases has it (tests/python/backend_reference_test.py of its sources): expected values of these
# are rounded to float inside of the transform.
TOLERANCES = dict.fromkeys(
    ("test_dft", "test_dft_axis", "test_dft_axis_opset19", "test_dft_inverse", "test_dft_inverse_opset19",
     "test_dft_opset19"), {"rtol": 1e-3, "atol": 1e-6})
LAYOUT = 2  # of what is written; another number makes all anew


def write_value(path: pathlib.Path, value: object, port: onnx.ValueInfoProto) -> None:
    kind = port.type.WhichOneof("value")
    if isinstance(value, TensorProto):
        message = value
    elif kind == "sequence_type":
        message = numpy_helper.from_list(value, port.name)
    elif kind == "optional_type":
        message = numpy_helper.from_optional(value, port.name)
    elif kind == "map_type":
        message = numpy_helper.from_dict(value, port.name)
    else:
        message = numpy_helper.from_array(np.asarray(value), port.name)
    path.write_bytes(message.SerializeToString())


def write_case(folder: pathlib.Path, case: TestCase) -> None:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    if case.name in TOLERANCES:
        (folder / "data.json").write_text(json.dumps(TOLERANCES[case.name]))
    for n, (inputs, outputs) in enumerate(case.data_sets):
        data = folder / f"test_data_set_{n}"
        data.mkdir()
        for stem, values, ports in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
            for i, (value, port) in enumerate(zip(values, ports)):
                write_value(data / f"{stem}_{i}.pb", value, port)


def write_light(folder: pathlib.Path, model: pathlib.Path, case: TestCase) -> None:
    """Whole networks with generated weights; the input is a ramp, as in onnx's runner."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    shutil.copyfile(model, folder / "model.onnx")
    (folder / "data.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))
    graph = onnx.load(model).graph
    initializers = {i.name for i in graph.initializer}
    fed = [port for port in graph.input if port.name not in initializers]
    for i, port in enumerate(fed):
        write_value(data / f"input_{i}.pb", Runner.generate_dummy_data(port), port)
    for i in range(len(graph.output)):
        shutil.copyfile(model.with_name(f"{model.stem}_output_{i}.pb"), data / f"output_{i}.pb")


def write_kind(folder: pathlib.Path, kind: str) -> None:
    if kind == "light":
        for case in collect_testcases():
            if case.kind == "real":
                model = pathlib.Path(DATA_DIR) / kind / pathlib.PurePosixPath(case.url).name
                write_light(folder / model.stem, model, case)
        return
    for case in load_model_tests(kind=kind):
        if case.model is not None:
            write_case(folder / case.name, case)
        elif case.model_dir is not None:
            shutil.copytree(case.model_dir, folder / case.name)
    if kind == "simple":  # some exist as generators only
        for case in collect_testcases():
            if case.kind == kind and not (folder / case.name).exists():
                write_case(folder / case.name, case)


def cases(root: pathlib.Path) -> pathlib.Path:
    """The folder of this onnx version's cases; makes it if it is not there."""
    folder = root / onnx.__version__
    done = folder / ".done"
    if done.exists() and done.read_text() == str(LAYOUT):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the cases' own overflows and divisions by zero
        for kind in KINDS:
            write_kind(folder / kind, kind)
    done.write_text(str(LAYOUT))
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    print(cases(parser.parse_args().folder))
    sys.exit()
