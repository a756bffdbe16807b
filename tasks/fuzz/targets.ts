import { encode } from "fast-png";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
// @ts-types="npm:@types/tar-stream@^3.1.5"
import { pack } from "tar-stream";
import { shardsOf } from "../../core/hub/weight_names.ts";
import { DESCRIPTION_BOUNDS, parseBoundedJson } from "../../core/io/bounded_json.ts";
import { formatOf } from "../../core/io/formats.ts";
import { readAll } from "../../core/io/stored_rows.ts";
import { filesOfTarGz } from "../../core/io/tar.ts";
import { readConfig } from "../../core/run/config.ts";
import { RunFolder } from "../../core/run/folder.ts";
import { readCells } from "../../core/tables/cells.ts";
import { describeColumns } from "../../core/tables/describe.ts";
import { inferSchema } from "../../core/tables/infer_types.ts";
import { openTable } from "../../core/tables/open_table.ts";
import { parseSchema } from "../../core/tables/parse_schema.ts";
import { parseTypes } from "../../core/tables/types_file.ts";
import { DDPM_CIFAR10, parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { DDPM_SCHEDULE, parseSchedule } from "../../denoisers/unet_pretrained/schedule.ts";
import { integer, joined, latin1, type Seed, type Target } from "./seed.ts";
import { gzipped, pngOf, tarOf, unzipped, utf16, withChecksums, zipped } from "./wraps.ts";

/** What NumPy, h5py, PyTorch, safetensors and pyarrow wrote for the tests. */
const FILES = fileURLToPath(new URL("../../test/reference/files/", import.meta.url));

/** Arrays that are read of a file with many. */
const MAX_ARRAYS = 40;

const file = (name: string) => Deno.readFile(`${FILES}${name}`);

/** Reads every array of a data file. */
async function readData(path: string): Promise<void> {
  const format = formatOf(path)!, names = format.names ? await format.names(path) : [""];
  let failure: unknown;
  for (const name of names.slice(0, MAX_ARRAYS)) {
    try {
      using rows = await format.open(path, name, `${path}:${name}`, { header: "auto", transpose: "auto" });
      readAll(rows, path);
    } catch (error) {
      // One array that is refused keeps none of the others from being read.
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

const data = (seeds: () => Promise<readonly Seed[]>): Target => ({ seeds, read: readData });

const TABLES = [
  "a,b\n1,2\n3,4\n-5.5,6e3\n",
  "0.1,0.2\n1.25,2.5\n3,4\n",
  "a;b;c\n1;2;3\n4;5;6\n",
  '"x y","z"\n"1","2"\n3,4\n',
  ",a,b\n0,1.5,2\n1,3,4\n2,5,6\n",
  "# x y\n1.0 2.0\n3.0 4.0\n",
  "a\tb\n1\t2\n3\t4\n",
  "sep=;\na;b;\n1;2;\n3;4;\n",
].map(latin1);

const csv = data(() =>
  Promise.resolve(
    TABLES.flatMap((bytes, i): Seed[] => [
      { bytes, ending: "csv" },
      { bytes, ending: "txt" },
      { bytes, ending: "csv.gz", wrap: gzipped },
      ...(i === 0 ? [{ bytes, ending: "csv", wrap: utf16 }, { bytes: gzipped(bytes), ending: "csv.gz" }] : []),
    ]),
  )
);

const npy = data(async () => {
  const names = ["f4", "big_i2", "big_f8", "i8", "fortran", "u1", "version2", "version3"];
  const header = latin1("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n");
  const whole = await Promise.all(names.map(async (name): Promise<Seed> => ({
    bytes: await file(`${name}.npy`),
    ending: "npy",
    head: [0, 128],
  })));
  // The length of the header is that of what the header became.
  const wrap = (part: Uint8Array) =>
    joined(latin1("\x93NUMPY\x01\0"), integer(part.length, 2), part, new Uint8Array(48));
  return [...whole, { bytes: header, wrap, ending: "npy" }];
});

const npz = data(async () => {
  const [f4, i8, fortran] = await Promise.all(["f4", "i8", "fortran"].map((name) => file(`${name}.npy`)));
  const seeds = await Promise.all([0, 6].map(async (level): Promise<Seed[]> => {
    const bytes = await zipped("x.npy", f4, { "y.npy": i8 }, level);
    return [
      { bytes, ending: "npz", head: [bytes.length - 250, bytes.length] },
      { bytes, ending: "npz", head: [0, 60] },
      { bytes: fortran, ending: "npz", wrap: (part) => zipped("x.npy", part, { "y.npy": i8 }, level), head: [0, 128] },
    ];
  }));
  return seeds.flat();
});

const hdf5 = data(async () => {
  const [types, parts] = [await file("types.h5"), await file("parts.h5")];
  return [{ bytes: types, ending: "h5", head: [0, 2000] }, { bytes: parts, ending: "h5", head: [0, 1500] }];
});

const mat = data(async () => {
  const block = joined(latin1("MATLAB 7.3 MAT-file, Platform: GLNXA64".padEnd(124)), Uint8Array.of(0, 2, 73, 77));
  const bytes = joined(block, new Uint8Array(512 - block.length), await file("parts.h5"));
  return [{ bytes, ending: "mat", head: [512, 2000] }, { bytes: block, ending: "mat" }];
});

const safetensors = data(async () => {
  const bytes = await file("tensors.safetensors");
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true)), values = bytes.subarray(8 + length);
  const wrap = (part: Uint8Array) => joined(integer(part.length, 8), part, values);
  return [
    { bytes, ending: "safetensors", head: [0, 8 + length] },
    { bytes: bytes.subarray(8, 8 + length), ending: "safetensors", wrap },
  ];
});

const parquet = data(async () => {
  const names = ["numbers", "encodings", "decimals", "missing", "bytes", "text", "list", "gzip", "brotli", "lz4"];
  const seeds = await Promise.all(names.map(async (name): Promise<Seed[]> => {
    const bytes = await file(`${name}.parquet`), view = new DataView(bytes.buffer);
    const begin = bytes.length - 8 - view.getUint32(bytes.length - 8, true), rest = bytes.subarray(0, begin);
    const wrap = (part: Uint8Array) => joined(rest, part, integer(part.length, 4), latin1("PAR1"));
    return [
      { bytes, ending: "parquet", head: [4, 200] },
      { bytes: bytes.subarray(begin, -8), ending: "parquet", wrap },
    ];
  }));
  return seeds.flat();
});

const torch = data(async () => {
  const seeds = await Promise.all(
    ["tensors.bin", "protocol4.bin", "checkpoint.pt"].map(async (name): Promise<Seed[]> => {
      const bytes = await file(name), members = await unzipped(bytes);
      const pickle = Object.keys(members).find((each) => each.endsWith("/data.pkl"))!;
      const { [pickle]: inner, ...others } = members;
      return [
        { bytes, ending: "pt", head: [bytes.length - 800, bytes.length] },
        { bytes: inner, ending: "pt", wrap: (part) => zipped(pickle, part, others) },
      ];
    }),
  );
  return seeds.flat();
});

const idx = data(() => {
  const values = Uint8Array.from({ length: 48 }, (_, i) => 5 * i);
  const seeds = [
    joined(Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4), values),
    joined(Uint8Array.of(0, 0, 14, 1, 0, 0, 0, 6), values),
    joined(Uint8Array.of(0, 0, 11, 2, 0, 0, 0, 6, 0, 0, 0, 4), values),
  ];
  return Promise.resolve(seeds.flatMap((bytes): Seed[] => [
    { bytes, ending: "idx", head: [0, 16] },
    { bytes, ending: "idx.gz", wrap: gzipped, head: [0, 16] },
    { bytes: gzipped(bytes), ending: "idx.gz" },
  ]));
});

const NOISE = Uint8Array.from({ length: 16 * 16 * 4 }, (_, i) => i * i % 251);

const png = data(() => {
  const picture = (channels: number, depth: 8 | 16) => {
    const values = NOISE.slice(0, 16 * 16 * channels).map((x, i) =>
      channels % 2 === 0 && i % channels === channels - 1 ? 255 : x
    );
    const data = depth === 8 ? values : Uint16Array.from(values, (x) => 257 * x);
    return Uint8Array.from(encode({ width: 16, height: 16, channels, depth, data }));
  };
  const files = [picture(1, 8), picture(3, 8), picture(4, 8), picture(1, 16), picture(3, 16)];
  const rows = (type: number, bits: number, bytes: number): Seed => ({
    bytes: joined(Uint8Array.of(0, 0, 0, 16, 0, 0, 0, 16, bits, type, 0, 0, 0), new Uint8Array(16 * (1 + bytes))),
    ending: "png",
    wrap: pngOf,
    head: [0, 13],
  });
  return Promise.resolve([
    ...files.map((bytes): Seed => ({ bytes, ending: "png" })),
    ...files.map((bytes): Seed => ({ bytes, ending: "png", wrap: withChecksums, head: [8, 60] })),
    ...[rows(0, 8, 16), rows(0, 1, 2), rows(2, 8, 48), rows(4, 8, 32), rows(2, 16, 96)],
  ]);
});

const jpeg = data(async () => {
  const { default: sharp } = await import("sharp");
  const image = () => sharp(NOISE.slice(0, 768), { raw: { width: 16, height: 16, channels: 3 } });
  const files = [
    await image().jpeg().toBuffer(),
    await image().jpeg({ progressive: true }).toBuffer(),
    await image().toColourspace("b-w").jpeg().toBuffer(),
    await image().withMetadata({ orientation: 6 }).jpeg({ chromaSubsampling: "4:4:4" }).toBuffer(),
  ];
  return files.map((bytes): Seed => ({ bytes: Uint8Array.from(bytes), ending: "jpg" }));
});

const webp = data(async () => {
  const { default: sharp } = await import("sharp");
  const image = () => sharp(NOISE, { raw: { width: 16, height: 16, channels: 4 } });
  const files = [
    await image().removeAlpha().webp().toBuffer(),
    await image().removeAlpha().webp({ lossless: true }).toBuffer(),
    await image().ensureAlpha(1).webp({ lossless: true }).toBuffer(),
  ];
  return files.map((bytes): Seed => ({ bytes: Uint8Array.from(bytes), ending: "webp", head: [0, 40] }));
});

const tar: Target = {
  async seeds() {
    const archive = pack();
    archive.entry({ name: "data/", type: "directory", mtime: new Date(0) });
    archive.entry({ name: "data/a.bin", mtime: new Date(0) }, Buffer.from("one"));
    archive.entry({ name: "data/" + "long/".repeat(30) + "b", mtime: new Date(0) }, Buffer.from("two".repeat(400)));
    archive.finalize();
    const bytes = joined(...await Array.fromAsync(archive as AsyncIterable<Uint8Array>));
    const head = [0, 1536] as const;
    return [{ bytes, ending: "tar.gz", wrap: tarOf, head }, { bytes, ending: "tar.gz", wrap: gzipped, head }, {
      bytes: tarOf(bytes),
      ending: "tar.gz",
    }];
  },
  async read(path) {
    const LIMIT = 1 << 20;
    for await (const member of filesOfTarGz(path, LIMIT)) {
      if (member.size <= LIMIT) await member.read(new Uint8Array(member.size));
    }
  },
};

/** A text of JSON that is parsed. */
function json(values: readonly unknown[], read: (json: unknown) => void): Target {
  return {
    seeds: () =>
      Promise.resolve(values.map((value) => ({ bytes: latin1(JSON.stringify(value, null, 2)), ending: "json" }))),
    // What is thrown becomes a rejection.
    read: (path, bytes) => Promise.try(() => read(parseBoundedJson(bytes, DESCRIPTION_BOUNDS, path))),
  };
}

const RECORDS = [{ n: 1.5, m: 2 }, { m: -3e-7, n: 4 }, { n: "5", m: 0 }];

const records = data(() => {
  const list = latin1(JSON.stringify(RECORDS, null, 1)),
    lines = latin1(RECORDS.map((x) => JSON.stringify(x)).join("\n"));
  return Promise.resolve([
    { bytes: list, ending: "json" },
    { bytes: lines, ending: "jsonl" },
    { bytes: lines, ending: "ndjson.gz", wrap: gzipped },
  ]);
});

/** Rows of cells of every kind. */
const CELLS = Array.from({ length: 30 }, (_, i) => ({
  ...{ id: i, mass: i % 7 === 0 ? null : 25 * (i * 11 % 30), class: ["a", 'b "', "c, d"][i % 3], is: i % 2 === 0 },
  ...{
    when: `2001-0${1 + i % 9}-${10 + i % 19}`,
    day: `${1 + i % 12}/${1 + i % 28}/98 ${i % 24}:30`,
    code: `0${i % 3}`,
  },
  ...{ sum: `${1 + i % 9},${100 + i}`, none: i % 2 ? "NA" : "?", text: `text ${i}`, twin: ["x", "y", "z"][i % 3] },
}));

const table: Target = {
  async seeds() {
    const names = Object.keys(CELLS[0]), rows = CELLS.map((row) => Object.values(row).map((cell) => `${cell ?? ""}`));
    const csv = (delimiter: string, end: string) =>
      latin1(
        [names, ...rows].map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(delimiter)).join(end),
      );
    const lines = CELLS.map((row) => JSON.stringify(row)).join("\n");
    const parquets = await Promise.all(
      ["text", "flag", "date", "time", "record", "encodings"].map(async (name): Promise<Seed[]> => {
        const bytes = await file(`${name}.parquet`), view = new DataView(bytes.buffer);
        const begin = bytes.length - 8 - view.getUint32(bytes.length - 8, true), rest = bytes.subarray(0, begin);
        const wrap = (part: Uint8Array) => joined(rest, part, integer(part.length, 4), latin1("PAR1"));
        return [
          { bytes, ending: "parquet", head: [4, 200] },
          { bytes: bytes.subarray(begin, -8), ending: "parquet", wrap },
        ];
      }),
    );
    return [
      { bytes: csv(",", "\n"), ending: "csv" },
      { bytes: csv(";", "\r\n"), ending: "csv", wrap: utf16 },
      { bytes: csv("\t", "\n"), ending: "tsv.gz", wrap: gzipped },
      { bytes: latin1(JSON.stringify(CELLS)), ending: "json" },
      { bytes: latin1(lines), ending: "jsonl" },
      { bytes: latin1(lines), ending: "json.gz", wrap: gzipped },
      ...parquets.flat(),
    ];
  },
  async read(path) {
    const opened = await openTable(path), inferred = await inferSchema(opened);
    describeColumns(inferred);
    // What was found is what is saved, and its own file is as it says.
    const schema = parseSchema(JSON.parse(JSON.stringify(inferred.schema)));
    await readCells(schema, opened);
  },
};

