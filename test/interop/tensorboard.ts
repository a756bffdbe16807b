import assert from "assert";
import { contourFigure, renderPng, renderSvg } from "../../core/figures/mod.ts";
import { EventWriter } from "../../core/io/tensorboard.ts";

/** Reads a folder with TensorBoard's own reader and prints what it found as JSON. */
const READ = `
import io, json, sys
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    sys.exit(f"NO TENSORBOARD {error}")
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
print(json.dumps({
    "scalars": {tag: [[e.wall_time, e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "images": {tag: [[e.step, e.width, e.height, list(e.encoded_image_string)] for e in events.Images(tag)]
               for tag in tags["images"]},
    "texts": {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in events.Tensors(tag)]
              for tag in tags["tensors"]},
    "text_tags": list(events.PluginTagToContent("text").keys()),
}))
`;

interface Found {
  readonly scalars: Record<string, [number, number, number][]>;
  readonly images: Record<string, [number, number, number, number[]][]>;
  readonly texts: Record<string, [number, string][]>;
  readonly text_tags: string[];
}

async function readWithTensorBoard(folder: string): Promise<Found> {
  const python = Deno.env.get("PYTHON") ?? "python3";
  const command = new Deno.Command(python, { args: ["-c", READ, folder], stdout: "piped", stderr: "piped" });
  let output: Deno.CommandOutput;
  try {
    output = await command.output();
  } catch (error) {
    throw new Error(`Cannot start "${python}". Install Python 3, or name it in the variable PYTHON.`, { cause: error });
  }
  const complaint = new TextDecoder().decode(output.stderr);
  assert.ok(
    !complaint.includes("NO TENSORBOARD"),
    `"${python}" has no TensorBoard. Run "${python} -m pip install tensorboard", or name another Python in PYTHON.`,
  );
  assert.ok(output.success, complaint);
  return JSON.parse(new TextDecoder().decode(output.stdout));
}

Deno.test("TensorBoard reads scalars, a figure and a text, and a resumed run replaces later steps", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const side = 9;
    const logDensity = Float32Array.from({ length: side * side }, (_, i) => -Math.abs(i - 40) / 8);
    const record = { title: "moons", panels: [{ epoch: 1, logDensity }], side, extent: 3, points: new Float32Array(2) };
    const png = await renderPng(await renderSvg(contourFigure(record)), 300);
    const view = new DataView(png.buffer);
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    {
      using writer = EventWriter.create(folder);
      for (let step = 0; step < 10; step++) writer.scalar("validation/nll", 1 / (step + 1), step, 1000 + step);
      writer.image("density", png, width, height, 9);
      writer.text("settings", "loc **0**, scale σ 3", 0);
    }
    {
      using writer = EventWriter.create(folder, { purgeStep: 6 });
      for (let step = 6; step < 8; step++) writer.scalar("validation/nll", -step, step, 2000 + step);
      writer.image("density", png, width, height, 7);
    }
    const found = await readWithTensorBoard(folder);
    assert.deepEqual(found.scalars, {
      "validation/nll": [
        ...Array.from({ length: 6 }, (_, step) => [1000 + step, step, Math.fround(1 / (step + 1))]),
        [2006, 6, -6],
        [2007, 7, -7],
      ],
    });
    assert.deepEqual(found.images, { density: [[7, width, height, [...png]]] });
    assert.equal(width, 300);
    assert.deepEqual(found.texts, { settings: [[0, "loc **0**, scale σ 3"]] });
    assert.deepEqual(found.text_tags, ["settings"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
