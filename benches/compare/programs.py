"""The programs that run a network: their names, commands and environments."""

import dataclasses
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent / "workers"
ONNX_RUNTIME, OPENVINO, OPENVINO_STREAMS, MNN, NCNN = (
    "ONNX Runtime", "OpenVINO", "OpenVINO, a stream per core", "MNN", "ncnn")
PYTORCH = ["PyTorch, contiguous", "PyTorch, channels_last", "PyTorch, fused"]
MODES = ["contiguous", "channels_last", "fused"]
# oneDNN computes the convolutions of PyTorch and OpenVINO, and MKL or ATen the rest.
LIMITED_TO_AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
CANNOT_BE_LIMITED = [ONNX_RUNTIME, MNN, NCNN]


@dataclasses.dataclass
class Program:
    name: str
    command: list
    # Variables added to the environment.
    variables: dict
    # The reason why it cannot run, or None.
    failed: str | None = None
    # Whether it is measured on a busy machine too.
    is_busy_peer: bool = True


def kindling(device):
    return f"Kindling, {device}"


def is_kindling(name):
    return name.startswith("Kindling")


def of(network, batch, worker, devices, instructions):
    """The programs that run `network`, in the order of their turns."""
    limited = instructions == "avx2"
    variables = LIMITED_TO_AVX2 if limited else {}
    found = []

    def add(name, script, arguments, kind, variables, **more):
        command = [str(word) for word in [sys.executable, HERE / script, *arguments]]
        found.append(Program(name, command, variables, network.failed.get(kind), **more))

    for name, mode in zip(PYTORCH, MODES):
        add(name, "pytorch_backbone.py", [network.name, network.weights, batch, mode], None, variables,
            is_busy_peer=mode == "fused")
    if not limited:
        add(ONNX_RUNTIME, "onnxruntime_backbone.py", [network.onnx(batch), batch], "onnx", {})
    add(OPENVINO, "openvino_backbone.py", [network.onnx(batch), batch], "onnx", variables)
    if batch > 1:
        add(OPENVINO_STREAMS, "openvino_backbone.py", [network.onnx(1), batch, "streams"], "onnx", variables)
    if not limited:
        add(MNN, "mnn_backbone.py", [network.mnn(), batch], "mnn", {})
        add(NCNN, "ncnn_backbone.py", [*network.ncnn(), batch], "ncnn", {})
    for index, device in enumerate(devices):
        command = [*worker, network.weights, batch, device] + ["avx2"] * (limited and device == "cpu")
        found.append(Program(kindling(device), [str(word) for word in command], {}, is_busy_peer=index == 0))
    return found
