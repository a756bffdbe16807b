import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { decodeCondition } from "../../../core/data/condition.ts";
import { type Samples, toFloat32 } from "../../../core/data/samples.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { openRows } from "../../../core/files/open_rows.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import type { Dataset } from "../../../core/plugins/contracts.ts";
import { loadDataset } from "../../../core/plugins/load.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";

const load = async (spec: string, condition: string, notes: string[] = []) =>
  (await loadDataset(spec)).load(Random.fromSeed(1), { condition }, { onNote: (note) => notes.push(note) });

const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error: Error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    return !error.message.includes("\n");
  });

/** What is known of each row, as values. */
function known({ condition }: Pick<Dataset, "condition">, samples: Samples): number[][] {
  const vectors = toFloat32(samples.condition!), width = samples.condition!.dimension;
  return Array.from(
    { length: samples.count },
    (_, i) =>
      decodeCondition(condition!, vectors.subarray(i * width, (i + 1) * width)).map((value) =>
        Math.round(1e4 * value) / 1e4
      ),
  );
}

/** x = i, y = −i, label = i mod 3, age = 20 + i/2. */
const TABLE = ["x,label,y,age", ...Array.from({ length: 40 }, (_, i) => [i, i % 3, -i, 20 + i / 2].join())].join("\n");

Deno.test("columns of a table are what is known of its samples, by name or by number", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t.csv"), notes: string[] = [];
    await Deno.writeTextFile(path, TABLE);
    const data = await load(path, "label,age", notes);
    match(notes[0], /columns x, y; .*given label, one of 3 classes \(0, 1, 2\); age, a number of 2\d\.\d+ ± 5\.\d+$/);
    deepEqual([data.shape, data.columns], [[2], ["x", "y"]]);
    const [label] = data.condition!;
    ok(label.kind === "class" && label.counts.reduce((a, b) => a + b) === 36);
    const { mean, scale } = data.axes!;
    for (const samples of [data.train, data.validation]) {
      const x = toFloat32(samples);
      known(data, samples).forEach(([label, age], row) => {
        const i = Math.round(x[2 * row] * scale[0] + mean[0]);
        equal(Math.round(x[2 * row + 1] * scale[1] + mean[1]), -i);
        deepEqual([label, Math.round(10 * age)], [i % 3, 200 + 5 * i]);
      });
    }
    deepEqual((await load(path, "1,3")).condition!.map(({ name, kind }) => [name, kind]), [["1", "class"], [
      "3",
      "number",
    ]]);
    await refused(
      load(path, "lable"),
      /^--condition names lable, which .*t.csv does not have; it has the columns x, label/,
    );
    await refused(load(path, "x,y,label,age"), /takes every column/);

    const model = { ...data, axes: data.axes!, columns: data.columns! };
    const other = join(folder, "o.csv");
    await Deno.writeTextFile(other, "age,y,extra,x,label\n30,-1,9,1,2\n25,-4,9,4,0");
    using rows = await openRows(other, model);
    deepEqual(known(data, rows.samples), [[2, 30], [0, 25]]);
    ok(Math.abs(toFloat32(rows.samples)[0] * scale[0] + mean[0] - 1) < 1e-5);
    await Deno.writeTextFile(other, "y,x,label\n-1,1,2\n-4,4,0");
    using some = await openRows(other, model);
    deepEqual(known(data, some.samples), [[2, NaN], [0, NaN]]);
    match(some.description, /age not there, so unknown/);
    await Deno.writeTextFile(other, "y,x\n-1,1\n-4,4");
    using none = await openRows(other, model);
    equal(none.samples.condition, undefined);
    await Deno.writeTextFile(other, "y,x,label\n-1,1,5\n-4,4,0");
    await refused(openRows(other, model), /label is 5 in row 0 .* expected one of 0, 1, 2/);
  }));

Deno.test("an array of labels lies beside the samples in a file, by part where it has parts", () =>
  inFolder(async (folder) => {
    const labels = (n: number) => ({ shape: [n], data: Float64Array.from({ length: n }, (_, i) => i % 2) });
    const images = (n: number) => ({
      shape: [n, 4, 4],
      data: Uint8Array.from({ length: 16 * n }, (_, i) => Math.floor(i / 16)),
    });
    const path = join(folder, "t.safetensors");
    await Deno.writeFile(path, encodeSafetensors({ x: images(20), labels: labels(20) }));
    const data = await load(`${path}:x`, "labels");
    deepEqual(data.shape, [1, 4, 4]);
    const pixels = toFloat32(data.train);
    known(data, data.train).forEach(([label], row) => equal(label, Math.round((pixels[16 * row] + 1) * 127.5) % 2));
    await Deno.writeFile(
      path,
      encodeSafetensors({ train: images(20), test: images(6), labels_train: labels(20), labels_test: labels(6) }),
    );
    const parts = await load(path, "labels");
    deepEqual(known(parts, parts.test!).flat(), [0, 1, 0, 1, 0, 1]);
    await refused(load(path, "label"), /--condition names label, which .*:train does not have/);
    await Deno.writeFile(path, encodeSafetensors({ x: images(20), labels: labels(19) }));
    await refused(load(`${path}:x`, "labels"), /has the shape \[19\], expected a value for each of the 20 samples/);
  }));

