"""Random configurations of diffusers' UNet2DModel for the tests in random_unets.ts.

    python random_unets.py make FOLDER FIRST LAST
    python random_unets.py check ORIGINAL EXPORTED...

make: for every seed from FIRST to before LAST a configuration in FOLDER/SEED as config.json. Where diffusers builds and
runs it, its random weights, a scheduler and values.safetensors lie beside it: sample, timestep, target, class_labels, the
output, and the gradients of the mean squared error; and rounding.json says how far PyTorch's float32 is from its float64, as
a part of each tensor's largest value. Where diffusers raises an error, refused.txt has it.
check: that diffusers loads each EXPORTED/SEED, with the configuration and the weights of ORIGINAL/SEED, to the bit, and
its output.
"""
import copy, json, math, os, random, sys
import torch
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
DOWN = ["DownBlock2D", "AttnDownBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D", "ResnetDownsampleBlock2D"]
DOWN += ["KDownBlock2D", "KCrossAttnDownBlock2D"]
UP = ["UpBlock2D", "AttnUpBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D", "ResnetUpsampleBlock2D"]
UP += ["KUpBlock2D", "KCrossAttnUpBlock2D"]
SKIP = 2, 3
ADAPTIVE = 5, 6


def configuration(rng):
    """Options that mostly fit together: a part of the seeds is refused by diffusers, and shall be refused by all."""
    levels = rng.choice([1, 2, 2, 2, 3, 3, 4])
    style = rng.choice(["plain", "plain", "plain", "plain", "skip", "skip", "mixed", "adaptive", "cross"])
    widths = [32, 64] if style in ("adaptive", "cross") or style != "plain" and rng.random() < 0.7 else [4, 8, 12, 16, 20, 24, 32, 48]
    channels = [rng.choice(widths) for _ in range(levels)] if rng.random() < 0.7 else [rng.choice(widths)] * levels
    if style == "plain":
        down, up = ([rng.choice([0, 1, 4]) for _ in channels] for _ in range(2))
    elif style == "skip":
        down, up = ([rng.choice(SKIP) for _ in channels] for _ in range(2))
    elif style == "adaptive":
        down, up = ([5] * levels for _ in range(2))
        if rng.random() < 0.3:  # One of another sort, which does not always fit.
            rng.choice([down, up])[rng.randrange(levels)] = 0
    elif style == "cross":
        down, up = ([rng.choice(ADAPTIVE) for _ in channels] for _ in range(2))
        first = rng.random() < 0.5
        if first:  # The last of the way down leaves nothing, so that the way up begins in its own way.
            down[-1], up = 6, [6] + [5] * (levels - 1)
            channels[-2:] = [channels[-1]] * len(channels[-2:])
        elif rng.random() < 0.8:
            down[-1] = 5
    else:
        down, up = ([rng.choice(range(6 if rng.random() < 0.1 else 5)) for _ in channels] for _ in range(2))
        if rng.random() < 0.7:  # A way down that begins beside the image, and a way up that ends so.
            beside = rng.randrange(levels)
            down = sorted(down, key=lambda kind: kind not in SKIP) if beside else [k if k not in SKIP else 0 for k in down]
            up = sorted(up, key=lambda kind: kind in SKIP)
    old = "UNetRes" if rng.random() < 0.1 else ""
    fits = [g for g in [1, 2, 4, 8, 16, 32] if all(c % g == 0 for c in channels)]
    images = 3 if style in ("skip", "mixed") else rng.choice([1, 2, 3, 3, 4, 5])
    time = rng.choice(["positional", "positional", "positional", "fourier", "learned"])
    shift = rng.random() < 0.4
    flags = [True, True, False, False, 1, 0, None]
    config = {
        "sample_size": rng.choice([None, 8, [8, 16]]),
        "in_channels": images,
        "out_channels": images if rng.random() < 0.7 or style != "plain" else rng.choice([2 * images, 1, 3]),
        "center_input_sample": rng.choice([False] * 4 + flags),
        "time_embedding_type": time,
        "time_embedding_dim": channels[-1] if style == "cross" and first else rng.choice([None, None, 24, 50, 0]),
        "freq_shift": rng.choice([0, 0, 1, -1, 0.5]),
        "flip_sin_to_cos": rng.choice(flags),
        "down_block_types": [old + DOWN[k] for k in down],
        "mid_block_type": rng.choice(["UNetMidBlock2D"] * 4 + [None, None, "UNetMidBlock2DCrossAttn"]),
        "up_block_types": [old + UP[k] for k in up],
        "block_out_channels": channels,
        "layers_per_block": rng.choice([1, 1, 2, 2, 3]) if len(set(channels)) > 1 else rng.choice([0, 1, 2, 2, 5, -1] if style != "cross" else [1, 2]),
        "mid_block_scale_factor": rng.choice([1, 1, 1.4142135, 0.5, -2.0]),
        "downsample_padding": rng.choice([0, 1, 1, [1, 1], 2]) if style == "plain" else rng.choice([0, 1]),
        "downsample_type": rng.choice(["conv", "conv", "resnet", "resnet", None, "none"]),
        "upsample_type": rng.choice(["conv", "conv", "resnet", "resnet", "", "none"]),
        "dropout": rng.choice([0.0, 0.0, 0.1]),
        "act_fn": rng.choice(["silu", "swish", "mish", "gelu", "relu", "SiLU"]),
        "attention_head_dim": rng.choice([None, 8, 4, 3, 5, 1, 7, 40]),
        "norm_num_groups": rng.choice(fits + [fits[-1], None if style == "skip" else 2]),
        "attn_norm_num_groups": rng.choice([None, None, 1, 2, 4]),
        "norm_eps": rng.choice([1e-5, 1e-6, 1e-3, 0]),
        "resnet_time_scale_shift": "scale_shift" if shift else "default",
        "add_attention": rng.choice([True, True] + flags),
        "class_embed_type": rng.choice([None] * 5 + ["timestep", "identity", "projection"]),
        "num_class_embeds": rng.choice([None, None, None, 5]),
        "num_train_timesteps": 50 if time == "learned" else rng.choice([None, 1000]),
    }
    # Options that a configuration leaves out have diffusers' defaults.
    for key in ["sample_size", "freq_shift", "flip_sin_to_cos", "norm_eps", "attn_norm_num_groups", "dropout", "add_attention"]:
        if rng.random() < 0.2:
            del config[key]
    # What matters to no part of a network, and what diffusers does not know.
    if config["mid_block_type"] is None and rng.random() < 0.5:
        config.update(mid_block_scale_factor=0, attn_norm_num_groups="none")
    if time != "positional" and rng.random() < 0.5:
        config["freq_shift"] = None
    if rng.random() < 0.1:
        config["encoder_hid_dim"] = 7
    smallest = rng.choice([(1, 1), (2, 2), (2, 1), (2, 3), (3, 2), (2, 2), (4, 2)])
    if style == "cross" and rng.random() < 0.5 and config["mid_block_type"] is None:
        config["resnet_time_scale_shift"] = "spatial"
    if set(ADAPTIVE) & set(up):  # Which mirror images at their edges.
        smallest = [max(2, n) for n in smallest]
    return config, [n * 2 ** (levels - 1) for n in smallest]


