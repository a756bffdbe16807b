"""Sets that densities are compared on, as the safetensors files that density_peers.py reads.

mix8, mix16, mix32, mix64: mixtures of four full Gaussians, with `truth`, the exact mean NLL of the test points in nats.
digits: scikit-learn's 8x8 digits, dequantised, by the logit, each pixel standardised. patches: 8x8 patches of the
grey values of scikit-learn's two sample photographs, prepared as those of BSDS300: dequantised, the mean removed and
the last pixel dropped, 63 dimensions; the test patches are from the right fifth of each. Needs: pip install numpy
safetensors, scikit-learn for digits and patches, pillow for patches.

    python density_sets.py FOLDER [NAME...]

Each file has `train`, `validation` and `test`, float32 [n, d] in random order, the same in every run.
"""
import os, sys

try:
    import numpy as np
    from safetensors.numpy import save_file
except ModuleNotFoundError as e:
    sys.exit(f"There is no Python package {e.name}. Install it: pip install numpy safetensors")

MIXTURES = {f"mix{d}": d for d in (8, 16, 32, 64)}


def save(name, train, validation, test, **more):
    tensors = {"train": train, "validation": validation, "test": test, **{k: [v] for k, v in more.items()}}
    tensors = {k: np.ascontiguousarray(v, "float32") for k, v in tensors.items()}
    save_file(tensors, os.path.join(out, f"{name}.safetensors"))


def mixture(name):
    d = MIXTURES[name]
    r = np.random.default_rng(1000 + d)
    w = r.dirichlet(np.full(4, 3.0))
    mu = r.normal(size=(4, d)) * 1.5
    L = np.stack([np.linalg.qr(r.normal(size=(d, d)))[0] * np.exp(r.normal(size=d) * 0.6) for _ in range(4)])
    r = np.random.default_rng(0)

    def draw(n):
        c = r.choice(4, n, p=w)
        return mu[c] + np.einsum("nij,nj->ni", L[c], r.normal(size=(n, d)))

    def log_density(x, i):
        distance = (np.linalg.solve(L[i], (x - mu[i]).T) ** 2).sum(0)
        return np.log(w[i]) - 0.5 * distance - np.linalg.slogdet(L[i])[1] - d / 2 * np.log(2 * np.pi)

    train, validation, test = draw(7200), draw(800), draw(20000)
    truth = -np.logaddexp.reduce([log_density(test, i) for i in range(4)], 0).mean()
    save(name, train, validation, test, truth=truth)


def digits(name):
    from sklearn.datasets import load_digits

    r = np.random.default_rng(0)
    x = load_digits().data
    x = (x + r.random(x.shape)) / 17
    x = np.log((0.02 + 0.96 * x) / (0.98 - 0.96 * x))
    x = x[r.permutation(len(x))]
    x = (x - x[:1437].mean(0)) / x[:1437].std(0)
    save(name, x[:1437], x[1437:1617], x[1617:])


def patches(name):
    from sklearn.datasets import load_sample_images

    r = np.random.default_rng(0)
    train, test = [], []
    for image in load_sample_images().images:
        g = image.astype(float).mean(2)
        g = (g + r.random(g.shape) - 0.5) / 256
        h, w = g.shape
        cut = int(w * 0.8)
        for lo, hi, where, n in ((0, cut - 8, train, 40000), (cut, w - 8, test, 6000)):
            i, j = r.integers(0, h - 8, n), r.integers(lo, hi, n)
            where.append(np.stack([g[a:a + 8, b:b + 8].ravel() for a, b in zip(i, j)]))
    train, test = [(v - v.mean(1, keepdims=True))[:, :-1] for v in (np.concatenate(train), np.concatenate(test))]
    train = train[r.permutation(len(train))]
    # Any first part of the test points is of both photographs.
    test = test[r.permutation(len(test))]
    s = train.std()
    save(name, train[:-4000] / s, train[-4000:] / s, test / s)


SETS = {**{name: mixture for name in MIXTURES}, "digits": digits, "patches": patches}

out, *names = sys.argv[1:] or sys.exit("Name a folder to write to: python density_sets.py FOLDER [NAME...]")
os.makedirs(out, exist_ok=True)
for name in names or SETS:
    if name not in SETS:
        sys.exit(f"There is no set {name}; there are {', '.join(SETS)}")
    try:
        SETS[name](name)
    except ModuleNotFoundError as e:
        package = {"sklearn": "scikit-learn", "PIL": "pillow"}.get(e.name, e.name)
        sys.exit(f"There is no Python package {package}, which {name} needs. Install it: pip install {package}")