const tableSchema = json([{
  columns: [
    { name: "m", kind: "number", step: 25, decimals: 0, min: 0, max: 100, bounds: [0, 200], transform: "log" },
    { name: "c", kind: "class", levels: ["a", "b"], counts: [3, 4], bare: true },
    { name: "d", kind: "date", step: 1, offset: 0.5, format: "YYYY-MM-DD", min: 3, max: 5 },
  ],
  leftOut: [
    { name: "k", reason: "constant", value: "7", bare: true },
    { name: "t", reason: "duplicate", of: "c", levels: ["x", "y"] },
    { name: "n", reason: "text" },
  ],
  order: ["m", "c", "d", "k", "t", "n"],
  file: {
    ...{ kind: "csv", delimiter: ";", header: true, point: ",", quotes: "texts", quotedNames: true, newline: "\r\n" },
    ...{ mark: false, gzip: false, spaced: false, missing: "NA" },
  },
}], (json) => void parseSchema(json));
const tableTypes = json([
  {
    ...{ a: "class", b: { kind: "number", step: 25, transform: "log", bounds: [0, 9] } },
    ...{ c: { kind: "date", format: "M/D/YYYY" }, d: "drop", e: { kind: "class", levels: ["x", "y"] }, f: "id" },
  },
], (json) => void parseTypes(json));

