"""Writes torch_zip.pth, torch_stream.pth and torch.json, which says what they hold.

Run in this folder: python3 make_torch.py
The files here were made with PyTorch 1.13.0 on Python 3.11.
"""
import json
from collections import OrderedDict

import torch
from torch import nn

torch.manual_seed(7)
net = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3))
adam = torch.optim.Adam(net.parameters())
net(torch.randn(4, 2, 3, 3)).square().mean().backward()
adam.step()

grid = torch.arange(24.0).reshape(4, 6) / 8
tensors = OrderedDict(
    parameter=nn.Parameter(torch.randn(2, 3)),
    frozen=nn.Parameter(torch.randn(2), requires_grad=False),
    grid=grid,
    transposed=grid.t(),  # strides (1, 6), grid's storage
    part=grid[1:, 1::2],  # offset 7, strides (6, 2), grid's storage
    permuted=torch.randn(2, 3, 4).permute(2, 0, 1),
    channels_last=torch.randn(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
    column=torch.randn(5, 1).t()[:, 1:],
    bfloat16=torch.tensor([1, -3.140625, float("inf"), 1e-40]).bfloat16(),
    bfloat16_transposed=torch.randn(2, 3).bfloat16().t(),
    float16=torch.tensor([1, 2**-24, 65504, -0.33325195]).half(),
    float64=torch.tensor([2.5, 1e300], dtype=torch.float64),
    int64=torch.tensor([-2, 2**40]),
    int32=torch.tensor([-3, 2**30], dtype=torch.int32),
    uint8=torch.tensor([[7, 255]], dtype=torch.uint8),
    scalar=torch.tensor(0.5),
    empty=torch.zeros(0, 3),
)
saved = {
    "epoch": 3,
    "loss": [0.5, 0.25],
    "name": "both forms",
    "model": net.state_dict(),
    "optimizer": adam.state_dict(),
    "tensors": tensors,
    "list": [torch.tensor([1.0]), (torch.tensor([2.0]), None, True)],
}
torch.save(saved, "torch_zip.pth")
torch.save(saved, "torch_stream.pth", _use_new_zipfile_serialization=False)


def walk(name, v):
    """The tensors of v by name, in order."""
    if isinstance(v, torch.Tensor):
        wide = v.detach().double() if v.is_floating_point() else v
        yield {
            "name": name,
            "dtype": str(v.dtype).removeprefix("torch."),
            "shape": list(v.shape),
            "values": [str(x) for x in wide.flatten().tolist()],
        }
    items = v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, (list, tuple)) else ()
    for key, item in items:
        yield from walk(f"{name}.{key}" if name else str(key), item)


with open("torch.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(t) for t in walk("", saved)) + "\n]\n")
