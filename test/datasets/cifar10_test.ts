import assert from "assert";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { UserError } from "../../core/errors/user_error.ts";
import { cacheFolder } from "../../core/io/cache.ts";
import { loadDataset } from "../../core/plugins/load.ts";
import { Random } from "../../core/random/random.ts";
import { type Samples, toFloat32 } from "../../core/data/samples.ts";
import { type CifarContext, load } from "../../datasets/cifar10/mod.ts";
import { gzip, type Member, tarOf } from "../core/io/archives.ts";
import { sendFile, serve } from "../core/io/file_server.ts";
import { inFolder, namesIn } from "../folders.ts";

/** The layout of CIFAR-10's binary version with 20 records in each file. */
const ARCHIVE = fileURLToPath(new URL("../reference/datasets/cifar-10-binary.tar.gz", import.meta.url));

/** SHA-256 of the pixels, as bytes, in the reference's cifar.safetensors. */
const TRAIN_SHA256 = "b9bf1db1623f5eaf4f5b49001a40742573aa6c1363ebd381ff776054323d85ca";
const TEST_SHA256 = "d9baaf419441ae74608a31e25521825f902c36dd194602b8dcf92d2657b81071";

/** The seed's values of pixels 1000 to 1005 of training image 3, and the bound on their rounding. */
const VALUES = [-0.7411764860, -0.7490196228, -0.7176470757, -0.6705882549, -0.6235294342, -0.6235294342];
const ROUNDING = 2.5e-7;

const RECORD = 3073;
const NAMES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
  .map((name) => `${name}.bin`);

const random = Random.fromSeed(0);
const loaded = (data: string, context?: CifarContext) => load(random, { data }, context);

function hashOf(samples: Samples): string {
  const bytes = Uint8Array.from(toFloat32(samples), (value) => Math.round((value + 1) * 127.5));
  return createHash("sha256").update(bytes).digest("hex");
}

/** A file of records whose pixels are all the label. */
function recordsOf(labels: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: labels.length * RECORD }, (_, i) => labels[Math.floor(i / RECORD)]);
}

/** The published files, each with one record, but for those that are given. */
function filesOf(changed: Readonly<Record<string, Uint8Array<ArrayBuffer> | undefined>> = {}): Member[] {
  return Object.entries({ ...Object.fromEntries(NAMES.map((name, i) => [name, recordsOf([i])])), ...changed })
    .flatMap(([name, contents]) => contents ? [{ name, contents }] : []);
}

