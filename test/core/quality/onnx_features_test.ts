import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { Graph } from "../../../core/engine/graph.ts";
import { encodeModel } from "../../../core/engine/onnx.ts";
import { openFeatures } from "../../../core/quality/onnx_features.ts";
import { inFolder } from "../../folders.ts";
import { filters } from "./feature_model.ts";

Deno.test("features are those of images brought to the network's size, range and colours", () =>
  inFolder(async (cwd) => {
    const path = join(cwd, "model.onnx");
    await Deno.writeFile(path, filters(1, 2));
    const black = new Float32Array(16).fill(-1), bright = new Float32Array(16).fill(1);
    bright.fill(-1, 8);
    const images = Float32Array.from([...black, ...bright, ...black]);
    {
      await using network = await openFeatures(path, { shape: [1, 4, 4], range: [-1, 1] });
      match(
        network.description,
        /^input imagev0 \[n, 1, 2, 2\], float32; images taken to 0,1; resized from 4 x 4; features of features$/,
      );
      const { values, width } = await network.featuresOf(images);
      // Of a batch of two and one more; the upper half of the second is white, but for what the triangle reaches below.
      deepEqual([width, ...values.slice(0, 2), ...values.slice(4)], [2, 0, 0, 0, 0]);
      ok(Math.abs(values[2] - 2) < 1e-6 && values[3] > 1 && values[3] < 3, `${values}`);
    }
    await using byte = await openFeatures(path, { shape: [1, 4, 4], range: [-1, 1], featureRange: "0,255" });
    ok(Math.abs((await byte.featuresOf(images)).values[2] - 510) < 1e-3);

    await Deno.writeFile(path, filters(3, 1));
    await using colour = await openFeatures(path, { shape: [1, 2, 2], range: [0, 1], featureRange: "imagenet" });
    match(colour.description, /less ImageNet's means over its deviations; grey made colour/);
    const { values } = await colour.featuresOf(new Float32Array(4).fill(1));
    const expected = 4 * [0.485, 0.456, 0.406].reduce((sum, mean, c) => sum + (1 - mean) / [0.229, 0.224, 0.225][c], 0);
    ok(Math.abs(values[0] - expected) < 1e-3, `${values[0]}, expected ${expected}`);
  }));

Deno.test("what is no network of images is refused in one line", () =>
  inFolder(async (cwd) => {
    const path = join(cwd, "model.onnx"), options = { shape: [1, 4, 4], range: [-1, 1] } as const;
    await rejects(openFeatures(path, options), /The network .*model\.onnx cannot be read: .*Give an ONNX model/);
    await Deno.writeTextFile(path, "no model");
    await rejects(openFeatures(path, options), /cannot be read/);
    await Deno.writeFile(path, filters(1, 2));
    await rejects(openFeatures(path, { ...options, output: "pool3" }), /no output pool3\. Name one of features/);
    await rejects(openFeatures(path, { ...options, size: 8 }), /takes images of 2 x 2, but --features-size is 8/);
    await rejects(openFeatures(path, { ...options, shape: [2, 4, 4] }), /have 2 channels, expected 1 or 3/);
    const graph = new Graph(), row = graph.input("row", [1, 3]);
    const [sum] = graph.emit("Add", [row, row], [{ shape: [1, 3], dtype: "float32" }]);
    await Deno.writeFile(path, encodeModel(graph.inputs, [{ name: "sum", value: sum }]).bytes);
    await rejects(
      openFeatures(path, options),
      /its input rowv0 is of shape \[1, 3\], expected \[n, 3, height, width\]/,
    );
  }));
