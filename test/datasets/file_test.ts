import { deepEqual, equal, match, notDeepEqual, ok, rejects } from "assert";
import { join } from "node:path";
import { fitGaussian, gaussianNll } from "../../core/reference/gaussian.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { encodeSafetensors, readSafetensors, type StoredTensor } from "../../core/io/safetensors.ts";
import { loadDataset, PluginError } from "../../core/plugins/load.ts";
import type { Dataset } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { floatSamples, type Samples, toFloat32 } from "../../core/data/samples.ts";
import { type ModelData, openRows } from "../../core/files/open_rows.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";

const REFERENCE = new URL("../reference/", import.meta.url).pathname;

const load = async (spec: string, options = {}) => (await loadDataset(spec)).load(Random.fromSeed(1), options);

/** Loads a safetensors file of the given tensors. */
async function loadTensors(tensors: Record<string, StoredTensor>, options = {}, name = ""): Promise<Dataset> {
  let data: Dataset | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, "x.safetensors");
    await Deno.writeFile(path, encodeSafetensors(tensors));
    data = await load(path + name, options);
  });
  return data!;
}

/** Expects a {@link UserError} of one line. */
const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n"), error.message);
    return true;
  });

const floats = (shape: number[], value = (i: number) => i) => {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)) };
};
const bytes = (shape: number[], value = (i: number) => i) => {
  return { shape, data: Uint8Array.from(floats(shape, value).data) };
};

/** Rows as text, so that they can be compared without their order. */
function rowsOf(...parts: Samples[]): string[] {
  const rows = parts.flatMap((part) => Array.from({ length: part.count }, (_, i) => toFloat32(part, i, i + 1).join()));
  return rows.sort();
}

Deno.test("points are split 9 to 1 at random and standardised by the training rows", async () => {
  const raw = (await readSafetensors(`${REFERENCE}datasets/hdf5.safetensors`)).tensors.points.data as Float32Array;
  for (const spec of ["points.h5", "points.h5:x", "points.h5:/x", "hdf5.safetensors:points"]) {
    const { shape, train, validation, range, delta, logScale } = await load(`${REFERENCE}datasets/${spec}`);
    deepEqual([shape, train.count, validation.count, range, delta], [[2], 180, 20, undefined, undefined]);
    const { mean, eigenvalues } = fitGaussian(train);
    ok(mean.every((m) => Math.abs(m) < 1e-6) && Math.abs(eigenvalues[0] + eigenvalues[1] - 2) < 1e-5, `${mean}`);
    // The map is affine: two rows' differences tell its scales.
    const plain = await load(`${REFERENCE}datasets/${spec}`, { standardise: "off" });
    deepEqual(rowsOf(plain.train, plain.validation), rowsOf(floatSamples(raw, 2)));
    const [a, b] = [toFloat32(plain.train, 0, 2), toFloat32(train, 0, 2)];
    const scales = [0, 1].map((axis) => (a[axis] - a[2 + axis]) / (b[axis] - b[2 + axis]));
    ok(Math.abs(Math.log(scales[0] * scales[1]) - logScale!) < 1e-4, `${scales}, ${logScale}`);
  }
});

Deno.test("the split says which row of the file each of its rows is", async () => {
  const of = async (tensors: Record<string, StoredTensor>) => await loadTensors(tensors, { standardise: "off" });
  const { train, validation, splitOrder } = await of({ x: floats([40, 1]) });
  deepEqual([...splitOrder!], [...toFloat32(train), ...toFloat32(validation)]);
  notDeepEqual([...splitOrder!], [...splitOrder!].sort((a, b) => a - b));
  equal((await of({ train: floats([8, 1]), validation: floats([2, 1]) })).splitOrder, undefined);
});

Deno.test("logScale carries an NLL back to the file's own values", async () => {
  const path = `${REFERENCE}datasets/dino.csv`;
  const [plain, { train, logScale }] = [await load(path, { standardise: "off" }), await load(path)];
  const nll = (samples: Samples) => {
    const values = gaussianNll(samples, fitGaussian(samples));
    return values.reduce((sum, x) => sum + x / values.length, 0);
  };
  ok(Math.abs(nll(train) + logScale! - nll(plain.train)) < 1e-4);
  const images = bytes([4, 2, 2], (i) => 37 * i % 251);
  const scaled = await loadTensors({ train: images, test: images });
  deepEqual(scaled.logScale, 4 * Math.log(127.5));
});

