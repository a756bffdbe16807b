"""train:cifar from scratch in PyTorch and diffusers: the same data, network, proposal, optimiser, averaging and estimator.

    python train_torch.py DATA.h5 CONFIG.json --epochs 20 --batch 64 --lr 1e-3 --loc 2 --scale 2

Prints one line of JSON: the validation NLL in nats by the paired estimator with its standard error, before and after
training, the NLL of the data's Gaussian, and the median milliseconds of a step.
"""
import argparse, json, math, statistics, time
import h5py, numpy as np, torch
from diffusers import UNet2DModel

p = argparse.ArgumentParser()
p.add_argument("data")
p.add_argument("config")
p.add_argument("--epochs", type=int, default=20)
p.add_argument("--batch", type=int, default=64)
p.add_argument("--lr", type=float, default=1e-3)
p.add_argument("--loc", type=float, default=2)
p.add_argument("--scale", type=float, default=2)
p.add_argument("--seed", type=int, default=0)
p.add_argument("--threads", type=int, default=2)
a = p.parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)


def images(name):
    with h5py.File(a.data) as f:
        x = torch.tensor(f[name][()])
    x = x.float() * (2 / 255) - 1
    return x[:, None] if x.ndim == 3 else x


train, validation = images("train"), images("validation")
shape, d = train.shape[1:], train[0].numel()
table = torch.tensor(np.cumprod(1 - np.linspace(1e-5, 2e-3, 10000)), dtype=torch.float32)
net = UNet2DModel.from_config(UNet2DModel.load_config(a.config))

flat = train.flatten(1).double()
mean = flat.mean(0)
if d <= 2048:
    eigenvalues, basis = torch.linalg.eigh(torch.cov(flat.T, correction=0))
else:
    eigenvalues, basis = flat.var(0, correction=0), None
eigenvalues = eigenvalues.clamp(min=1e-9 * eigenvalues.max())


def project(x):
    return x if basis is None else x @ basis


def back(x):
    return x if basis is None else x @ basis.T


def gaussian_nll(x):
    y = project(x.flatten(1).double() - mean)
    return 0.5 * (torch.log(2 * math.pi * eigenvalues).sum() + (y * y / eigenvalues).sum(1))


def gaussian_eps(z, alpha):
    s, r = torch.sigmoid(alpha).double()[:, None], torch.sigmoid(-alpha).double()[:, None]
    y = project(z.flatten(1).double() - s.sqrt() * mean) / (s * eigenvalues + r)
    return r.sqrt() * back(y)


def squared_errors(x, eps, alpha):
    v = alpha[:, None, None, None]
    z = torch.sqrt(torch.sigmoid(v)) * x + torch.sqrt(torch.sigmoid(-v)) * eps
    t = (table - torch.sigmoid(alpha)[:, None]).abs().argmin(1) * 0.1
    mse = (eps - net(z, t).sample).square().flatten(1).sum(1)
    return mse, (eps.flatten(1).double() - gaussian_eps(z, alpha)).square().sum(1)


def proposal(u):
    low, high = 1 / (1 + math.exp(4)), 1 / (1 + math.exp(-4))
    q = torch.logit(low + (high - low) * u.double())
    weight = a.scale * math.tanh(2) / (torch.sigmoid(q) * torch.sigmoid(-q))
    return (a.loc + a.scale * q).float(), weight.float()


@torch.no_grad()
def evaluate(levels=4):
    g = torch.Generator().manual_seed(1)
    nll = gaussian_nll(validation)
    n = len(validation)
    for level in range(levels):
        order = torch.randperm(n, generator=g)
        alpha, weight = proposal((level + (order + torch.rand(n, generator=g)) / n) / levels)
        eps = torch.randn(validation.shape, generator=g)
        for i in range(0, n, 100):
            j = slice(i, i + 100)
            for sign in (1, -1):
                mse, reference = squared_errors(validation[j], sign * eps[j], alpha[j])
                nll[j] += 0.25 * weight[j] * (mse - reference) / levels
    return nll.mean().item(), (nll.std() / math.sqrt(n)).item()


before = evaluate()
optimiser = torch.optim.Adam(net.parameters(), lr=a.lr)
average = [q.detach().clone() for q in net.parameters()]
steps, step, times = a.epochs * (len(train) // a.batch), 0, []
for epoch in range(a.epochs):
    order = torch.randperm(len(train))
    for i in range(0, len(train) - a.batch + 1, a.batch):
        begun = time.perf_counter()
        step += 1
        for group in optimiser.param_groups:
            group["lr"] = a.lr * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
        x = train[order[i:i + a.batch]]
        alpha, weight = proposal(torch.rand(len(x)))
        eps = torch.randn(x.shape)
        v = alpha[:, None, None, None]
        z = torch.sqrt(torch.sigmoid(v)) * x + torch.sqrt(torch.sigmoid(-v)) * eps
        t = (table - torch.sigmoid(alpha)[:, None]).abs().argmin(1) * 0.1
        loss = 0.5 * (weight * (eps - net(z, t).sample).square().flatten(1).sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        share = 1 - min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for e, q in zip(average, net.parameters()):
                e += share * (q - e)
        times.append(1000 * (time.perf_counter() - begun))
with torch.no_grad():
    for e, q in zip(average, net.parameters()):
        q.copy_(e)
after = evaluate()
print(json.dumps({"before": before[0], "nll": after[0], "stderr": after[1],
                  "gaussian": gaussian_nll(validation).mean().item(), "ms_per_step": statistics.median(times)}))
