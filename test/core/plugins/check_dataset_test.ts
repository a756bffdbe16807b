import assert from "assert";
import { checkDataset, normaliseDataset } from "../../../core/plugins/check_dataset.ts";
import { PluginError } from "../../../core/plugins/plugin_error.ts";
import type { Dataset } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, type Samples, toFloat32 } from "../../../core/data/samples.ts";

const points = (...values: number[]) => floatSamples(Float32Array.from(values), 2);

const good: Dataset = {
  shape: [2],
  train: points(1, 2, 3, 4),
  validation: points(5, 6),
  test: points(7, 8),
  entropy: -1,
  range: [0, 255],
  delta: 1,
};

const normalise = (loaded: unknown) => normaliseDataset("mine", loaded, Random.fromSeed(1));

/** Expects the exact message. */
const throws = (f: () => unknown, message: string) =>
  assert.throws(f, (error) => {
    assert.ok(error instanceof PluginError);
    assert.equal(error.message, message);
    return true;
  });

Deno.test("a good data set passes, with and without what is optional", () => {
  checkDataset("mine", good);
  checkDataset("mine", { shape: [1, 2], train: good.train, validation: good.validation });
  assert.deepEqual(normalise(good), good);
});

Deno.test("samples, float32 values and bytes are not copied", () => {
  const { train, validation, test } = normalise(good);
  assert.ok(train === good.train && validation === good.validation && test === good.test);
  const [floats, bytes] = [new Float32Array(4), new Uint8Array(4)];
  const loaded = normalise({ shape: [2], train: floats, validation: bytes });
  floats.fill(3);
  bytes.fill(4);
  assert.deepEqual([toFloat32(loaded.train, 0, 1), toFloat32(loaded.validation, 0, 1)].map(([x]) => x), [3, 4]);
});

Deno.test("a shape must be positive whole numbers", () => {
  for (const shape of [[], [0], [-2], [1.5], ["2"]]) {
    const message = `The data set mine has the shape ${JSON.stringify(shape)}, ` +
      "expected an array of whole numbers from 1 on, [2] for points.";
    throws(() => checkDataset("mine", { ...good, shape: shape as number[] }), message);
    throws(() => normalise({ ...good, shape }), message);
  }
});

Deno.test("the parts must be samples of the shape, whole rows and not empty", () => {
  throws(
    () => checkDataset("mine", { ...good, train: [1, 2] as unknown as Samples }),
    "The data set mine has train [1,2], expected samples, a Float32Array or an array of rows.",
  );
  throws(
    () => checkDataset("mine", { ...good, validation: points() }),
    "The data set mine has an empty validation, expected at least one row.",
  );
  throws(
    () => checkDataset("mine", { ...good, train: points(1, 2) }),
    "The data set mine has 1 row in train, expected at least two.",
  );
  throws(
    () => checkDataset("mine", { ...good, test: floatSamples(new Float32Array(3), 3) }),
    "The data set mine has rows of 3 values in test, expected rows of 2 (shape [2]).",
  );
  for (const test of [new Float32Array(3), [1, 2, 3], new Uint8Array(3)]) {
    throws(() => normalise({ ...good, test }), "The data set mine has 3 values in test, expected whole rows of 2.");
  }
});

Deno.test("the first value that is not finite is named by row and column", () => {
  const message = "in row 1, column 0 (from 0) of train, expected finite float32 values: clean the data.";
  for (const bad of [NaN, Infinity, -Infinity]) {
    const train = points(1, 2, bad, NaN);
    throws(() => checkDataset("mine", { ...good, train }), `The data set mine has ${bad} ${message}`);
  }
  throws(
    () => checkDataset("mine", normalise({ ...good, train: [1, 2, 1e300, 4] })),
    `The data set mine has Infinity ${message}`,
  );
});