Deno.test("of tables without names columns are taken by their places", () =>
  inFolder(async (folder) => {
    const path = join(folder, "t.safetensors");
    const values = (n: number, width: number) =>
      Float32Array.from({ length: n * width }, (_, i) => i % width === 0 ? i / width % 2 : i);
    await Deno.writeFile(path, encodeSafetensors({ x: { shape: [30, 3], data: values(30, 3) } }));
    const data = await load(path, "0");
    deepEqual([data.shape, data.condition![0].place], [[2], 0]);
    using whole = await openRows(path, { ...data, axes: data.axes! });
    deepEqual(known(data, whole.samples).flat().slice(0, 4), [0, 1, 0, 1]);
    await Deno.writeFile(path, encodeSafetensors({ x: { shape: [30, 2], data: values(30, 2) } }));
    using alone = await openRows(path, { ...data, axes: data.axes! });
    equal(alone.samples.condition, undefined);
  }));

Deno.test("cells that lack a condition are unknown, counted in the note, and no level, mean or scale is made of them", () =>
  inFolder(async (folder) => {
    const lines = (label: (i: number) => string, age: (i: number) => string, x = (i: number) => String(i)) =>
      ["x,label,y,age", ...Array.from({ length: 40 }, (_, i) => [x(i), label(i), -i, age(i)].join())].join("\n");
    const path = join(folder, "t.csv"), notes: string[] = [];
    const label = (i: number) => i % 4 === 3 ? ["", "NA", "nan"][i % 3] : String(i % 4);
    const age = (i: number) => i % 2 ? "null" : String(20.5 + i);
    await Deno.writeTextFile(path, lines(label, age));
    for (const asked of ["label,age", "1,3"]) {
      const data = await load(path, asked, notes);
      match(notes.pop()!, /; (label|1) unknown in 10 rows; (age|3) unknown in 20 rows$/);
      const [own, number] = data.condition!;
      ok(own.kind === "class" && own.levels.join() === "0,1,2" && own.counts.reduce((a, b) => a + b) < 30);
      ok(number.kind === "number" && number.mean > 30 && number.mean < 50, JSON.stringify(number));
      const { mean, scale } = data.axes!;
      for (const samples of [data.train, data.validation]) {
        const x = toFloat32(samples);
        known(data, samples).forEach(([label, age], row) => {
          const i = Math.round(x[2 * row] * scale[0] + mean[0]);
          deepEqual([label, Math.round(age - 0.5)], [i % 4 === 3 ? NaN : i % 4, i % 2 ? NaN : 20 + i]);
        });
      }
      using rows = await openRows(path, { ...data, axes: data.axes!, columns: data.columns! });
      match(rows.description, /unknown in 10 rows/);
      deepEqual(known(data, rows.samples).slice(2, 4).map(([label]) => label), [2, NaN]);
    }
    await Deno.writeTextFile(path, lines(label, age, (i) => i === 5 ? "" : String(i)));
    await refused(load(path, "label,age"), /has nothing in line 7, column 1 \(x\), expected a finite number/);
    await Deno.writeTextFile(path, lines((i) => i === 5 ? "inf" : String(i % 2), () => "1"));
    await refused(load(path, "label"), /has "inf" in line 7, column 2 \(label\), expected a finite number/);
    await Deno.writeTextFile(path, lines((i) => String(i % 2), () => ""));
    await refused(load(path, "label,age"), /--condition age is unknown in every row, so that it tells nothing/);

    const array = join(folder, "t.safetensors"),
      labels = Float64Array.from({ length: 20 }, (_, i) => i % 5 ? i % 2 : NaN);
    const x = { shape: [20, 2], data: Float64Array.from({ length: 40 }, (_, i) => i * i) };
    await Deno.writeFile(array, encodeSafetensors({ x, labels: { shape: [20], data: labels } }));
    const beside = await load(`${array}:x`, "labels", notes);
    match(notes.pop()!, /labels unknown in 4 rows/);
    equal(
      [...known(beside, beside.train), ...known(beside, beside.validation)].filter(([c]) => Number.isNaN(c)).length,
      4,
    );
    const wide = Float64Array.from({ length: 60 }, (_, i) => i % 3 === 2 ? labels[(i - 2) / 3] : i * i);
    await Deno.writeFile(array, encodeSafetensors({ x: { shape: [20, 3], data: wide } }));
    await load(array, "2", notes);
    match(notes.pop()!, /2 unknown in 4 rows/);
    await refused(load(array, "1"), /has NaN in row 0, column 2 \(from 0\), expected finite values/);
  }));
