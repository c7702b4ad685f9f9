"""For every line on stdin, runs a network once in OpenVINO and prints the seconds.

    python benches/compare/workers/openvino_backbone.py MODEL.onnx BATCH [streams]

In f32 on all cores. By default the model has the batch size and all cores work on one call. With
`streams` the model takes one photo, and several calls run at the same time (OpenVINO's throughput
mode).
"""

import sys

import numpy
import openvino

from protocol import photos, serve

if len(sys.argv) not in (3, 4) or not sys.argv[2].isdigit() or sys.argv[3:] not in ([], ["streams"]):
    raise SystemExit("usage: openvino_backbone.py MODEL.onnx BATCH [streams]")
model, batch, with_streams = sys.argv[1], int(sys.argv[2]), len(sys.argv) == 4

hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT" if with_streams else "LATENCY"}
network = openvino.Core().compile_model(model, "CPU", hints)
batch_of_photos = photos(batch)


def instructions():
    """The instruction set in the names of the kernels that the convolutions were compiled to."""
    kernels = [operation.get_rt_info()["primitiveType"].astype(str)
               for operation in network.get_runtime_model().get_ordered_ops()
               if operation.get_rt_info()["layerType"].astype(str) == "Convolution"]
    found = [name for word, name in [("avx512", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("acl", "NEON")]
             if any(word in kernel for kernel in kernels)]
    return " and ".join(dict.fromkeys(found)) or "unknown"


if with_streams:
    queue = openvino.AsyncInferQueue(network)
    features = numpy.zeros((batch, network.output(0).partial_shape[1].get_length()), numpy.float32)

    def keep(request, index):
        features[index] = request.get_output_tensor(0).data.reshape(-1)

    queue.set_callback(keep)

    def forward():
        for index in range(batch):
            queue.start_async([batch_of_photos[index : index + 1]], index, share_inputs=True)
        queue.wait_all()
        return features
else:
    request = network.create_infer_request()

    def forward():
        return request.infer([batch_of_photos], share_inputs=True)[0]


serve(forward, instructions())
