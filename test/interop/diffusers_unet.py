"""diffusers' UNet2DModel for the tests in diffusers.ts.

    python diffusers_unet.py make FOLDER CONFIGS.json
    python diffusers_unet.py run INPUTS.safetensors MODEL...

make: for every configuration a model with random weights in FOLDER/0, FOLDER/1, ..., as safetensors or, where the
configuration's "file" says so, as a .bin with present or old attention names; and values.safetensors: sample, timestep and
target, the output, and the gradients of the mean squared error.
run: the output of each model for the sample and timestep, written into its folder as output.safetensors.
"""
import json, os, sys
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

torch.manual_seed(0)
torch.set_num_threads(1)
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_name(name):
    for new, old in OLD_NAMES.items():
        name = name.replace(f".{new}.", f".{old}.")
    return name


def labels(model, n):
    config = model.config
    if config.class_embed_type == "timestep":
        return {"class_labels": torch.rand(n) * 9}
    if config.class_embed_type == "identity":
        return {"class_labels": torch.randn(n, model.time_embedding.linear_2.out_features)}
    return {} if config.num_class_embeds is None else {"class_labels": torch.randint(config.num_class_embeds, (n,))}


def make(folder, case):
    model = UNet2DModel(**case["config"])
    with torch.no_grad():
        for name, p in model.named_parameters():
            # Scales, shifts and biases that start from ones and zeros would hide their part.
            p += 0.1 * torch.randn_like(p) if p.ndim == 1 else 0
    model.save_pretrained(folder, safe_serialization=case["file"] == "safetensors")
    if case["file"] == "bin with old names":
        state = {old_name(name): p for name, p in model.state_dict().items()}
        torch.save(state, os.path.join(folder, "diffusion_pytorch_model.bin"))
    n, shape = case["batch"], (case["config"]["in_channels"], *case["size"])
    sample = torch.randn(n, *shape, requires_grad=True)
    target = torch.randn(n, *shape)
    timestep = torch.rand(n) * 999
    classes = labels(model, n)
    output = model(sample, timestep, **classes).sample
    (output - target).square().mean().backward()
    gradients = {f"gradient.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    values = {"sample": sample.detach(), "target": target, "timestep": timestep, "output": output.detach()}
    values["gradient"] = sample.grad
    values.update({name: value.float() for name, value in classes.items()})
    save_file({k: v.contiguous() for k, v in {**values, **gradients}.items()}, os.path.join(folder, "values.safetensors"))


if sys.argv[1] == "make":
    for i, case in enumerate(json.load(open(sys.argv[3]))):
        make(os.path.join(sys.argv[2], str(i)), case)
else:
    inputs = load_file(sys.argv[2])
    for folder in sys.argv[3:]:
        with torch.no_grad():
            labels = {"class_labels": inputs["class_labels"].long()} if "class_labels" in inputs else {}
            output = UNet2DModel.from_pretrained(folder)(inputs["sample"], inputs["timestep"], **labels).sample
        save_file({"output": output}, os.path.join(folder, "output.safetensors"))