Deno.test("bytes stay bytes on [−1, 1], with their step", async () => {
  const { shape, train, validation, range, delta } = await load(`${REFERENCE}datasets/images.h5`);
  deepEqual([shape, train.count, validation.count, range, delta], [[3, 8, 8], 45, 5, [-1, 1], 2 / 255]);
  const raw = (await readSafetensors(`${REFERENCE}datasets/hdf5.safetensors`)).tensors.images.data as Int32Array;
  const expected = floats([50, 3, 64], (i) => {
    const [image, channel, pixel] = [Math.floor(i / 192), Math.floor(i / 64) % 3, i % 64];
    return Math.fround(raw[image * 192 + pixel * 3 + channel] * (2 / 255) - 1);
  });
  deepEqual(rowsOf(train, validation), rowsOf(floatSamples(expected.data, 192)));
  const points = await loadTensors({ x: bytes([10, 3]) }, { range: "0,50" });
  deepEqual([points.shape, points.range, points.delta], [[3], [-1, 1], 2 / 50]);
});

Deno.test("a range of floats becomes [−1, 1]", async () => {
  const { train, validation, range, delta } = await loadTensors({ x: floats([11, 1], (i) => i / 10) }, {
    range: "0,1",
  });
  deepEqual([range, delta], [[-1, 1], undefined]);
  const values = [...toFloat32(train), ...toFloat32(validation)].sort((a, b) => a - b);
  values.forEach((value, i) => ok(Math.abs(value - (i / 5 - 1)) < 1e-6, `${value}`));
  await refused(
    loadTensors({ x: floats([3, 2]) }, { range: "0,4" }),
    /has 5 in row 2, column 1 \(from 0\), outside of --range 0,4/,
  );
  for (const range of ["1,0", "0", "a,b", "0,1,2", "", "0,"]) {
    await refused(loadTensors({ x: floats([3, 2]) }, { range }), /--range is .*, expected the lowest and highest/);
  }
});

