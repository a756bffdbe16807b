"""Random configurations of diffusers' UNet2DModel for the tests in random_unets.ts.

    python random_unets.py make FOLDER FIRST LAST
    python random_unets.py check ORIGINAL EXPORTED...

make: for every seed from FIRST to before LAST a configuration in FOLDER/SEED as config.json. Where diffusers builds and
runs it, its random weights and values.safetensors lie beside it: sample, timestep, target, class_labels, the output, and the
gradients of the mean squared error; where diffusers raises an error, refused.txt has it.
check: that diffusers loads each EXPORTED/SEED, with the weights of ORIGINAL/SEED to the bit and the same output.
"""
import json, math, os, random, sys
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
DOWN = ["DownBlock2D", "AttnDownBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D", "ResnetDownsampleBlock2D"]
UP = ["UpBlock2D", "AttnUpBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D", "ResnetUpsampleBlock2D"]
SKIP = 2, 3


def configuration(rng):
    """Options that mostly fit together: a part of the seeds is refused by diffusers, and shall be refused by all."""
    levels = rng.choice([1, 2, 2, 2, 3, 3, 4])
    style = rng.choice(["plain", "plain", "plain", "plain", "skip", "skip", "mixed"])
    widths = [32, 64] if style != "plain" and rng.random() < 0.7 else [4, 8, 12, 16, 20, 24, 32, 48]
    channels = [rng.choice(widths) for _ in range(levels)]
    if style == "plain":
        down, up = ([rng.choice([0, 1, 4]) for _ in channels] for _ in range(2))
    elif style == "skip":
        down, up = ([rng.choice(SKIP) for _ in channels] for _ in range(2))
    else:
        down, up = ([rng.choice(range(5)) for _ in channels] for _ in range(2))
        if rng.random() < 0.7:  # A way down that begins beside the image, and a way up that ends so.
            beside = rng.randrange(levels)
            down = sorted(down, key=lambda kind: kind not in SKIP) if beside else [k if k not in SKIP else 0 for k in down]
            up = sorted(up, key=lambda kind: kind in SKIP)
    fits = [g for g in [1, 2, 4, 8, 16, 32] if all(c % g == 0 for c in channels)]
    images = 3 if style != "plain" else rng.choice([1, 2, 3, 3, 4, 5])
    time = rng.choice(["positional", "positional", "positional", "fourier", "learned"])
    shift = rng.random() < 0.4
    config = {
        "sample_size": rng.choice([None, 8, [8, 16]]),
        "in_channels": images,
        "out_channels": images if rng.random() < 0.7 or style != "plain" else rng.choice([2 * images, 1, 3]),
        "center_input_sample": rng.random() < 0.3,
        "time_embedding_type": time,
        "time_embedding_dim": rng.choice([None, None, 24, 50]),
        "freq_shift": rng.choice([0, 0, 1, -1, 0.5]),
        "flip_sin_to_cos": rng.random() < 0.5,
        "down_block_types": [DOWN[k] for k in down],
        "mid_block_type": rng.choice(["UNetMidBlock2D"] * 4 + [None]),
        "up_block_types": [UP[k] for k in up],
        "block_out_channels": channels,
        "layers_per_block": rng.choice([1, 1, 2, 2, 3]) if len(set(channels)) > 1 else rng.choice([0, 1, 2]),
        "mid_block_scale_factor": rng.choice([1, 1, 1.4142135, 0.5, -2.0]),
        "downsample_padding": rng.choice([0, 1, 1, 1, 2]) if style == "plain" else rng.choice([0, 1]),
        "downsample_type": rng.choice(["conv", "resnet"]),
        "upsample_type": rng.choice(["conv", "resnet"]),
        "dropout": rng.choice([0.0, 0.0, 0.1]),
        "act_fn": rng.choice(["silu", "swish", "mish", "gelu", "relu", "SiLU"]),
        "attention_head_dim": rng.choice([None, 8, 4, 3, 5, 1, 7, 40]),
        "norm_num_groups": rng.choice(fits + [fits[-1], None if style == "skip" else 2]),
        "attn_norm_num_groups": rng.choice([None, None, 1, 2, 4]),
        "norm_eps": rng.choice([1e-5, 1e-6, 1e-3]),
        "resnet_time_scale_shift": "scale_shift" if shift else "default",
        "add_attention": rng.random() < 0.7,
        "class_embed_type": rng.choice([None] * 5 + ["timestep", "identity"]),
        "num_class_embeds": rng.choice([None, None, None, 5]),
        "num_train_timesteps": 50 if time == "learned" else rng.choice([None, 1000]),
    }
    # Options that a configuration leaves out have diffusers' defaults.
    for key in ["sample_size", "freq_shift", "flip_sin_to_cos", "norm_eps", "attn_norm_num_groups", "dropout", "add_attention"]:
        if rng.random() < 0.2:
            del config[key]
    smallest = rng.choice([(1, 1), (2, 2), (2, 1), (2, 3)])
    return config, [n * 2 ** (levels - 1) for n in smallest]


def labels(model, n):
    config = model.config
    if config.class_embed_type == "timestep":
        if config.time_embedding_type == "learned":
            return torch.randint(config.num_train_timesteps, (n,))
        return 0.1 + torch.rand(n) * 9
    if config.class_embed_type == "identity":
        return torch.randn(n, model.time_embedding.linear_2.out_features)
    return None if config.num_class_embeds is None else torch.randint(config.num_class_embeds, (n,))


def timesteps(model, rng, n):
    if model.config.time_embedding_type == "learned":
        return torch.randint(model.config.num_train_timesteps, (n,))
    if model.config.time_embedding_type == "fourier" and rng.random() < 0.7:
        return torch.exp(torch.empty(n).uniform_(math.log(0.01), math.log(50)))
    return 0.1 + torch.rand(n) * 998


def make(folder, seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    config, size = configuration(rng)
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({"_class_name": "UNet2DModel", **config}, file)
    try:
        model = UNet2DModel(**config).eval()
        with torch.no_grad():
            for name, p in model.named_parameters():
                # Scales, shifts and biases that start from ones and zeros would hide their part.
                p += 0.1 * torch.randn_like(p) if p.ndim == 1 and not name.startswith("time_proj") else 0
        n = 3
        sample = torch.randn(n, config["in_channels"], *size, requires_grad=True)
        timestep, classes = timesteps(model, rng, n), labels(model, n)
        output = model(sample, timestep, class_labels=classes).sample
        target = torch.randn_like(output)
        (output - target).square().mean().backward()
    except Exception as error:
        with open(os.path.join(folder, "refused.txt"), "w") as file:
            file.write(f"{type(error).__name__}: {error}")
        return
    model.save_pretrained(folder)
    gradients = {f"gradient.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    values = {"sample": sample.detach(), "target": target, "timestep": timestep.float(), "output": output.detach()}
    values["gradient"] = sample.grad
    if classes is not None:
        values["class_labels"] = classes.float()
    save_file({k: v.contiguous() for k, v in {**values, **gradients}.items()}, os.path.join(folder, "values.safetensors"))


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
        output = after(values["sample"], whole(values["timestep"]), class_labels=classes).sample
    assert torch.allclose(output, values["output"], rtol=1e-5, atol=1e-6), f"{exported}: another output"


if sys.argv[1] == "make":
    for seed in range(int(sys.argv[3]), int(sys.argv[4])):
        make(os.path.join(sys.argv[2], str(seed)), seed)
else:
    for folder in sys.argv[3:]:
        check(os.path.join(sys.argv[2], os.path.basename(folder)), folder)