def old_name(name):
    if ".attentions." in name and ".attn" not in name:  # The K blocks' parts never had others.
        for new, old in {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def labels(model, n):
    config = model.config
    if model.class_embedding is None:
        return None
    if config.class_embed_type == "timestep":
        if config.time_embedding_type == "learned":
            return torch.randint(config.num_train_timesteps, (n,))
        return 0.1 + torch.rand(n) * 9
    if config.class_embed_type == "identity":
        return torch.randn(n, model.time_embedding.linear_2.out_features)
    return torch.randint(config.num_class_embeds, (n,))


def timesteps(model, rng, n):
    if model.config.time_embedding_type == "learned":
        return torch.randint(model.config.num_train_timesteps, (n,))
    if model.config.time_embedding_type == "fourier" and rng.random() < 0.7:
        return torch.exp(torch.empty(n).uniform_(math.log(0.01), math.log(50)))
    return 0.1 + torch.rand(n) * 998


def backward(model, sample, timestep, classes, target):
    """The output, and the gradients with respect to the sample and to the parameters by name."""
    sample = sample.detach().clone().requires_grad_(True)
    output = model(sample, timestep, class_labels=classes).sample
    target = torch.randn_like(output) if target is None else target
    (output - target).square().mean().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return output.detach(), target, sample.grad, gradients


def rounding(model, sample, timestep, classes, target, single):
    """How far float32 is from float64, as a part of the largest value. A gradient counts as at least 1e-3 of the largest."""
    double = copy.deepcopy(model).double()
    double.zero_grad()
    double.time_proj.register_forward_hook(lambda *args: args[-1].double())
    wide = lambda x: x.double() if x is not None and x.is_floating_point() else x
    output, _, gradient, gradients = backward(double, *map(wide, (sample, timestep, classes, target)))
    part = lambda a, b, least=0: ((a - b).abs().max() / b.abs().max().clamp(min=max(least, 1e-30))).item()
    largest = max(g.abs().max().item() for g in gradients.values())
    own = max(part(single[2][name], g, 1e-3 * largest) for name, g in gradients.items())
    return {"output": part(single[0], output), "gradient": part(single[1], gradient), "parameters": own}


def make(folder, seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    config, size = configuration(rng)
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({"_class_name": "UNet2DModel", **config}, file)
    try:
        model = UNet2DModel.from_config(config).eval()
        with torch.no_grad():
            for name, p in model.named_parameters():
                # Scales, shifts and biases that start from ones and zeros would hide their part.
                p += 0.1 * torch.randn_like(p) if p.ndim == 1 and not name.startswith("time_proj") else 0
        n = 3
        sample = torch.randn(n, config["in_channels"], *size)
        timestep, classes = timesteps(model, rng, n), labels(model, n)
        output, target, gradient, gradients = backward(model, sample, timestep, classes, None)
    except Exception as error:
        with open(os.path.join(folder, "refused.txt"), "w") as file:
            file.write(f"{type(error).__name__}: {error}")
        return
    # By turns in one file, in several, and in PyTorch's with the old names of attention's parts.
    model.save_pretrained(folder, safe_serialization=seed % 3 > 0, max_shard_size="50KB" if seed % 3 == 2 else "5GB")
    if seed % 3 == 0:
        state = {old_name(name): p for name, p in model.state_dict().items()}
        torch.save(state, os.path.join(folder, "diffusion_pytorch_model.bin"))
    DDPMScheduler(num_train_timesteps=config["num_train_timesteps"] or 1000).save_pretrained(folder)
    values = {"sample": sample, "target": target, "timestep": timestep.float(), "output": output, "gradient": gradient}
    if classes is not None:
        values["class_labels"] = classes.float()
    values.update({f"gradient.{name}": g for name, g in gradients.items()})
    save_file({k: v.contiguous() for k, v in values.items()}, os.path.join(folder, "values.safetensors"))
    with open(os.path.join(folder, "rounding.json"), "w") as file:
        json.dump(rounding(model, sample, timestep, classes, target, (output, gradient, gradients)), file)


def check(original, exported):
    before, after = UNet2DModel.from_pretrained(original).eval(), UNet2DModel.from_pretrained(exported).eval()
    theirs, ours = before.state_dict(), after.state_dict()
    assert list(theirs) == list(ours), f"{exported}: other parameters"
    for name, p in theirs.items():
        assert torch.equal(p, ours[name]), f"{exported}: {name} differs"
    public = lambda model: {k: v for k, v in model.config.items() if not k.startswith("_")}
    assert public(before) == public(after), f"{exported}: another configuration"
    values = load_file(os.path.join(original, "values.safetensors"))
    whole = lambda x: x.long() if before.config.time_embedding_type == "learned" else x
    classes = values.get("class_labels")
    if classes is not None and before.config.class_embed_type is None:
        classes = classes.long()
    if classes is not None and before.config.class_embed_type == "timestep":
        classes = whole(classes)
    with torch.no_grad():
        outputs = [m(values["sample"], whole(values["timestep"]), class_labels=classes).sample for m in (before, after)]
    # Where weights lie in memory decides how PyTorch sums.
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-3 * outputs[0].abs().max(), f"{exported}: another output"


if sys.argv[1] == "make":
    for seed in range(int(sys.argv[3]), int(sys.argv[4])):
        make(os.path.join(sys.argv[2], str(seed)), seed)
else:
    for folder in sys.argv[3:]:
        check(os.path.join(sys.argv[2], os.path.basename(folder)), folder)
