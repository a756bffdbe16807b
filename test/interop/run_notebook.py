"""Executes a notebook by Jupyter and prints, as JSON, what each code cell gave: its texts and the kinds of its results."""
import json
import os
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete


class PatientClient(NotebookClient):
    """Deno's kernel is idle, so it says, while a cell's result may still be on its way. Each cell here has a result."""

    idle = None

    def process_message(self, msg, cell, cell_index):
        try:
            output = super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            self.idle = cell_index
            output = None
        kinds = {each.output_type for each in cell.outputs}
        if self.idle == cell_index and kinds & {"execute_result", "display_data", "error"}:
            raise CellExecutionComplete()
        return output


path, kernels = sys.argv[1:3]
os.environ["JUPYTER_PATH"] = kernels
notebook = nbformat.read(path, as_version=4)
client = PatientClient(
    notebook,
    timeout=None,
    iopub_timeout=3600,
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
