"""Checks an ONNX model and runs it in ONNX Runtime, for the tests in onnx.ts.

    python run_onnx.py MODEL.onnx FOLDER

For every FOLDER/N.safetensors, with z and logsnr, writes eps_hat to FOLDER/N.out.safetensors. Prints as JSON the model's
inputs and outputs with their sizes, its initialisers with theirs, the domains of its operations and its metadata.
"""
import glob, json, os, sys
import onnx, onnxruntime
from safetensors.numpy import load_file, save_file

path, folder = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
for name in glob.glob(os.path.join(folder, "*.safetensors")):
    given = load_file(name)
    [eps_hat] = session.run(["eps_hat"], {"z": given["z"], "logsnr": given["logsnr"]})
    save_file({"eps_hat": eps_hat}, name.replace(".safetensors", ".out.safetensors"))


def sizes(values):
    return {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}


print(json.dumps({
    "inputs": sizes(model.graph.input),
    "outputs": sizes(model.graph.output),
    "initialisers": {t.name: list(t.dims) for t in model.graph.initializer},
    "domains": sorted({node.domain for node in model.graph.node}),
    "metadata": {entry.key: entry.value for entry in model.metadata_props},
}))
