"""Writes resnet.safetensors beside itself: the lesson's ResNet in PyTorch, small,
with its output, loss, gradients and running statistics after one batch, and what
it then predicts. Needs torch only; the safetensors are written by hand.

    python3 resnet.py
"""
import json
import struct
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(3)
WIDTHS, SIZE, CHANNELS, CLASSES, N = [4, 6, 9], 3, 2, 5, 6


def act(x):  # GeneralRelu
    return nn.functional.leaky_relu(x, 0.1) - 0.4


class Block(nn.Module):
    def __init__(self, ni, nf, ks, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(ni, nf, ks, padding=ks // 2)
        self.norm1 = nn.BatchNorm2d(nf)
        self.conv2 = nn.Conv2d(nf, nf, ks, stride=stride, padding=ks // 2)
        self.norm2 = nn.BatchNorm2d(nf)
        self.shortcut = nn.Conv2d(ni, nf, 1)
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, x):
        h = self.norm2(self.conv2(act(self.norm1(self.conv1(x)))))
        return act(self.shortcut(self.pool(x)) + h)


class Head(nn.Module):
    def __init__(self, nf):
        super().__init__()
        self.linear = nn.Linear(nf, CLASSES, bias=False)
        self.norm = nn.BatchNorm1d(CLASSES)

    def forward(self, x):
        return self.norm(self.linear(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        ins = [CHANNELS] + WIDTHS
        self.blocks = nn.ModuleList(
            Block(ins[i], nf, 5 if i == 0 else 3, 1 if i == 0 else 2) for i, nf in enumerate(WIDTHS))
        self.head = Head(WIDTHS[-1])

    def features(self, x):
        for b in self.blocks:
            x = b(x)
        return x.flatten(1)

    def forward(self, x):
        return self.head(self.features(x))


net = ResNet()
for m in net.modules():  # no norm at its start
    if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
        nn.init.uniform_(m.weight, 0.5, 1.5)
        nn.init.normal_(m.bias, 0, 0.5)
        nn.init.normal_(m.running_mean, 0, 0.5)
        nn.init.uniform_(m.running_var, 0.5, 1.5)
tensors = {"weights." + k: v.clone() for k, v in net.state_dict().items() if "num_batches" not in k}
x, labels = torch.randn(N, CHANNELS, SIZE, SIZE), torch.tensor([0, 3, 1, 4, 2, 3])
loss = nn.functional.cross_entropy(net(x), labels)
loss.backward()
tensors.update({"grads." + k: p.grad for k, p in net.named_parameters()})
tensors.update({"running." + k: v for k, v in net.state_dict().items() if "running" in k})
net.eval()
tensors.update({"x": x, "labels": labels.float(), "loss": loss, "y": net(x), "features": net.features(x)})

header, blobs, at = {}, [], 0
for name, t in tensors.items():
    blob = t.detach().contiguous().numpy().astype("<f4").tobytes()
    header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
    blobs.append(blob)
    at += len(blob)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
path = Path(__file__).with_name("resnet.safetensors")
path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
