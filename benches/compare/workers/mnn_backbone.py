"""For every line on stdin, runs a network once in MNN and prints the seconds.

    python benches/compare/workers/mnn_backbone.py MODEL.mnn BATCH

In f32 (`precision: high`) on all cores.
"""

import sys

# First: it keeps what MNN prints when it is imported out of the answers.
from protocol import cores, photos, serve

import MNN
import numpy

if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    raise SystemExit("usage: mnn_backbone.py MODEL.mnn BATCH")
model, batch = sys.argv[1], int(sys.argv[2])

interpreter = MNN.Interpreter(model)
session = interpreter.createSession(
    {"backend": "CPU", "numThread": cores(), "precision": "high", "memory": "normal", "power": "high"})
batch_of_photos = photos(batch)
target = interpreter.getSessionInput(session)
interpreter.resizeTensor(target, batch_of_photos.shape)
interpreter.resizeSession(session)
source = MNN.Tensor(batch_of_photos.shape, MNN.Halide_Type_Float, batch_of_photos, MNN.Tensor_DimensionType_Caffe)
shape = interpreter.getSessionOutput(session).getShape()
features = numpy.zeros(shape, numpy.float32)
copy = MNN.Tensor(shape, MNN.Halide_Type_Float, features, MNN.Tensor_DimensionType_Caffe)


def forward():
    target.copyFrom(source)
    interpreter.runSession(session)
    interpreter.getSessionOutput(session).copyToHostTensor(copy)
    return copy.getNumpyData()


serve(forward)
