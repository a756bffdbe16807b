"""What a user would fit to points instead: what `deno task bench density --vs-python` stands beside.

A Gaussian mixture with the number of components chosen on the validation points, a kernel density with the width
chosen on them, and two normalising flows (zuko), stopped by them. Needs: pip install numpy safetensors, scikit-learn
for gmm and kde, torch and zuko for nsf and maf.

    OMP_NUM_THREADS=2 python density_peers.py FILE.safetensors [--models gmm,kde,nsf,maf] [--limit S] [--points FOLDER]

FILE holds `train`, `validation` and `test`, float32 [n, d]. Prints one JSON line per model: the NLL in nats of the test
points with its standard error, and the seconds that fitting and measuring took. With --points it also writes
FOLDER/MODEL.safetensors with `nll`, that of each test point. kde is measured on the first 5,000 of them alone.
"""
import argparse, importlib.metadata, json, math, os, sys, time

p = argparse.ArgumentParser()
p.add_argument("file")
p.add_argument("--models", default="gmm,kde,nsf,maf")
p.add_argument("--limit", type=float, default=300, help="seconds after which a flow's training ends with its epoch")
p.add_argument("--points", help="an existing folder for the NLL of each point")
a = p.parse_args()
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))

try:
    import numpy as np
    from safetensors.numpy import load_file, save_file
except ModuleNotFoundError as e:
    sys.exit(f"There is no Python package {e.name}. Install it: pip install numpy safetensors")

f = load_file(a.file)
train, validation, test = f["train"], f["validation"], f["test"]
n, d = train.shape


def report(model, nll, seconds, packages, **more):
    """Prints and writes the NLL of each test point, float [n]."""
    if not np.isfinite(nll).all():
        sys.exit(f"{model} gives {(~np.isfinite(nll)).sum()} of {len(nll)} test points no finite density")
    if a.points:
        save_file({"nll": np.ascontiguousarray(nll, "float32")}, os.path.join(a.points, f"{model}.safetensors"))
    stderr = nll.std(ddof=1) / math.sqrt(len(nll))
    peer = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    line = {"model": model, "nll_nats": round(float(nll.mean()), 4), "stderr": round(float(stderr), 5),
            "seconds": round(seconds, 1), "points": len(nll), "peer": peer, **more}
    print(json.dumps(line), flush=True)


def gmm():
    from sklearn.mixture import GaussianMixture

    start, best = time.time(), None
    for k in (1, 2, 4, 8, 16, 32, 64, 128):
        if k * d > n:
            break
        fit = GaussianMixture(k, reg_covar=1e-6, random_state=0, max_iter=300).fit(train.astype(float))
        v = -fit.score(validation)
        if best is None or v < best[0]:
            best = (v, k, fit)
        elif k >= 4 * best[1]:
            break
    nll = -best[2].score_samples(test)
    report("gmm", nll, time.time() - start, ["scikit-learn"], components=best[1])


def kde():
    from sklearn.neighbors import KernelDensity

    start, best = time.time(), None
    for h in np.geomspace(0.01, 1, 15):
        v = -KernelDensity(bandwidth=h, rtol=1e-4).fit(train).score(validation) / len(validation)
        if best is None or v < best[0]:
            best = (v, h)
    nll = -KernelDensity(bandwidth=best[1], rtol=1e-4).fit(train).score_samples(test[:5000])
    report("kde", nll, time.time() - start, ["scikit-learn"], width=round(float(best[1]), 4))


def flow(name):
    import torch, zuko

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    start = time.time()
    model = getattr(zuko.flows, name)(d, transforms=5, hidden_features=(128, 128))
    o = torch.optim.Adam(model.parameters(), 1e-3)
    T, V, E = map(torch.tensor, (train, validation, test))
    best, bad, state, stopped = math.inf, 0, None, "epochs"
    for epoch in range(120):
        order = torch.randperm(n)
        for i in range(0, n, 256):
            loss = -model().log_prob(T[order[i:i + 256]]).mean()
            o.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            o.step()
        with torch.no_grad():
            v = -model().log_prob(V).mean().item()
        if v < best:
            best, bad, state = v, 0, {k: x.clone() for k, x in model.state_dict().items()}
        else:
            bad += 1
        if bad >= 15:
            stopped = "validation"
        elif time.time() - start > a.limit:
            stopped = "limit"
        if stopped != "epochs":
            break
    if state is None:
        sys.exit(f"{name.lower()} diverged in its first epochs")
    model.load_state_dict(state)
    with torch.no_grad():
        nll = -torch.cat([model().log_prob(E[i:i + 2000]) for i in range(0, len(E), 2000)])
    more = {"epochs": epoch + 1, "stopped": stopped}
    report(name.lower(), nll.numpy().astype(float), time.time() - start, ["zuko", "torch"], **more)


MODELS = {"gmm": gmm, "kde": kde, "nsf": lambda: flow("NSF"), "maf": lambda: flow("MAF")}

for m in a.models.split(","):
    if m not in MODELS:
        sys.exit(f"There is no model {m}; there are {', '.join(MODELS)}")
    try:
        MODELS[m]()
    except ModuleNotFoundError as e:
        package = {"sklearn": "scikit-learn"}.get(e.name, e.name)
        sys.exit(f"There is no Python package {package}, which {m} needs. Install it: pip install {package}")
