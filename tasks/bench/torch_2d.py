"""The seed's 2-D training in plain PyTorch, timed: what `deno task bench --vs-torch` stands beside.

Trains the seed's MLP on moons, step by step as the seed does, then evaluates the density of a grid point by point with
200 log SNRs each. Prints one JSON line: milliseconds per step (median and mean), grid points per second, and the
standard deviation in nats of the density's estimate where it matters (log p above -6).
"""
import argparse, json, math, resource, statistics, time
import torch
from torch import nn

p = argparse.ArgumentParser()
p.add_argument("--steps", type=int, default=400)
p.add_argument("--threads", type=int, default=2)
p.add_argument("--grid", type=int, default=0, help="side of the density grid; 0: none")
p.add_argument("--repeats", type=int, default=0, help="evaluations of 100 points for the estimate's deviation")
a = p.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(0)

N, BATCH, LOC, SCALE, CLIP, D = 8000, 128, 0.0, 3.0, 4.0, 2
H_G = 0.5 * D * math.log(2 * math.pi * math.e)


def moons():
    t = math.pi * torch.rand(N, dtype=torch.float64)
    up = torch.rand(N) < 0.5
    x = torch.stack([torch.where(up, t.cos(), 1 - t.cos()), torch.where(up, t.sin(), 0.5 - t.sin())], 1)
    x += 0.03 * torch.randn(N, 2, dtype=torch.float64)
    return ((x - x.mean(0)) / x.std(0, correction=0)).float()


class Sinusoidal(nn.Module):
    def __init__(self, size, scale):
        super().__init__()
        self.scale, self.half = scale, size // 2

    def forward(self, x):
        f = torch.exp(-math.log(10000.0) / (self.half - 1) * torch.arange(self.half))
        e = (self.scale * x).unsqueeze(-1) * f
        return torch.cat([e.sin(), e.cos()], -1)


class MLP(nn.Module):
    def __init__(self, hidden=128, size=128):
        super().__init__()
        self.coordinate, self.level = Sinusoidal(size, 100.0), Sinusoidal(size, 50.0)
        self.net = nn.Sequential(
            nn.Linear(3 * size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, z, logsnr):
        return self.net(torch.cat([self.coordinate(z[:, 0]), self.coordinate(z[:, 1]), self.level(logsnr)], -1))


def nll(model, x):
    lo, hi = torch.sigmoid(torch.tensor(-CLIP)), torch.sigmoid(torch.tensor(CLIP))
    u = lo + (hi - lo) * torch.rand(len(x))
    s = torch.log(u) - torch.log(1 - u)
    logsnr = LOC + SCALE * s
    w = SCALE * math.tanh(CLIP / 2) / (torch.sigmoid(s) * torch.sigmoid(-s))
    l = logsnr.view(-1, 1)
    eps = torch.randn_like(x)
    z = torch.sqrt(torch.sigmoid(l)) * x + torch.sqrt(torch.sigmoid(-l)) * eps
    mse = (eps - model(z, logsnr)).square().sum(1)
    return H_G + 0.5 * (w * (mse - D * torch.sigmoid(logsnr))).mean()


x = moons()
train = x[: int(0.9 * N)]
model = MLP()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
ms, order, at = [], torch.randperm(len(train)), 0
for step in range(a.steps):
    if at + BATCH > len(train):
        order, at = torch.randperm(len(train)), 0
    t0 = time.perf_counter()
    opt.zero_grad()
    nll(model, train[order[at:at + BATCH]]).backward()
    opt.step()
    ms.append(1e3 * (time.perf_counter() - t0))
    at += BATCH
out = {"peer": "torch " + torch.__version__, "threads": a.threads, "ms_per_step": statistics.median(ms),
       "ms_per_step_mean": statistics.fmean(ms)}
with torch.no_grad():
    if a.grid:
        g = torch.linspace(-3, 3, a.grid)
        points = torch.cartesian_prod(g, g)
        t0 = time.perf_counter()
        for q in points:
            nll(model, q.expand(200, 2))
        out["points_per_s"] = len(points) / (time.perf_counter() - t0)
    if a.repeats:
        g = torch.linspace(-3, 3, 10)
        v = torch.stack([torch.stack([nll(model, q.expand(200, 2)) for q in torch.cartesian_prod(g, g)])
                         for _ in range(a.repeats)])
        inside = v.mean(0) < 6
        out["stderr"] = v.var(0)[inside].mean().sqrt().item()
out["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(out))
