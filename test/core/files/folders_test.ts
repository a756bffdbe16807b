import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { decodeCondition, describeCondition } from "../../../core/data/condition.ts";
import { parseGiven } from "../../../core/data/condition_request.ts";
import { type Samples, toFloat32 } from "../../../core/data/samples.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { load } from "../../../core/files/load_file.ts";
import { locate } from "../../../core/files/locate.ts";
import { openRows } from "../../../core/files/open_rows.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import type { Dataset } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";
import { gzip } from "../io/archives.ts";
import { idxOfBytes } from "../io/idx_file.ts";
import { pngFile } from "../io/png_file.ts";

const random = Random.fromSeed(0);
const OPTIONS = { header: "auto", transpose: "auto" } as const;

/** A picture of 2 x 2 pixels of one grey. */
const grey = (value: number) =>
  pngFile(Array(4).fill(value), { width: 2, height: 2, channels: 1 }, { depth: 8, kind: "grey" });

/** Writes files, and the folders that they lie in. */
async function write(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeFile(path, bytes);
  }
  return folder;
}

async function refuses(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  await rejects(promise, (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n"), error.message);
    return true;
  });
}

/** What each part holds: the greys of its first pixels, in order. */
async function partsOf(path: string) {
  const parts: Record<string, number[]> = {}, notes: Record<string, readonly string[]> = {};
  for (const [part, { open }] of Object.entries(await locate(path, OPTIONS))) {
    using rows = await open();
    const { shape, data } = readAll(rows, part), size = data.length / shape[0];
    parts[part] = Array.from({ length: shape[0] }, (_, row) => data[row * size]);
    notes[part] = rows.notes ?? [];
  }
  return { parts, notes };
}

/** The greys of samples of bytes, each with what is known of it, in order. */
function toldOf({ condition }: Pick<Dataset, "condition">, samples: Samples): string[] {
  const pixels = toFloat32(samples), known = toFloat32(samples.condition!), width = samples.condition!.dimension;
  return Array.from({ length: samples.count }, (_, row) => {
    const grey = Math.round((pixels[row * samples.dimension] + 1) * 127.5);
    return `${grey} ${decodeCondition(condition!, known.subarray(row * width, (row + 1) * width))}`;
  }).sort();
}