Deno.test("shapes tell points from images, and where the channels are", async () => {
  const cases: [number[], number[], object?][] = [
    [[5], [1]],
    [[5, 7], [7]],
    [[5, 6, 7], [1, 6, 7]],
    [[5, 3, 8, 9], [3, 8, 9]],
    [[5, 8, 9, 3], [3, 8, 9]],
    [[5, 2, 9, 3], [2, 9, 3]],
    [[5, 3, 9, 3], [3, 9, 3]],
    [[5, 3, 9, 3], [3, 3, 9], { layout: "nhwc" }],
    [[5, 4, 9, 3], [4, 9, 3], { layout: "nchw" }],
  ];
  for (const [shape, expected, options] of cases) {
    deepEqual((await loadTensors({ x: floats(shape) }, options)).shape, expected, `${shape}`);
  }
  const last = await loadTensors({ train: floats([2, 1, 2, 3]), val: floats([2, 1, 2, 3]) }, { layout: "nhwc" });
  deepEqual([...toFloat32(last.train)], [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
  await refused(loadTensors({ x: floats([2, 5, 5, 5]) }), /\[2,5,5,5\], which has 5 channels, expected at most 4/);
  await refused(loadTensors({ x: floats([2, 3, 8, 9]) }, { layout: "nhwc" }), /has 9 channels/);
  await refused(loadTensors({ x: floats([2, 1, 1, 1, 1]) }), /expected points \[n, d\] or images/);
  await refused(loadTensors({ x: floats([]) }), /has the shape \[\], expected points/);
  await refused(loadTensors({ x: floats([0, 3]) }), /has the shape \[0,3\], expected rows of samples/);
});

Deno.test("a file may hold its own parts", async () => {
  const { train, validation, test, logScale } = await load(`${REFERENCE}files/parts.h5`);
  deepEqual([train.count, validation.count, test?.count], [40, 6, 5]);
  const { mean, eigenvalues } = fitGaussian(train);
  ok(mean.every((m) => Math.abs(m) < 1e-6) && Math.abs(eigenvalues[0] + eigenvalues[1] - 2) < 1e-5);
  ok(fitGaussian(test!).mean.some((m) => Math.abs(m) > 1e-3), "the test part has the training part's map");
  ok(logScale! > Math.log(2 * 5) - 1 && logScale! < Math.log(2 * 5) + 1);
  equal((await load(`${REFERENCE}files/parts.h5:val`)).validation.count, 1);
  await refused(
    loadTensors({ train: floats([4, 2]), validation: floats([4, 3]) }),
    /:validation has samples of shape \[3\], but .*:train \[2\]/,
  );
  await refused(loadTensors({ train: floats([4, 2]), test: bytes([4, 2]) }), /must both hold bytes or both floats/);
});

Deno.test("a file of several data sets asks which, one of none says so", async () => {
  await refused(load(`${REFERENCE}datasets/hdf5.safetensors`), /holds 2 data sets\. Name one of points, images, as in/);
  await refused(load(`${REFERENCE}datasets/points.h5:y`), /has no "y"\. Name one of x, as in .*points\.h5:x/);
  await refused(load(`${REFERENCE}datasets/dino.csv:x`), /holds a single array\. Leave out ":x"/);
  await refused(loadTensors({}), /holds 0 data sets/);
});

Deno.test("values that are not finite are named, and one row is too few", async () => {
  await refused(loadTensors({ x: floats([3, 2], (i) => i === 3 ? NaN : i) }), /:x has NaN in row 1, column 1/);
  await refused(loadTensors({ x: floats([1, 2]) }), /x has 1 row, expected at least 2 to split/);
});

Deno.test("an axis that does not vary stays as it is, and what is standardised can be said", async () => {
  const { train } = await loadTensors({ x: floats([20, 2], (i) => i % 2 === 0 ? 3 : i) });
  deepEqual([...toFloat32(train)].filter((_, i) => i % 2 === 0), Array(18).fill(0));
  const images = await loadTensors({ x: bytes([20, 2, 2]) }, { standardise: "on" });
  deepEqual([images.range, images.delta], [undefined, undefined]);
  ok(Math.abs(fitGaussian(images.train).mean[0]) < 1e-6);
});

Deno.test("the same seed gives the same split", async () => {
  const path = `${REFERENCE}datasets/dino.csv`;
  deepEqual(toFloat32((await load(path)).validation), toFloat32((await load(path)).validation));
});

Deno.test("a path is found from its name, with or without file:, and not on the network", async () => {
  const { name, options } = await loadDataset(`file://${REFERENCE}datasets/points.h5:x`);
  deepEqual([name, Object.keys(options ?? {})], ["points", [
    "types",
    "columns",
    "drop",
    "id",
    "standardise",
    "condition",
    "range",
    "layout",
    "header",
    "transpose",
    "size",
    "background",
  ]]);
  await rejects(loadDataset("nowhere.npy"), (error) => {
    ok(error instanceof PluginError && /nowhere\.npy is not there: no file .*Check the path/.test(error.message));
    return true;
  });
  await refused(loadDataset("https://example.org/points.csv"), /is not on this machine\. Download it/);
  await refused(load("file"), /got the path "", expected one of \.csv/);
  equal((await load("file", { path: `${REFERENCE}datasets/dino.csv` })).train.count, 127);
});

/** An NPY file's bytes up to its values. */
function npyHeader(descr: string, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const text = `\x93NUMPY\x01\0${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`;
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

Deno.test("rows of a file are those that a model's data would be, whatever the file's format", async () => {
  const { mean, scale } = { mean: Float64Array.of(3, -1), scale: Float64Array.of(2, 0.5) };
  await inFolder(async (folder) => {
    const { data } = floats([7, 2], (i) => Math.fround(i / 3));
    await Deno.writeTextFile(
      join(folder, "x.csv"),
      Array.from({ length: 7 }, (_, i) => `${data[2 * i]},${data[2 * i + 1]}`).join("\n"),
    );
    await Deno.writeFile(
      join(folder, "x.safetensors"),
      encodeSafetensors({ test: { shape: [7, 2], data }, train: floats([3, 2]) }),
    );
    await Deno.writeFile(
      join(folder, "x.npy"),
      Uint8Array.from([...npyHeader("<f4", [7, 2]), ...new Uint8Array(data.buffer)]),
    );
    for (const name of ["x.csv", "x.safetensors", "x.npy"]) {
      using rows = await openRows(join(folder, name), { shape: [2], axes: { mean, scale } });
      deepEqual(toFloat32(rows.samples), data.map((x, i) => (x - mean[i % 2]) / scale[i % 2]), name);
    }
    const images = bytes([4, 2, 3, 2], (i) => 7 * i);
    await Deno.writeFile(
      join(folder, "images.safetensors"),
      encodeSafetensors({ train: images, test: images, val: images }),
    );
    const of = (scaling: ModelData, options = {}) => openRows(join(folder, "images.safetensors:val"), scaling, options);
    for (const layout of ["nchw", "nhwc"]) {
      const loaded = await load(join(folder, "images.safetensors"), { layout });
      using rows = await of({ range: [-1, 1] }, { layout });
      deepEqual(toFloat32(rows.samples), toFloat32(loaded.train));
      deepEqual([rows.shape, rows.range, rows.delta, rows.logScale], [loaded.shape, [-1, 1], 2 / 255, loaded.logScale]);
    }
    using plain = await of({});
    deepEqual([toFloat32(plain.samples)[1], plain.range, plain.delta], [7, undefined, undefined]);
    using half = await of({ range: [-1, 1] }, { range: "0,510" });
    deepEqual([toFloat32(half.samples)[1], half.delta], [Math.fround(7 / 255 - 1), 2 / 510]);
    await refused(
      of({ range: [-1, 1] }, { range: "10,200" }),
      /has 0 in row 0, column 0 \(from 0\), outside of --range/,
    );
    await refused(
      openRows(join(folder, "x.npy"), { shape: [3] }),
      /has 2 columns, but the model is of 3/,
    );
  });
});

Deno.test("what is wrong far into a file is named by its row and column before any row is given", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.npy"), data = new Float32Array(2 * 400_000), { buffer } = data;
    data[2 * 399_000 + 1] = Infinity;
    using file = await Deno.create(path);
    await file.write(npyHeader("<f4", [400_000, 2]));
    await new Blob([buffer]).stream().pipeTo(file.writable);
    await refused(
      openRows(path, { shape: [2] }),
      /x\.npy has Infinity in row 399000, column 1 \(from 0\), expected finite/,
    );
    data[2 * 399_000 + 1] = 9;
    const bytes = Uint8Array.from([...npyHeader("<f4", [400_000, 2]), ...new Uint8Array(buffer)]);
    await Deno.writeFile(path, bytes);
    const scaled = openRows(path, { shape: [2], range: [-1, 1] }, { range: "0,1" });
    await refused(scaled, /has 9 in row 399000, column 1 \(from 0\), outside of --range 0,1/);
    using rows = await openRows(path, { shape: [2] });
    deepEqual([...toFloat32(rows.samples, 399_000, 399_001)], [0, 9]);
  });
});

