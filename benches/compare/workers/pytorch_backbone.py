"""For every line on stdin, runs a network once in PyTorch and prints the seconds.

    python benches/compare/workers/pytorch_backbone.py NETWORK WEIGHTS BATCH contiguous|channels_last|fused

NETWORK is `resnet18` (torchvision's) or `efficientnet-lite0` (timm's). `fused` is channels_last with
each BatchNorm folded into its convolution, which PyTorch does not do by default.
"""

import sys

import torch
from torch.fx.experimental.optimization import fuse
from torch.nn.utils.fusion import fuse_conv_bn_eval

from protocol import photos, serve

MODES = ["contiguous", "channels_last", "fused"]


def resnet18(weights):
    import torchvision

    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.fc = torch.nn.Identity()
    return network.eval(), fuse


# The names of a block's modules in Kindling's weights and in timm's network: with and without a
# first 1x1 convolution.
EXPANDING = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
AROUND = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def efficientnet_lite0(weights):
    import safetensors.torch
    import timm

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    blocks = [(f"blocks.{stage}.{index}.", block)
              for stage, all_blocks in enumerate(network.blocks) for index, block in enumerate(all_blocks)]
    named = {}
    for name, tensor in safetensors.torch.load_file(weights).items():
        words = name.split(".")
        if words[0] == "_blocks":
            prefix, block = blocks[int(words[1])]
            names, module, parameter = EXPANDING if hasattr(block, "conv_pwl") else PLAIN, words[2], words[3]
        else:
            prefix, names, module, parameter = "", AROUND, words[0], words[1]
        if module != "_fc":
            named[f"{prefix}{names[module]}.{parameter}"] = tensor.float()
    missing, unexpected = network.load_state_dict(named, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"{weights} does not fit timm's network: {(missing + unexpected)[0]}")
    return network, fuse_timm


def fuse_timm(network):
    """Folds each BatchNorm and keeps its activation, which timm has in the same module."""
    pairs = [(network, AROUND)] + [(block, EXPANDING if hasattr(block, "conv_pwl") else PLAIN)
                                   for stage in network.blocks for block in stage]
    for module, names in pairs:
        names = list(names.values())
        for convolution, norm in zip(names[::2], names[1::2]):
            folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, folded)
            setattr(module, norm, getattr(module, norm).act)
    return network


NETWORKS = {"resnet18": resnet18, "efficientnet-lite0": efficientnet_lite0}
if len(sys.argv) != 5 or sys.argv[1] not in NETWORKS or not sys.argv[3].isdigit() or sys.argv[4] not in MODES:
    raise SystemExit(f"usage: pytorch_backbone.py {'|'.join(NETWORKS)} WEIGHTS BATCH {'|'.join(MODES)}")
name, weights, batch, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

network, fuse_network = NETWORKS[name](weights)
inputs = torch.from_numpy(photos(batch))
with torch.inference_mode():
    if mode == "fused":
        network = fuse_network(network)
    if mode != "contiguous":
        network = network.to(memory_format=torch.channels_last)
        inputs = inputs.to(memory_format=torch.channels_last)


@torch.inference_mode()
def forward():
    return network(inputs).numpy()


capability = {"AVX512": "AVX-512", "DEFAULT": "unknown"}
found = torch.backends.cpu.get_cpu_capability()
serve(forward, capability.get(found, found))
