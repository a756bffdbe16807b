"""Executes a notebook by Jupyter and prints, as JSON, what each code cell gave: its texts and the kinds of its results."""
import json
import os
import sys

import nbformat
from nbclient import NotebookClient

path, kernels = sys.argv[1:3]
os.environ["JUPYTER_PATH"] = kernels
notebook = nbformat.read(path, as_version=4)
client = NotebookClient(
    notebook,
    timeout=None,
    kernel_name="deno",
    resources={"metadata": {"path": os.path.dirname(path)}},
)
client.execute()
cells = []
for cell in notebook.cells:
    if cell.cell_type != "code":
        continue
    data = [output.data for output in cell.outputs if "data" in output]
    texts = [output.text for output in cell.outputs if output.output_type == "stream"]
    cells.append(
        {
            "text": "".join(texts) + "".join(str(each.get("text/plain", "")) for each in data),
            "svg": [each["image/svg+xml"] for each in data if "image/svg+xml" in each],
        }
    )
print(json.dumps(cells))
