"""Writes karras.json: images of two pixels that k-diffusion's samplers draw
with a perfect net, in float64.

    python karras.py karras.json > new.json

The input gives start (8 seeds x 2) and noise (12 steps x 8 seeds x 2): the numbers
of internal/rng for these seeds, from the streams SampleStart and SampleStep.
Made with k-diffusion at its commit 4601bf0, torch 1.13.
"""
import json
import math
import sys

import torch
from k_diffusion import sampling

PARTS = [(0.5, [-0.6, -0.4], 0.15), (0.3, [0.5, -0.1], 0.3), (0.2, [0.3, 0.7], 0.1)]  # weight, mean, std
STEPS = 12

given = json.load(open(sys.argv[1]))
start = torch.tensor(given["start"], dtype=torch.float64)
noise = torch.tensor(given["noise"], dtype=torch.float64)

# DDPM's linear schedule: 1,000 betas from 1e-4 to 0.02.
alphabar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
sigma = ((1 - alphabar) / alphabar).sqrt()
torch.set_default_dtype(torch.float64)
sigmas = sampling.get_sigmas_karras(STEPS, sigma[0].item(), sigma[-1].item())


def perfect(clip):
    def model(x, s):
        s = s[0]
        logs, towards = [], []
        for weight, mean, std in PARTS:
            mean, v = torch.tensor(mean), std**2 + s**2
            logs.append(math.log(weight) - v.log() - ((x - mean) ** 2).sum(1) / (2 * v))
            towards.append(mean + std**2 / v * (x - mean))
        p = torch.stack(logs).softmax(0)
        d = (p[..., None] * torch.stack(towards)).sum(0)
        return d.clamp(-0.5, 0.5) if clip else d

    return model


def run(sampler, clip, **kw):
    """x_T of VP is z; divided by sqrt(alphabar) it is sqrt(1 + sigma_max^2) z."""
    x = start * (1 + sigmas[0] ** 2).sqrt()
    step = iter(range(STEPS))
    torch.randn_like = lambda _: noise[next(step)]  # the step's own noise
    if sampler is sampling.sample_lms:  # ours ends with D, k-diffusion's extrapolates
        x = sampler(perfect(clip), x, sigmas[:-1], **kw)
        return perfect(clip)(x, sigmas[-2:-1])
    return sampler(perfect(clip), x, sigmas, **kw)


cases = {
    "euler": (sampling.sample_euler, {}),
    "euler_ancestral": (sampling.sample_euler_ancestral, {"eta": 0.5}),
    "heun": (sampling.sample_heun, {}),
    "lms": (sampling.sample_lms, {"order": 4}),
    "lms order 3": (sampling.sample_lms, {"order": 3}),
    # Ours raises no sigma above the largest, so the first step stays as it is.
    "heun churn": (sampling.sample_heun, {"s_churn": 4.0, "s_tmax": 100.0}),
    "euler churn": (sampling.sample_euler, {"s_churn": 4.0, "s_tmax": 100.0}),
    "dpmpp_2m": (sampling.sample_dpmpp_2m, {}),
}
images = {}
for name, (sampler, kw) in cases.items():
    for clip in False, True:
        images[name + (" clip" if clip else "")] = run(sampler, clip, **kw).tolist()
golden = {"start": given["start"], "noise": given["noise"], "sigmas": sigmas.tolist(), "images": images}
print("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()) + "}")