Deno.test("entropy, range, delta and the split's order must make sense", () => {
  for (const splitOrder of [[0, 1, 2], Uint32Array.of(0, 1), Uint32Array.of(0, 1, 3), Uint32Array.of(0, 1, 1)]) {
    throws(
      () => checkDataset("mine", { ...good, splitOrder: splitOrder as Uint32Array }),
      "The data set mine has a splitOrder that is no order of the rows of train and validation, expected a Uint32Array.",
    );
  }
  throws(
    () => checkDataset("mine", { ...good, entropy: NaN }),
    "The data set mine has the entropy NaN, expected a number of nats.",
  );
  throws(
    () => checkDataset("mine", { ...good, logScale: Infinity }),
    "The data set mine has the log scale Infinity, expected a number of nats.",
  );
  for (const range of [[1, 0], [0, 0], [NaN, 1], [0, 1, 2]]) {
    assert.throws(
      () => checkDataset("mine", { ...good, range: range as unknown as [number, number] }),
      /has the range \[/,
    );
  }
  for (const delta of [0, -1, NaN]) assert.throws(() => checkDataset("mine", { ...good, delta }), /has the step delta/);
});

Deno.test("plain numbers, other typed arrays and rows become float32", () => {
  const forms = [
    [1, 2, 3, 4],
    Float64Array.of(1, 2, 3, 4),
    Uint8Array.of(1, 2, 3, 4),
    [[1, 2], [3, 4]],
    [Float32Array.of(1, 2), Float64Array.of(3, 4)],
  ];
  for (const train of forms) assert.deepEqual(toFloat32(normalise({ ...good, train }).train), toFloat32(good.train));
});

Deno.test("the shape of rows is their length, of flat numbers it must be given", () => {
  assert.deepEqual(normalise({ train: [[1, 2, 3]], validation: [[4, 5, 6]] }).shape, [3]);
  throws(
    () => normalise({ train: [1, 2, 3], validation: [4] }),
    "The data set mine has no shape, expected the shape of one sample, [2] for points.",
  );
});

Deno.test("rows must be numbers, as many as the shape says", () => {
  throws(
    () => normalise({ ...good, train: [[1, 2], [3]] }),
    "The data set mine has 1 values in row 1 of train, expected 2 values.",
  );
  throws(
    () => normalise({ ...good, test: [[1, 2], 3] }),
    "The data set mine has 3 in row 1 of test, expected 2 values.",
  );
  throws(
    () => normalise({ ...good, train: [[1, 2], [3, "4"]] }),
    'The data set mine has "4" in row 1, column 1 (from 0) of train, expected a number.',
  );
  throws(
    () => normalise({ ...good, train: BigInt64Array.of(1n, 2n) }),
    "The data set mine has 1 in row 0, column 0 (from 0) of train, expected a number.",
  );
  throws(
    () => normalise({ ...good, validation: "points.csv" }),
    'The data set mine has validation "points.csv", expected samples, a Float32Array or an array of rows.',
  );
  throws(
    () => normalise({ shape: [2] }),
    "The data set mine has train undefined, expected samples, a Float32Array or an array of rows.",
  );
  throws(() => normalise([1, 2]), "The data set mine loaded [1,2], expected { shape, train, validation }.");
});

Deno.test("without validation a tenth of the rows is drawn for it", () => {
  const train = Array.from({ length: 25 }, (_, i) => [i, -i]);
  const split = normalise({ train });
  assert.deepEqual([split.train.count, split.validation.count], [22, 3]);
  const validation = toFloat32(split.validation);
  const rows = [...toFloat32(split.train), ...validation];
  for (let i = 0; i < 50; i += 2) assert.equal(rows[i + 1] + rows[i], 0, "rows stay whole");
  assert.deepEqual(rows.filter((_, i) => i % 2 === 0).sort((a, b) => a - b), train.map(([i]) => i));
  assert.notDeepEqual([...validation].filter((_, i) => i % 2 === 0), [22, 23, 24], "at random");
  assert.deepEqual(toFloat32(normalise({ train }).validation), validation);
  assert.deepEqual([...split.splitOrder!], rows.filter((_, i) => i % 2 === 0));
  checkDataset("mine", split);
  throws(
    () => normalise({ train: [[1, 2]] }),
    "The data set mine has 1 rows in train and no validation, expected at least 2 rows to split.",
  );
  throws(
    () => normalise({ shape: [2], train: [1, 2, 3] }),
    "The data set mine has 3 values in train, expected whole rows of 2.",
  );
});
