"""One optimiser step, or one evaluation, of the google/ddpm-cifar10-32 U-Net in PyTorch, timed: what
`deno task bench --vs-torch` stands beside.

Needs torch and diffusers. Random weights, 35.7 M parameters unless --channels says otherwise. Prints one JSON line: milliseconds per step (median and
mean) over --steps after one warm-up, and the peak resident memory in MB.
"""
import argparse, json, resource, statistics, time
import torch
from diffusers import UNet2DModel

p = argparse.ArgumentParser()
p.add_argument("--batch", type=int, default=16)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--steps", type=int, default=3)
p.add_argument("--channels", default="128,256,256,256", help="by level; attention at the second")
p.add_argument("--side", type=int, default=32)
p.add_argument("--colours", type=int, default=3)
p.add_argument("--groups", type=int, help="of the normalisations")
p.add_argument("--mode", choices=["train", "eval"], default="train")
a = p.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(0)
channels = tuple(int(c) for c in a.channels.split(","))
attends = [i == 1 for i in range(len(channels))]
net = UNet2DModel(sample_size=a.side, in_channels=a.colours, out_channels=a.colours, layers_per_block=2,
                  block_out_channels=channels, downsample_padding=0, norm_eps=1e-6,
                  norm_num_groups=a.groups or (32 if min(channels) >= 64 else 16),
                  flip_sin_to_cos=False, freq_shift=1, attention_head_dim=None,
                  down_block_types=["AttnDownBlock2D" if x else "DownBlock2D" for x in attends],
                  up_block_types=["AttnUpBlock2D" if x else "UpBlock2D" for x in reversed(attends)])
opt = torch.optim.Adam(net.parameters(), lr=1e-4)
z, eps = torch.randn(2, a.batch, a.colours, a.side, a.side).unbind()
t = torch.rand(a.batch) * 999


def step():
    if a.mode == "eval":
        with torch.no_grad():
            return (net(z, t).sample - eps).square().flatten(1).sum(1)
    opt.zero_grad()
    loss = (net(z, t).sample - eps).square().flatten(1).sum(1).mean()
    loss.backward()
    opt.step()


step()
ms = []
for _ in range(a.steps):
    t0 = time.perf_counter()
    step()
    ms.append(1e3 * (time.perf_counter() - t0))
print(json.dumps({"peer": "torch " + torch.__version__, "mode": a.mode, "batch": a.batch, "threads": a.threads,
                  "ms_per_step": statistics.median(ms), "ms_per_step_mean": statistics.fmean(ms),
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
