import { equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";

const NOTEBOOK = fileURLToPath(new URL("../../tasks/notebook.ipynb", import.meta.url));

Deno.test("Jupyter executes the notebook in Deno's kernel, and its figures are shown inline", () =>
  inFolder(async (folder) => {
    // As deno jupyter --install writes it, but nowhere outside of this test.
    const kernel = {
      argv: [Deno.execPath(), "jupyter", "--kernel", "--conn", "{connection_file}"],
      display_name: "Deno",
      language: "typescript",
    };
    await Deno.mkdir(join(folder, "kernels", "deno"), { recursive: true });
    await Deno.writeTextFile(join(folder, "kernels", "deno", "kernel.json"), JSON.stringify(kernel));
    const cells: { text: string; svg: string[] }[] = JSON.parse(
      await runPython("run_notebook.py", [NOTEBOOK, folder], ["nbclient", "nbformat"]),
    );
    equal(cells.length, 7);
    match(cells[0].text, /7200 points to train on, 800 to validate, true entropy 0\.\d+ nats/);
    match(cells[1].text, /^epoch 5: \d\.\d+ ± 0\.\d+ nats\n(epoch \d+: .*\n){3}/);
    const nats = Number(cells[1].text.match(/(\d\.\d+) ± [\d.]+ nats on fresh data/)![1]);
    ok(nats > 0.6 && nats < 1.5, `${nats} nats after 20 epochs`);
    for (const cell of cells.slice(2, 5)) match(cell.svg[0], /^<svg[^]*<\/svg>\s*$/);
    match(cells[5].text, /logDensity: .*± /);
    match(cells[6].text, /\d\.\d+ ± 0\.\d+ nats/);
  }));