async function refuses(data: string, pattern: RegExp): Promise<void> {
  await assert.rejects(loaded(data), (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

Deno.test("the archive's images are the reference's", async () => {
  const { shape, train, validation, range, delta } = await loaded(ARCHIVE);
  assert.deepEqual([shape, range, delta, train.count, validation.count], [[3, 32, 32], [-1, 1], 2 / 255, 100, 20]);
  assert.equal(hashOf(train), TRAIN_SHA256);
  assert.equal(hashOf(validation), TEST_SHA256);
  const image = toFloat32(train, 3, 4);
  VALUES.forEach((value, i) => assert.ok(Math.abs(image[1000 + i] - value) <= ROUNDING, `pixel ${1000 + i}`));
});

Deno.test("the plugin loads by its name, from a folder or an archive in any order", () =>
  inFolder(async (folder) => {
    const lengths = { "data_batch_2.bin": recordsOf([7, 8]), "data_batch_5.bin": recordsOf([9, 9, 1]) };
    const files = filesOf(lengths);
    for (const { name, contents } of files) await Deno.writeFile(`${folder}/${name}`, contents as Uint8Array);
    await Deno.writeFile(`${folder}/a.tgz`, await gzip(await tarOf(...files.toReversed())));
    const plugin = await loadDataset("cifar10");
    for (const data of [folder, `${folder}/a.tgz`]) {
      const { train, validation } = await plugin.load(random, { data });
      const firsts = (samples: Samples) =>
        Array.from({ length: samples.count }, (_, i) => Math.round((toFloat32(samples, i, i + 1)[0] + 1) * 127.5));
      assert.deepEqual(firsts(train), [0, 7, 8, 2, 3, 9, 9, 1]);
      assert.deepEqual(firsts(validation), [5]);
    }
  }));

Deno.test("files that are not CIFAR-10's are refused, from a folder and from an archive", () =>
  inFolder(async (folder) => {
    const cases: [Parameters<typeof filesOf>[0], RegExp][] = [
      [
        { "data_batch_2.bin": undefined, "data_batch_4.bin": undefined },
        /has no data_batch_2\.bin, data_batch_4\.bin\./,
      ],
      [{ "test_batch.bin": undefined }, /has no test_batch\.bin\./],
      [{ "data_batch_1.bin": new Uint8Array() }, /data_batch_1\.bin has 0 bytes, expected a multiple of 3073/],
      [{ "data_batch_1.bin": recordsOf([1]).subarray(1) }, /data_batch_1\.bin has 3072 bytes, expected a multiple/],
      [
        { "data_batch_1.bin": new Uint8Array(30_733_073) },
        /has 30733073 bytes, expected a multiple of 3073 up to 30730000/,
      ],
      [
        { "test_batch.bin": recordsOf([1, 10]) },
        /record 1 \(from 0\) of test_batch\.bin has the label 10, expected 0 to 9/,
      ],
    ];
    for (const [i, [changed, pattern]] of cases.entries()) {
      const path = `${folder}/${i}`, files = filesOf(changed);
      await Deno.mkdir(path);
      for (const { name, contents } of files) await Deno.writeFile(`${path}/${name}`, contents as Uint8Array);
      await refuses(path, pattern);
      await Deno.writeFile(`${path}.tar.gz`, await gzip(await tarOf(...files)));
      await refuses(`${path}.tar.gz`, pattern);
    }
    const twice = [...filesOf(), { name: "again/test_batch.bin", contents: recordsOf([1]) }];
    await Deno.writeFile(`${folder}/twice.tar.gz`, await gzip(await tarOf(...twice)));
    await refuses(`${folder}/twice.tar.gz`, /has test_batch\.bin twice/);
    await refuses(`${folder}/none`, /^There is no .*none\. Check the path of --data/);
    await Deno.writeTextFile(`${folder}/text`, "no archive");
    await refuses(`${folder}/text`, /is not a whole \.tar\.gz archive/);
  }));

Deno.test("a damaged archive gives images or one line", () =>
  inFolder(async (folder) => {
    const tar = await tarOf(...filesOf()), path = `${folder}/a.tar.gz`;
    const pick = random.split("damage");
    for (let i = 0; i < 60; i++) {
      const damaged = tar.slice();
      // Headers, of which there are few, are what a parser may stumble over.
      for (let n = 0; n < 3; n++) {
        damaged[pick.integer(2) ? pick.integer(512) : pick.integer(tar.length)] = pick.integer(256);
      }
      await Deno.writeFile(path, await gzip(i % 4 === 0 ? damaged.subarray(0, pick.integer(tar.length)) : damaged));
      try {
        const { train } = await loaded(path);
        assert.equal(train.count, 5);
      } catch (error) {
        assert.ok(error instanceof UserError, String(error));
      }
    }
  }));

Deno.test("the published archive is downloaded once; another one is refused by its MD5", () =>
  inFolder(async (folder) => {
    const bytes = await Deno.readFile(ARCHIVE);
    await using server = serve((request) => sendFile(request, bytes));
    const context = { address: `${server.url}/cifar-10-binary.tar.gz`, cache: folder, onProgress() {} };
    const failed = loaded("", context);
    await assert.rejects(failed, /has the digest md5:[0-9a-f]{32}, expected md5:c32a1d4ab5d03f1284b67883e8d87530/);
    assert.deepEqual(await namesIn(folder), []);
    // One that is there was checked when it came.
    await Deno.copyFile(ARCHIVE, `${folder}/cifar-10-binary.tar.gz`);
    assert.equal((await loaded("", context)).train.count, 100);
    assert.equal(server.seen.length, 1);
  }));

Deno.test("the cache lies where the environment says, or where the system keeps caches", () => {
  const env = (values: Record<string, string>) => (name: string): string | undefined => values[name];
  assert.equal(cacheFolder(env({ ITDIFFUSION_CACHE: "/caches/own", XDG_CACHE_HOME: "/caches" })), "/caches/own");
  if (Deno.build.os === "linux") assert.equal(cacheFolder(env({ XDG_CACHE_HOME: "/caches" })), "/caches/itdiffusion");
  assert.match(cacheFolder(env({})), /itdiffusion$/);
});

Deno.test("the labels are what is known of the pictures, where they are asked for", async () => {
  const plain = await loaded(ARCHIVE), told = await load(random, { data: ARCHIVE, condition: "label" });
  assert.equal(plain.train.condition, undefined);
  assert.equal(hashOf(told.train), TRAIN_SHA256);
  const [label] = told.condition!;
  assert.ok(label.kind === "class" && label.levels.length === 10 && label.counts.reduce((a, b) => a + b) === 100);
  await inFolder(async (folder) => {
    const archive = `${folder}/a.tar.gz`;
    await Deno.writeFile(archive, await gzip(await tarOf(...filesOf({ "data_batch_1.bin": recordsOf([7, 3]) }))));
    const { train, validation } = await load(random, { data: archive, condition: "label" });
    const rows = toFloat32(train.condition!), pixels = toFloat32(train);
    for (let i = 0; i < train.count; i++) {
      const own = Math.round((pixels[i * 3072] + 1) * 127.5);
      assert.deepEqual([...rows.subarray(i * 11, (i + 1) * 11)], [
        1,
        ...Array.from({ length: 10 }, (_, k) => Number(k === own)),
      ]);
    }
    assert.equal(toFloat32(validation.condition!)[6], 1);
  });
  await assert.rejects(
    load(random, { data: ARCHIVE, condition: "age" }),
    /--condition is age, but what CIFAR-10 knows/,
  );
});