const unet = json([DDPM_CIFAR10], (json) => void parseUnetConfig(json, "config.json"));
const schedule = json([DDPM_SCHEDULE], (json) => void parseSchedule(json, "scheduler_config.json"));
const shards = json([
  { metadata: { total_size: 3 }, weight_map: { a: "x-00001-of-00002.safetensors", b: "x-00002-of-00002.safetensors" } },
], (json) => void shardsOf(json, "index.json"));

const run: Target = {
  seeds: () =>
    Promise.resolve([{
      bytes: latin1(JSON.stringify(
        {
          ...{ task: "train:2d", dataset: "moons", denoiser: "residual", recipe: "default", decay: "cosine" },
          ...{ estimator: "difference", backend: "onnx-cpu", reference: "mixture", precision: "f32", proposal: "even" },
          ...{
            ema: 0.99,
            epochs: 3,
            patience: 2,
            validateEvery: 1,
            batchSize: 32,
            microBatchSize: 0,
            learningRate: 1e-3,
          },
          ...{ evalBatchSize: 64, validationLevels: 2, validationSamples: 100, logsnrLoc: 6, logsnrScale: 3, seed: 0 },
          ...{ threads: 2, datasetOptions: { points: 8000, noise: 0.1 }, denoiserOptions: { width: 8, blocks: 2 } },
        },
        null,
        2,
      )),
      ending: "json",
    }]),
  async read(_, bytes) {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeFile(`${folder}/config.json`, bytes);
      await readConfig(await RunFolder.open(folder));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** Everything that reads files of others, by format. */
export const TARGETS: Readonly<Record<string, Target>> = {
  ...{ csv, npy, npz, hdf5, mat, safetensors, parquet, torch, idx, png, jpeg, webp, tar },
  ...{ json: records, table, "table-schema": tableSchema, "table-types": tableTypes },
  ...{ "unet-config": unet, "scheduler-config": schedule, "weights-index": shards, "run-config": run },
};
