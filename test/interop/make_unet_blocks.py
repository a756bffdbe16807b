"""Writes test/reference/unet/blocks.json: what diffusers computes of small U-Nets, one for each block and option.

    python make_unet_blocks.py blocks.json

Parameters and inputs follow from a formula, so that none are stored: value i of the j-th is sin(1 + 0.7 i + j) over the root
of the values that one of its outputs sees, and that plus one for a normalisation's scale. Of every gradient of the mean
squared output its sum over i with the weights cos(0.3 i) is kept.
"""
import json, math, sys
import torch
from diffusers import UNet2DModel

torch.set_num_threads(1)
BASE = {
    "block_out_channels": [8, 8],
    "down_block_types": ["DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "attention_head_dim": 4,
    "time_embedding_dim": 4,
    "in_channels": 3,
    "out_channels": 3,
}


def pair(down, up, channels=8, **more):
    names = {"down_block_types": [down] * 2, "up_block_types": [up] * 2, "block_out_channels": [channels] * 2}
    return {**BASE, **names, **more}


CASES = {
    "DownBlock2D and UpBlock2D": pair("DownBlock2D", "UpBlock2D", downsample_padding=0),
    "AttnDownBlock2D and AttnUpBlock2D": pair("AttnDownBlock2D", "AttnUpBlock2D", attention_head_dim=3),
    "attention with residual samplers": pair(
        "AttnDownBlock2D", "AttnUpBlock2D", downsample_type="resnet", upsample_type="resnet", act_fn="mish"
    ),
    "ResnetDownsampleBlock2D and ResnetUpsampleBlock2D": pair(
        "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D", act_fn="gelu", resnet_time_scale_shift="scale_shift"
    ),
    "SkipDownBlock2D and SkipUpBlock2D": pair(
        "SkipDownBlock2D", "SkipUpBlock2D", norm_num_groups=None, mid_block_scale_factor=math.sqrt(2)
    ),
    "AttnSkipDownBlock2D and AttnSkipUpBlock2D": pair(
        "AttnSkipDownBlock2D", "AttnSkipUpBlock2D", 32, attention_head_dim=None, mid_block_type=None
    ),
    "KDownBlock2D and KUpBlock2D": pair("KDownBlock2D", "KUpBlock2D", 32, block_out_channels=[32, 64], layers_per_block=2),
    "KCrossAttnDownBlock2D and KCrossAttnUpBlock2D": pair(
        "KCrossAttnDownBlock2D", "KCrossAttnUpBlock2D", 32, attention_head_dim=12, time_embedding_dim=32,
        mid_block_type=None, up_block_types=["KCrossAttnUpBlock2D", "KUpBlock2D"], norm_eps=1e-3
    ),
    "attention in one size and no epsilon": pair(
        "AttnDownBlock2D", "KUpBlock2D", 32, downsample_type="none", upsample_type="none", norm_eps=0,
        up_block_types=["AttnUpBlock2D", "KUpBlock2D"], mid_block_type="any",
    ),
    "no residual blocks": {**BASE, "layers_per_block": -1, "mid_block_type": None, "class_embed_type": "none"},
    "a Fourier embedding and ReLU": {**BASE, "time_embedding_type": "fourier", "act_fn": "relu", "add_attention": False},
    "a learned embedding and more outputs": {
        **BASE, "time_embedding_type": "learned", "num_train_timesteps": 9, "out_channels": 6, "in_channels": 1
    },
    "no residual blocks on the way down": {**BASE, "layers_per_block": 0, "attn_norm_num_groups": 4},
}


def formula(j, shape, seen=1, offset=0.0):
    size = math.prod(shape)
    values = [offset + math.sin(1 + 0.7 * i + j) / math.sqrt(seen) for i in range(size)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


def values(config):
    model = UNet2DModel(**config).eval()
    with torch.no_grad():
        for j, (name, p) in enumerate(model.named_parameters()):
            isScale = "norm" in name and name.endswith("weight")
            p.copy_(formula(j, p.shape, math.prod(p.shape[1:]), 1.0 if isScale else 0.0))
    sample = formula(0, (2, config["in_channels"], 4, 8)).requires_grad_(True)
    time = torch.tensor([7, 3]) if config.get("time_embedding_type") == "learned" else torch.tensor([700.5, 3.25])
    output = model(sample, time).sample
    output.square().mean().backward()
    project = lambda g: (g.double().flatten() * torch.cos(0.3 * torch.arange(g.numel(), dtype=torch.float64))).sum().item()
    short = lambda x: float(f"{x:.7g}")
    gradients = [0.0 if p.grad is None else short(project(p.grad)) for p in model.parameters()]
    return {
        "config": config,
        "timestep": time.tolist(),
        "output": [short(x) for x in output.flatten().tolist()[::5]],
        "gradient": short(project(sample.grad)),
        "gradients": gradients,
    }


with open(sys.argv[1], "w") as file:
    json.dump({name: values(config) for name, config in CASES.items()}, file, separators=(",", ":"))
