"""The likelihood of a run's probability flow in PyTorch and SciPy, for likelihoods.ts.

    python probability_flow.py RUN POINTS.safetensors TOLERANCE

RUN is the folder of a run of `train:2d` with the residual network and a mixture for its reference. Its network, the skip by
the data's Gaussian, the mixture and the blend are computed in float64, the trace from autograd's Jacobian, and every sample's
flow is solved by SciPy's RK45 with the tolerance as rtol and atol. Prints -log p of each row as JSON.

Unlike the program it solves for y = z / sqrt(sigmoid(logsnr)) = x + s * noise over log s, of which dy/ds is the network's
estimate of the noise (arXiv 2206.00364, equation 4).
"""
import glob, json, math, sys
import numpy as np, torch
from safetensors.torch import load_file
from scipy.integrate import solve_ivp

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
run, points, tolerance = sys.argv[1], sys.argv[2], float(sys.argv[3])
config = json.load(open(f"{run}/config.json"))
data = {k: v.double() for k, v in load_file(f"{run}/data.safetensors").items()}
net = {k: v.double() for k, v in load_file(sorted(glob.glob(f"{run}/checkpoints/*/model.safetensors"))[-1]).items()}
options, (d,) = config["denoiserOptions"], data["mean"].shape
width, blocks, octaves = options["width"], options["blocks"], options["octaves"]
low, high = [config["logsnrLoc"] + side * 4 * config["logsnrScale"] for side in (-1, 1)]
basis = data["reference.eigenvectors"]


def layer(name, h):
    return h @ net[f"{name}.weight"].T + net[f"{name}.bias"]


def normal(h):
    return h / torch.sqrt((h * h).mean(1, keepdim=True) + 1e-5)


def network(z, alpha):
    """The residual network with its skip; z [n, d], alpha [n, 1]."""
    angles = alpha * torch.arange(1, 9) * math.pi / 32
    film = layer("condition", torch.cat([alpha / 10, angles.sin(), angles.cos()], 1))
    film = layer("film", torch.nn.functional.silu(film)).view(-1, blocks, 3, width)
    signal, noise = alpha.sigmoid(), (-alpha).sigmoid()
    u = data["eigenvectors"]
    centred = z - signal.sqrt() * data["mean"]
    variances = (u * u) @ data["eigenvalues"]
    x = centred / torch.sqrt(signal * variances + noise)
    turns = (x[:, :, None] * (math.pi / 2 * 2.0 ** torch.arange(octaves))).flatten(1)
    h = layer("input", torch.cat([x, turns.sin(), turns.cos()], 1))
    for k in range(blocks):
        scale, shift, gate = film[:, k, 0], film[:, k, 1], film[:, k, 2]
        inside = torch.nn.functional.silu(layer(f"blocks.{k}.0", normal(h) * (1 + scale) + shift))
        h = h + (1 + gate) * layer(f"blocks.{k}.2", inside)
    skip = noise.sqrt() * (((centred @ u) / (signal * data["eigenvalues"] + noise)) @ u.T)
    return skip + signal.sqrt() * layer("output", normal(h))


def log_mixture(y, s):
    """log density of the reference seen through noise of deviation s, of y [n, d]."""
    variances = data["reference.eigenvalues"] + s * s
    along = torch.einsum("nkd,kde->nke", y[:, None] - data["reference.means"], basis)
    parts = -0.5 * (along**2 / variances + torch.log(2 * math.pi * variances)).sum(2)
    return torch.logsumexp(parts + data["reference.weights"].log(), 1)


def eps_hat(y, s):
    """The blended estimate of the noise in y = x + s * noise."""
    alpha = -2 * torch.log(s).reshape(1, 1).expand(len(y), 1)
    score = torch.autograd.grad(log_mixture(y, s).sum(), y, create_graph=True)[0]
    of_mixture = -s * score
    place = ((alpha[0, 0] - low) / (high - low) * 23).clamp(0, 23)
    node = int(min(22, math.floor(place)))
    weights = net["blend.weight"]
    share = (1 - (place - node)) * weights[node] + (place - node) * weights[node + 1]
    return of_mixture + share * (network(y * alpha.sigmoid().sqrt(), alpha) - of_mixture)


def derivative(log_s, state):
    y = torch.tensor(state[:d][None], requires_grad=True)
    s = torch.tensor(math.exp(log_s))
    eps = eps_hat(y, s)[0]
    trace = sum(torch.autograd.grad(eps[i], y, retain_graph=True)[0][0, i].item() for i in range(d))
    return np.append(s.item() * eps.detach().numpy(), s.item() * trace)


def nll(x):
    first, last = math.exp(-high / 2), math.exp(-low / 2)
    solution = solve_ivp(
        derivative, (math.log(first), math.log(last)), np.append(x, 0.0), method="RK45", rtol=tolerance, atol=tolerance
    )
    end = torch.tensor(solution.y[:d, -1][None])
    log_p = log_mixture(end, last).item() + solution.y[d, -1]
    row = torch.tensor(x[None])
    return -log_p - (log_mixture(row, 0.0) - log_mixture(row, first)).item()


print(json.dumps([nll(x) for x in load_file(points)["x"].double().numpy()]))