Deno.test("a folder is its pictures, its classes', or its parts'", () =>
  inFolder(async (folder) => {
    const other = new Uint8Array(3);
    const flat = await write(join(folder, "flat"), {
      "b.png": grey(2),
      "a.png": grey(1),
      "x.csv": other,
      "sub/c.png": grey(3),
    });
    const { parts, notes } = await partsOf(flat);
    deepEqual([parts, notes], [{ train: [1, 2] }, { train: ["2 other entries of the folder ignored"] }]);
    const classes = await write(join(folder, "classes"), {
      ...{ "dog/1.png": grey(3), "cat/2.png": grey(2), "cat/1.png": grey(1), "dog/notes.txt": other },
      ...{ "empty/x.txt": other, ".hidden/1.png": grey(9), "cat/deeper/1.png": grey(9) },
    });
    deepEqual(await partsOf(classes), {
      parts: { train: [1, 2, 3] },
      notes: { train: ["classes cat 2, dog 1", "5 other entries of the folder ignored"] },
    });
    const split = await write(join(folder, "split"), {
      ...{ "train/cat/1.png": grey(1), "train/dog/1.png": grey(2), "Test/dog/1.png": grey(4) },
      ...{ "val/1.png": grey(3), "readme.txt": other },
    });
    deepEqual((await partsOf(split)).parts, { train: [1, 2], validation: [3], test: [4] });
    // A train is a class as well.
    const vehicles = { "train/1.png": grey(3), "bus/1.png": grey(1), "car/1.png": grey(2) };
    deepEqual((await partsOf(await write(join(folder, "vehicles"), vehicles))).parts, { train: [1, 2, 3] });
    const alone = await write(join(folder, "alone"), { "train/1.png": grey(7), "docs/a.txt": other });
    deepEqual((await partsOf(alone)).parts, { train: [7] });
    await refuses(
      locate(await write(join(folder, "none"), { "a/x.txt": other }), OPTIONS),
      /has no pictures in it \(\.png, .*one for each class/,
    );
    await refuses(
      locate(
        await write(join(folder, "two"), { "train/1.png": grey(1), "val/1.png": grey(1), "dev/1.png": grey(1) }),
        OPTIONS,
      ),
      /the folders dev and val, both of one part/,
    );
  }));

Deno.test("folders are classes by their names, whichever part has which, and later data is matched by these", () =>
  inFolder(async (folder) => {
    const path = await write(join(folder, "pets"), {
      ...{ "train/cat/1.png": grey(1), "train/cat/2.png": grey(2), "train/dog/1.png": grey(3) },
      ...{ "test/cow/1.png": grey(5), "test/dog/1.png": grey(4), "val/dog/2.png": grey(6) },
    });
    const data = await load(random, { path, condition: "label" }), { condition } = data;
    equal(describeCondition(condition!), "label, one of 3 classes (cat, cow, dog)");
    deepEqual(condition, [{
      name: "label",
      kind: "class",
      levels: [0, 1, 2],
      names: ["cat", "cow", "dog"],
      counts: [2, 0, 1],
    }]);
    deepEqual(toldOf(data, data.train), ["1 0", "2 0", "3 2"]);
    deepEqual([toldOf(data, data.validation), toldOf(data, data.test!)], [["6 2"], ["4 2", "5 1"]]);
    deepEqual(parseGiven("label=dog", condition), [2]);
    deepEqual(parseGiven("label=1", condition), [1]);
    for (const given of ["label=mouse", "label=7"]) {
      await refuses((async () => await parseGiven(given, condition))(), /expected one of cat, cow, dog/);
    }
    await refuses(
      load(random, { path, condition: "age" }),
      /--condition names age, which .*Name label, which is the folder/,
    );
    await refuses(load(random, { path, condition: "label:number" }), /is of cat, cow, dog\. Take label/);
    const model = { shape: data.shape, range: data.range!, condition: condition! };
    const few = await write(join(folder, "few"), { "dog/1.png": grey(8), "cow/1.png": grey(7) });
    using rows = await openRows(few, model);
    deepEqual(toldOf({ condition: condition! }, rows.samples), ["7 1", "8 2"]);
    using unknown = await openRows(await write(join(folder, "flat"), { "1.png": grey(8) }), model);
    match(unknown.description, /label not there, so unknown/);
    const birds = await write(join(folder, "birds"), { "dog/1.png": grey(8), "owl/1.png": grey(7) });
    await refuses(openRows(birds, model), /label is "owl" of some samples, but the model was trained on cat, cow, dog/);
    const numbered = await write(join(folder, "numbered"), {
      "0/1.png": grey(8),
      "2/1.png": grey(7),
      "11/1.png": grey(6),
    });
    await refuses(openRows(numbered, model), /label is "0" of some samples/);
    // Folders called by numbers are these numbers, as the labels of files are.
    const digits = await load(random, { path: numbered, condition: "label" });
    equal(describeCondition(digits.condition!), "label, one of 3 classes (0, 2, 11)");
    await refuses(
      openRows(few, { ...model, condition: digits.condition! }),
      /label is "cow" of some samples.* 0, 2, 11/,
    );
  }));

Deno.test("IDX files have their labels beside them, and a folder of them its parts", () =>
  inFolder(async (folder) => {
    const images = (values: readonly number[]) =>
      idxOfBytes([values.length, 2, 2], values.flatMap((v) => [v, v, v, v]));
    const values = Array.from({ length: 20 }, (_, i) => 10 + i), labels = idxOfBytes([20], values.map((v) => v % 3));
    const expected = values.map((v) => `${v} ${v % 3}`);
    const cases: [string, string, string][] = [
      ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", ""],
      ["t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", ""],
      ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "gz"],
      ["data.idx3-ubyte.gz", "data.idx1-ubyte.gz", "gz"],
      ["data.idx3-ubyte.gz", "data-idx1-ubyte", ""],
    ];
    for (const [k, [file, beside, packed]] of cases.entries()) {
      const path = await write(join(folder, `${k}`), {
        [file]: file.endsWith("gz") ? await gzip(images(values)) : images(values),
        [beside]: packed ? await gzip(labels) : labels,
      });
      const data = await load(random, { path: join(path, file), condition: "label" });
      deepEqual([...toldOf(data, data.train), ...toldOf(data, data.validation)].sort(), expected, file);
      equal((await load(random, { path: join(path, file) })).condition, undefined);
      await Deno.remove(join(path, beside));
      await refuses(
        load(random, { path: join(path, file), condition: "label" }),
        /--condition names label, which .* does not have.*idx1-ubyte(\.gz)? beside it/,
      );
    }
    const four = await write(join(folder, "fashion"), {
      "train-images-idx3-ubyte.gz": await gzip(images(values)),
      "train-labels-idx1-ubyte.gz": await gzip(labels),
      "t10k-images-idx3-ubyte.gz": await gzip(images([7, 8])),
      "t10k-labels-idx1-ubyte.gz": await gzip(idxOfBytes([2], [1, 2])),
      "LICENSE": new Uint8Array(1),
    });
    const data = await load(random, { path: four, condition: "label" });
    deepEqual([data.train.count, data.validation.count, toldOf(data, data.test!)], [18, 2, ["7 1", "8 2"]]);
    // Who unpacks one may keep the packed file.
    await write(four, { "train-images-idx3-ubyte": images(values) });
    equal((await load(random, { path: four })).train.count, 18);
    await write(four, { "more-train-images-idx3-ubyte": images(values) });
    await refuses(
      locate(four, OPTIONS),
      /the IDX files more-train-images-idx3-ubyte, train-images-idx3-ubyte, of which it is not clear which is meant\. Name one/,
    );
    await refuses(
      load(random, { path: join(folder, "0", "train-images-idx3-ubyte"), size: "4" }),
      /--size is of pictures, but .* holds none/,
    );
  }));

Deno.test("a size and a background hold for all parts, and are said", () =>
  inFolder(async (folder) => {
    const wide = (width: number) =>
      pngFile(Array(2 * width).fill(50), { width, height: 2, channels: 1 }, { depth: 8, kind: "grey" });
    const path = await write(folder, {
      "train/1.png": wide(4),
      "train/2.png": wide(2),
      "test/1.png": wide(3),
      "val/1.png": wide(2),
    });
    await refuses(load(random, { path }), /2\.png has 2 x 2 pixels, but .*1\.png has 4 x 2\. .*--size/);
    const { shape, test, description } = await load(random, { path, size: "2" });
    deepEqual([shape, test!.count], [[1, 2, 2], 1]);
    match(
      description!,
      /1 of 2 pictures resized to 2 x 2, cut to that ratio around the middle; .*test: the picture resized to 2 x 2/,
    );
    for (
      const [size, background] of [["0", ""], ["3x", ""], ["2x3x4", ""], ["99999", ""], ["", "256"], ["", "pink"], [
        "",
        "#12345",
      ]]
    ) {
      await refuses(load(random, { path, size, background }), size ? /--size is "/ : /--background is "/);
    }
    deepEqual((await load(random, { path, size: "3x2" })).shape, [1, 2, 3]);
  }));
