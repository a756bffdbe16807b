"""diffusers' pipelines of a U-Net and a scheduler for the tests in pipelines.ts.

    python pipelines.py make FOLDER
    python pipelines.py check ORIGINAL EXPORTED

make: FOLDER/NAME for each of some schedulers and forms of weights, as a pipeline is saved; and FOLDER/cases.json, which has
each one's weights file, where it is not the folder's only one, and its scheduler's alphas_cumprod.
check: for each folder of EXPORTED that diffusers loads it with the weights and the scheduler of ORIGINAL, to the bit.
"""
import json, math, os, sys
import diffusers, torch
from diffusers import DDPMPipeline, UNet2DModel

torch.manual_seed(0)
THREE = ["linear", "scaled_linear", "squaredcos_cap_v2"]
# Every class whose levels follow from betas, with those that it has.
SCHEDULERS = {
    **{name: THREE for name in ["DDIM", "DDIMInverse", "PNDM", "DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep"]},
    **{name: THREE for name in ["EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "KDPM2Discrete", "DEISMultistep"]},
    **{name: THREE for name in ["LCM", "TCD", "KDPM2AncestralDiscrete", "SASolver", "DPMSolverMultistepInverse"]},
    "DDPM": THREE + ["sigmoid", "laplace"],
    "HeunDiscrete": THREE + ["exp"],
}
PREDICTIONS = ["epsilon", "sample", "v_prediction"]
VARIANCES = ["fixed_small", "fixed_large", "fixed_small_log", "learned", "learned_range"]
# How weights are saved: their type, and the options of diffusers' save_pretrained.
FORMS = {
    "plain": (torch.float32, {}),
    "bin": (torch.float32, {"safe_serialization": False}),
    "sharded": (torch.float32, {"max_shard_size": "20KB"}),
    "sharded bin": (torch.float32, {"max_shard_size": "20KB", "safe_serialization": False}),
    "fp16": (torch.float16, {"variant": "fp16"}),
    "fp16 sharded": (torch.float16, {"variant": "fp16", "max_shard_size": "20KB"}),
    "bf16": (torch.bfloat16, {"variant": "bf16"}),
    "bf16 plain": (torch.bfloat16, {}),
    "non_ema bin": (torch.float32, {"variant": "non_ema", "safe_serialization": False}),
}


def scheduler(name, i, **options):
    kind = getattr(diffusers, f"{name}Scheduler")
    return kind.from_config({"prediction_type": PREDICTIONS[i % 3], "variance_type": VARIANCES[i % 5], **options})


def schedulers():
    i = 0
    for name, betas in SCHEDULERS.items():
        for beta in betas:
            i += 1
            yield f"{name} {beta}", scheduler(name, i, beta_schedule=beta, num_train_timesteps=[1000, 100][i % 2])
        yield f"{name} defaults", scheduler(name, 0)
        # Those that do not have this option pass over it.
        yield f"{name} zero", scheduler(name, i, rescale_betas_zero_snr=True)
        yield f"{name} trained", scheduler(name, i, trained_betas=[0.001 + 0.002 * k for k in range(40)], num_train_timesteps=40)
    yield "ScoreSdeVe", diffusers.ScoreSdeVeScheduler(sigma_max=50.0)


def network():
    return UNet2DModel(
        block_out_channels=[8, 16], down_block_types=["DownBlock2D", "AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D", "UpBlock2D"], layers_per_block=1, norm_num_groups=4,
    )


def make(folder):
    cases = {}
    forms = list(FORMS.items())
    for i, (name, own) in enumerate(schedulers()):
        form, (dtype, options) = forms[i % len(forms)]
        path = os.path.join(folder, name)
        unet = network().to(dtype)
        DDPMPipeline(unet=unet, scheduler=own).save_pretrained(path)
        for file in os.listdir(os.path.join(path, "unet")):
            if file != "config.json":
                os.remove(os.path.join(path, "unet", file))
        unet.save_pretrained(os.path.join(path, "unet"), **options)
        levels = getattr(own, "alphas_cumprod", None)
        cases[name] = {"form": form, "levels": None if levels is None else torch.as_tensor(levels).double().tolist()}
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump(cases, file)


def check(original, exported):
    for name in os.listdir(exported):
        before, after = os.path.join(original, name), os.path.join(exported, name)
        files = os.listdir(os.path.join(before, "unet"))
        variant = next((v for v in ["fp16", "bf16", "non_ema"] if any(v in file for file in files)), None)
        options = {"variant": variant, "use_safetensors": any(".safetensors" in file for file in files)}
        # What is of float16 is a number of float32 too.
        theirs = UNet2DModel.from_pretrained(before, subfolder="unet", **options).float().state_dict()
        ours = UNet2DModel.from_pretrained(after).state_dict()
        assert list(theirs) == list(ours), f"{name}: other parameters"
        assert all(torch.equal(theirs[key], ours[key]) for key in theirs), f"{name}: other weights"
        with open(os.path.join(before, "scheduler", "scheduler_config.json")) as file:
            kind = getattr(diffusers, json.load(file)["_class_name"])
        first, second = kind.from_pretrained(before, subfolder="scheduler"), kind.from_pretrained(after)
        assert dict(first.config) == dict(second.config), f"{name}: {first.config} became {second.config}"


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    check(*sys.argv[2:])
