"""The networks, and the files of them that each program reads."""

import dataclasses
import importlib.util
import pathlib
import subprocess
import sys

KINDS = ["resnet18", "efficientnet-lite0"]
TITLES = {"resnet18": "ResNet-18", "efficientnet-lite0": "EfficientNet-Lite0"}
CONVERSION_SECONDS = 300
HERE = pathlib.Path(__file__).resolve().parent


class ConversionFailed(Exception):
    """A file of a network cannot be made. The message is one line."""


@dataclasses.dataclass
class Network:
    """A network without its last layer, as files."""
    name: str
    weights: pathlib.Path
    folder: pathlib.Path
    # Reason by kind of file (`onnx`, `mnn`, `ncnn`), if it could not be made.
    failed: dict

    def onnx(self, batch):
        return self.folder / f"{self.name}-{batch}.onnx"

    def mnn(self):
        return self.folder / f"{self.name}.mnn"

    def ncnn(self):
        """The parameters and the weights. pnnx allows no hyphens in names."""
        stem = self.name.replace("-", "_")
        return [self.folder / f"{stem}.ncnn.{ending}" for ending in ["param", "bin"]]

    def title(self):
        return TITLES[self.name]


def prepare(name, weights, kindling, batches, folder, say):
    """Writes the network's files: Kindling's own export, cut at the features, and conversions of it."""
    network = Network(name, weights, folder, {})
    say(f"{TITLES[name]}: exporting and converting")
    whole = folder / f"{name}-whole.onnx"
    try:
        run([kindling, "export", weights, "--out", whole], folder)
        write_onnx(network, whole, batches)
    except ConversionFailed as error:
        network.failed = dict.fromkeys(["onnx", "mnn", "ncnn"], f"no ONNX file: {error}")
        return network
    for kind, convert in [("mnn", convert_to_mnn), ("ncnn", convert_to_ncnn)]:
        try:
            convert(network)
        except ConversionFailed as error:
            network.failed[kind] = str(error)
            say(f"{TITLES[name]}: {kind}: {error}")
    return network


def write_onnx(network, whole, batches):
    """Cuts the network at its features: one file for each batch size, and one for any."""
    if importlib.util.find_spec("onnx") is None:
        raise ConversionFailed("onnx is not installed")
    # In a process of its own: Linux counts the peak memory of the driver as that of the programs
    # that it starts, so the driver must stay smaller than they are. ncnn takes one photo at a time.
    files = [f"{batch}={network.onnx(batch)}" for batch in sorted({1, *batches})]
    run([sys.executable, HERE / "cut_onnx.py", whole, network.onnx("any"), *files], network.folder)


def convert_to_mnn(network):
    if importlib.util.find_spec("MNN") is None:
        raise ConversionFailed("MNN is not installed")
    # Not the program `mnnconvert`: it installs a package and reports its use over the network.
    code = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
    run([sys.executable, "-c", code, "-f", "ONNX", "--modelFile", network.onnx("any"),
         "--MNNModel", network.mnn(), "--bizCode", "kindling"], network.folder)
    if not network.mnn().is_file():
        raise ConversionFailed("MNN's converter wrote no file")


def convert_to_ncnn(network):
    found = importlib.util.find_spec("pnnx")
    if found is None:
        raise ConversionFailed("pnnx, which makes ncnn's files, is not installed")
    pnnx = pathlib.Path(found.origin).with_name("pnnx")
    source = network.folder / f"{network.name.replace('-', '_')}.onnx"
    source.write_bytes(network.onnx(1).read_bytes())
    # Without `fp16=0` the weights are rounded to half precision.
    run([pnnx, source, "inputshape=[1,3,224,224]", "fp16=0"], network.folder)
    if not all(path.is_file() for path in network.ncnn()):
        raise ConversionFailed("pnnx wrote no files for ncnn")


def run(command, folder):
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace",
                              timeout=CONVERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConversionFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "nothing printed").splitlines()
        raise ConversionFailed(f"{pathlib.Path(command[0]).name} exited with code {done.returncode}: {lines[-1]}")
