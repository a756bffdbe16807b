"""The variational bound of a diffusion in steps, as improved-diffusion's gaussian_diffusion.py has it, in NumPy.

    python variational_bound.py terms
    python variational_bound.py unet MODEL IMAGES.safetensors STEPS DRAWS
    python variational_bound.py trace MODEL IMAGES.safetensors STEP

terms: prints as JSON the terms of chosen steps for values and estimates of noise that are printed with them. They are
test/reference/variational_bound/case.json.
unet: prints the bound of every image under diffusers' UNet2DModel with linear betas, on average over draws, in nats, and its
standard error; of a network of twice the image's channels with the variance that it says, ModelVarType.LEARNED_RANGE.
trace: prints the trace of the U-Net's Jacobian at each image, by autograd, for the divergence of the probability flow.

The formulas follow https://github.com/openai/improved-diffusion (MIT licence): normal_kl,
discretized_gaussian_log_likelihood, q_posterior_mean_variance, p_mean_variance with ModelMeanType.EPSILON and a fixed
variance or ModelVarType.LEARNED and LEARNED_RANGE, clip_denoised, _vb_terms_bpd, _prior_bpd and space_timesteps; in nats a sample instead of bits a value.
"""
import json, sys
import numpy as np


class Diffusion:
    def __init__(self, betas, variance):
        alphas = 1 - betas
        self.cumprod = np.cumprod(alphas)
        previous = np.append(1.0, self.cumprod[:-1])
        self.posterior_variance = betas * (1 - previous) / (1 - self.cumprod)
        self.posterior_log_variance = np.log(np.append(self.posterior_variance[1], self.posterior_variance[1:]))
        self.coef1 = betas * np.sqrt(previous) / (1 - self.cumprod)
        self.coef2 = (1 - previous) * np.sqrt(alphas) / (1 - self.cumprod)
        self.log_betas = np.log(betas)
        self.variance = variance
        self.model_log_variance = {
            "fixed_large": np.log(np.append(self.posterior_variance[1], betas[1:])),
            "fixed_small": self.posterior_log_variance,
        }.get(variance)

    def log_variance(self, t, v):
        if self.variance == "learned":
            return v
        if self.variance == "learned_range":
            part = (v + 1) / 2
            return part * self.log_betas[t] + (1 - part) * self.posterior_log_variance[t]
        return self.model_log_variance[t]

    def q_sample(self, x, t, noise):
        return np.sqrt(self.cumprod[t]) * x + np.sqrt(1 - self.cumprod[t]) * noise

    def term(self, x, noise, eps_hat, t, v=None):
        """One sample's term of step t, in nats."""
        x_t = self.q_sample(x, t, noise)
        start = np.sqrt(1 / self.cumprod[t]) * x_t - np.sqrt(1 / self.cumprod[t] - 1) * eps_hat
        start = np.clip(start, -1, 1)
        mean = self.coef1[t] * start + self.coef2[t] * x_t
        true_mean = self.coef1[t] * x + self.coef2[t] * x_t
        log_variance = self.log_variance(t, v)
        if t == 0:
            return -discretized_log_likelihood(x, mean, 0.5 * log_variance).sum()
        return normal_kl(true_mean, self.posterior_log_variance[t], mean, log_variance).sum()

    def prior(self, x):
        return normal_kl(np.sqrt(self.cumprod[-1]) * x, np.log(1 - self.cumprod[-1]), 0.0, 0.0).sum()


def normal_kl(mean1, logvar1, mean2, logvar2):
    return 0.5 * (-1 + logvar2 - logvar1 + np.exp(logvar1 - logvar2) + (mean1 - mean2) ** 2 * np.exp(-logvar2))


def cdf(x):
    return 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def discretized_log_likelihood(x, means, log_scales):
    centered, inverse = x - means, np.exp(-log_scales)
    plus, minus = cdf(inverse * (centered + 1 / 255)), cdf(inverse * (centered - 1 / 255))
    log = lambda p: np.log(np.maximum(p, 1e-12))
    return np.where(x < -0.999, log(plus), np.where(x > 0.999, log(1 - minus), log(plus - minus)))


def spaced(betas, steps):
    """The betas of some of the steps, evenly spaced with the first and the last, and their places."""
    cumprod = np.cumprod(1 - betas)
    places = [round(t * (len(betas) - 1) / (steps - 1)) for t in range(steps)]
    return 1 - cumprod[places] / np.append(1.0, cumprod[places[:-1]]), places


def terms():
    random = np.random.default_rng(0)
    betas = np.linspace(1e-4, 0.02, 1000)
    x = (random.integers(0, 256, 6) / 127.5 - 1).tolist()
    x[0], x[1] = -1.0, 1.0
    noise = random.standard_normal(6).round(6).tolist()
    eps_hat = (np.array(noise) + 0.3 * random.standard_normal(6)).round(6).tolist()
    cases, v = [], {"learned_range": random.uniform(-1, 1, 6).round(6), "learned": random.uniform(-9, -3, 6).round(6)}
    for variance in ["fixed_small", "fixed_large", "learned_range", "learned"]:
        for steps in [1000, 50]:
            diffusion = Diffusion(spaced(betas, steps)[0], variance)
            chosen = [0, 1, 2, steps // 2, steps - 1]
            own = v.get(variance)
            values = [diffusion.term(np.array(x), np.array(noise), np.array(eps_hat), t, own) for t in chosen]
            prior = diffusion.prior(np.array(x))
            cases.append({"variance": variance, "steps": steps, "t": chosen, "nats": values, "prior": prior})
            cases[-1].update({} if own is None else {"v": own.tolist()})
    print(json.dumps({"x": x, "noise": noise, "eps_hat": eps_hat, "cases": cases}))


def unet(folder, images, steps, draws):
    import torch
    from diffusers import UNet2DModel
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    model = UNet2DModel.from_pretrained(folder).eval()
    x = load_file(images)["x"].double().numpy()
    betas, places = spaced(np.linspace(1e-4, 0.02, 1000), steps)
    isLearned = model.config.out_channels > model.config.in_channels
    diffusion, random = Diffusion(betas, "learned_range" if isLearned else "fixed_large"), np.random.default_rng(1)
    totals = np.zeros((draws, len(x)))
    for draw in range(draws):
        for t in range(steps):
            noise = random.standard_normal(x.shape)
            z = np.stack([diffusion.q_sample(x[i], t, noise[i]) for i in range(len(x))])
            with torch.no_grad():
                output = model(torch.tensor(z, dtype=torch.float32), places[t]).sample.double().numpy()
            eps_hat, v = np.split(output, 2, axis=1) if isLearned else (output, [None] * len(x))
            for i in range(len(x)):
                totals[draw, i] += diffusion.term(x[i], noise[i], eps_hat[i], t, v[i])
    nats = totals.mean(0) + np.array([diffusion.prior(one) for one in x])
    print(json.dumps({"nats": nats.tolist(), "stderr": (totals.std(0, ddof=1) / np.sqrt(draws)).tolist()}))


def trace(folder, images, step):
    import torch
    from diffusers import UNet2DModel
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    model = UNet2DModel.from_pretrained(folder).double().eval()
    traces = []
    for image in load_file(images)["x"].double():
        jacobian = torch.autograd.functional.jacobian(lambda x: model(x[None], step).sample[0], image)
        traces.append(jacobian.reshape(image.numel(), -1).trace().item())
    print(json.dumps(traces))


if sys.argv[1] == "terms":
    terms()
elif sys.argv[1] == "trace":
    trace(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    unet(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
