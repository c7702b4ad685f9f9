"""For every line on stdin, runs a network once in OpenVINO and prints the seconds.

    python benches/compare/workers/openvino_backbone.py MODEL.onnx BATCH

In f32 on all cores, optimised for one call at a time.
"""

import sys

import openvino

from protocol import photos, serve

if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    raise SystemExit("usage: openvino_backbone.py MODEL.onnx BATCH")
model, batch = sys.argv[1], int(sys.argv[2])

hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
network = openvino.Core().compile_model(model, "CPU", hints)
request, inputs = network.create_infer_request(), [photos(batch)]


def instructions():
    """The instruction set in the names of the kernels that the convolutions were compiled to."""
    kernels = [operation.get_rt_info()["primitiveType"].astype(str)
               for operation in network.get_runtime_model().get_ordered_ops()
               if operation.get_rt_info()["layerType"].astype(str) == "Convolution"]
    found = [name for word, name in [("avx512", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("acl", "NEON")]
             if any(word in kernel for kernel in kernels)]
    return " and ".join(dict.fromkeys(found)) or "unknown"


serve(lambda: request.infer(inputs, share_inputs=True)[0], instructions())
