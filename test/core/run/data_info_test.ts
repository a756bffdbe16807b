import { deepEqual, equal, match, ok, rejects } from "assert";
import { gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { gaussianMixture, onlyGaussian } from "../../../core/reference/mixture.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { readDataInfo, writeDataInfo } from "../../../core/run/data_info.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";

const POINTS = { shape: [2], gaussian: gaussianOf([0.1, -1 / 3], [1, 0.6, 0.6, 0.5]) };

/** Another density than the Gaussian. */
const MIXTURE = gaussianMixture({
  weights: [1 / 3, 2 / 3],
  means: [0.1, 1, -1 / 3, 2],
  covariances: [1, 0.6, 0.6, 0.5, 2, 0, 0, 1 / 7],
});

Deno.test("what a run knows of its data comes back as it was, bit for bit", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path);
    await writeDataInfo(folder, POINTS, { ...POINTS, entropy: 0.613 });
    deepEqual(await readDataInfo(folder), { ...POINTS, entropy: 0.613 });
    const mixed = { ...POINTS, reference: MIXTURE };
    await writeDataInfo(folder, mixed, POINTS);
    deepEqual(await readDataInfo(folder), mixed);
    // Round components, as kernels have them.
    const round = standardGaussian(2);
    const kernels = {
      weights: Float64Array.of(0.5, 0.5),
      components: [round, { ...round, mean: Float64Array.of(1, 2) }],
    };
    await writeDataInfo(folder, { ...POINTS, reference: kernels }, POINTS);
    deepEqual(await readDataInfo(folder), { ...POINTS, reference: kernels });
    await writeDataInfo(folder, { ...POINTS, reference: onlyGaussian(POINTS.gaussian) }, POINTS);
    deepEqual((await readDataInfo(folder)).reference, onlyGaussian(POINTS.gaussian));
    const images = { shape: [3, 2, 2], gaussian: standardGaussian(12) };
    const rest = { range: [-1, 1] as const, delta: 2 / 255, logScale: -3.5 };
    await writeDataInfo(folder, images, { ...images, ...rest });
    deepEqual(await readDataInfo(folder), { ...images, ...rest });
  }));

Deno.test("a file that is missing, of another kind or inconsistent is named with what is wrong", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path);
    const refused = (message: RegExp) => rejects(readDataInfo(folder), { name: "DataInfoError", message });
    await refused(/has no data\.safetensors, .* train it again, or go on with it once by --resume/);
    const vector = { shape: [2], data: Float64Array.of(1, 2) };
    const write = (tensors: Parameters<typeof encodeSafetensors>[0], metadata: Record<string, string>) =>
      Deno.writeFile(folder.file("data.safetensors"), encodeSafetensors(tensors, metadata));
    const format = "itdiffusion-data";
    const whole = { mean: vector, eigenvalues: vector };
    await write(whole, {});
    await refused(/does not say "itdiffusion-data"/);
    for (const shape of ["", "[]", "[2.5]", "[-2]", "2", "[1e99]"]) {
      await write(whole, { format, shape });
      await refused(/no shape of whole numbers/);
    }
    await write(whole, { format, shape: "[3]" });
    await refused(/its eigenvalues is not a float64 tensor of shape \[3\]/);
    await write({ ...whole, mean: { shape: [2], data: Float32Array.of(1, 2) } }, { format, shape: "[2]" });
    await refused(/its mean is not a float64 tensor/);
    await write({ ...whole, mean: { shape: [2], data: Float64Array.of(1, NaN) } }, { format, shape: "[2]" });
    await refused(/its mean holds values that are not finite/);
    await write({ ...whole, eigenvalues: { shape: [2], data: Float64Array.of(1, 0) } }, { format, shape: "[2]" });
    await refused(/not all above 0/);
    await write(whole, { format, shape: "[2]", range: "[1,-1]" });
    await refused(/its range is not/);
    await write(whole, { format, shape: "[2]", delta: "none" });
    await refused(/its delta is no number/);
    const two = { shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) };
    const mixed = { ...whole, "reference.weights": vector, "reference.means": two, "reference.eigenvalues": two };
    for (
      const [changed, message] of [
        [{ "reference.weights": { shape: [2], data: Float64Array.of(1, 0) } }, /its reference.weights is not above 0/],
        [{ "reference.eigenvalues": { ...two, data: two.data.map((x) => x - 1) } }, /its reference.eigenvalues is not/],
        [{ "reference.means": vector }, /its reference.means is not a float64 tensor of shape \[2,2\]/],
        [{ "reference.eigenvectors": two }, /its reference.eigenvectors is not a float64 tensor of shape \[2,2,2\]/],
      ] as const
    ) {
      await write({ ...mixed, ...changed }, { format, shape: "[2]" });
      await refused(message);
    }
  }));

Deno.test("a reference of no components is damaged", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path), none = { shape: [0, 2], data: new Float64Array() };
    const vector = { shape: [2], data: Float64Array.of(1, 2) };
    const tensors = {
      ...{ mean: vector, eigenvalues: vector },
      ...{ "reference.weights": { ...none, shape: [0] }, "reference.means": none, "reference.eigenvalues": none },
    };
    const bytes = encodeSafetensors(tensors, { format: "itdiffusion-data", shape: "[2]" });
    await Deno.writeFile(folder.file("data.safetensors"), bytes);
    await rejects(readDataInfo(folder), { name: "DataInfoError", message: /its reference/ });
  }));

Deno.test("a damaged file is read or refused, and nothing else", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path);
    await writeDataInfo(folder, { ...POINTS, reference: MIXTURE }, { ...POINTS, entropy: 0.613, range: [-4, 4] });
    const bytes = await Deno.readFile(folder.file("data.safetensors"));
    const random = Random.fromSeed(1);
    let refused = 0;
    for (let round = 0; round < 200; round++) {
      const damaged = bytes.slice(0, round % 3 === 0 ? random.integer(bytes.length) : bytes.length);
      for (let k = 0; k < 3 && damaged.length > 0; k++) damaged[random.integer(damaged.length)] = random.integer(256);
      await Deno.writeFile(folder.file("data.safetensors"), damaged);
      try {
        const { gaussian, reference } = await readDataInfo(folder);
        for (const { mean } of [gaussian, ...reference?.components ?? []]) equal(mean.length, 2);
      } catch (error) {
        ok(error instanceof UserError, String(error));
        match(error.message, /data\.safetensors/);
        refused++;
      }
    }
    ok(refused > 100 && refused < 200, `${refused} of 200 were refused`);
  }));
