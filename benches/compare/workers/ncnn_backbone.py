"""For every line on stdin, runs a network once in ncnn and prints the seconds.

    python benches/compare/workers/ncnn_backbone.py MODEL.param MODEL.bin BATCH

In f32 on all cores, one photo after the other: ncnn has no batches.
"""

import sys

import ncnn
import numpy

from protocol import cores, photos, serve

if len(sys.argv) != 4 or not sys.argv[3].isdigit():
    raise SystemExit("usage: ncnn_backbone.py MODEL.param MODEL.bin BATCH")
param, weights, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])

network = ncnn.Net()
network.opt.num_threads = cores()
for option in ["use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"]:
    setattr(network.opt, option, False)
if network.load_param(param) or network.load_model(weights):
    raise SystemExit(f"ncnn cannot load {param}")
# ncnn gives the first input and output of a converted network these names.
INPUT, OUTPUT = "in0", "out0"
# A Mat refers to an array's memory and does not keep it.
batch_of_photos = photos(batch)
inputs = [ncnn.Mat(photo) for photo in batch_of_photos]


def forward():
    features = []
    for photo in inputs:
        extractor = network.create_extractor()
        extractor.input(INPUT, photo)
        failed, output = extractor.extract(OUTPUT)
        if failed:
            raise SystemExit(f"ncnn failed with code {failed}")
        features.append(numpy.array(output))
    return numpy.stack(features)


serve(forward)