Deno.test("a file of 300 MB is gone through in a fraction of that", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.npy"), count = 25_000, d = 3 * 32 * 32;
    const header = npyHeader("<f4", [count, 3, 32, 32]);
    await Deno.writeFile(path, header);
    {
      // All else is zeros that take no room on the disk.
      using file = await Deno.open(path, { write: true });
      await file.truncate(header.length + 4 * count * d);
      await file.seek(header.length + 4 * 20_000 * d, Deno.SeekMode.Start);
      await file.write(new Uint8Array(Float32Array.of(2).buffer));
    }
    const script = new URL("./score_file.ts", import.meta.url).pathname;
    const args = [
      "run",
      "--frozen",
      "--quiet",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--allow-ffi",
      script,
      path,
      "20000",
    ];
    const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" });
    const { code, stdout, stderr } = await child.output();
    equal(code, 0, new TextDecoder().decode(stderr));
    const { mean, grown, ...rest } = JSON.parse(new TextDecoder().decode(stdout));
    deepEqual(rest, { count, first: 2 });
    ok(Math.abs(mean - d * 0.5 * Math.log(2 * Math.PI) - 2 / count) < 1e-6, `${mean}`);
    ok(grown < 60, `${grown} MB`);
  });
});

Deno.test("a task trains on a file by its path, resumes from another folder, and says what it cannot use", async () => {
  await inFolder(async (folder) => {
    await Deno.copyFile(`${REFERENCE}datasets/points.h5`, join(folder, "points.h5"));
    const args = ["--batch-size", "64", "--width", "8", "--figures", "off", "--json"];
    const first = await runTask("train:2d", ["points.h5:x", "--epochs", "1", ...args], folder);
    equal(first.code, 0, first.stderr);
    const { dataset, folder: run } = JSON.parse(first.stdout);
    equal(run, join("runs", "points"));
    ok(dataset.endsWith(`${join(folder, "points.h5")}:x`), dataset);
    const config = JSON.parse(await Deno.readTextFile(join(folder, run, "config.json")));
    ok(config.dataset.endsWith(`${join(folder, "points.h5")}:x`), config.dataset);
    const resumed = await runTask("train:2d", ["--resume", join(folder, run), "--epochs", "2", "--json"]);
    equal(resumed.code, 0, resumed.stderr);
    equal(JSON.parse(resumed.stdout).epochs, 2);
    await Deno.writeTextFile(join(folder, "flat.csv"), "a,b\n" + "1.5,2\n2.5,2\n".repeat(50));
    const flat = await runTask("train:2d", ["flat.csv", "--types", "off", "--figures", "off"], folder);
    equal(flat.code, 2);
    match(
      flat.stderr,
      /^error: Column 1 \(b\) \(from 0\) of the data set flat is 2 in all training rows.* Leave it out/m,
    );
    const wrong = await runTask("train:2d", [`${REFERENCE}datasets/images.h5`, ...args], folder);
    match(wrong.stderr, /^error: The data set images has samples of shape \[3,8,8\]/);
    equal(wrong.code, 2);
  });
});
