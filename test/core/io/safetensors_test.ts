import assert from "assert";
import { join } from "node:path";
import {
  encodeSafetensors,
  hostTensors,
  openTensor,
  parseSafetensors,
  readSafetensors,
  readTensor,
  SafetensorsError,
  tensorNames,
} from "../../../core/io/safetensors.ts";
import { inFolder } from "../../folders.ts";

const REFERENCE = new URL("../../reference/mlp_noembed/", import.meta.url).pathname;

/** A file with the given header text, padded as the format has it, and `dataBytes` zeros. */
function fileOf(header: string, dataBytes = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function entry(dtype: string, shape: unknown, begin: unknown, end: unknown): unknown {
  return { dtype, shape, data_offsets: [begin, end] };
}

function assertDamaged(bytes: Uint8Array, pattern: RegExp) {
  assert.throws(() => parseSafetensors(bytes, "some.safetensors"), (error) => {
    assert.ok(error instanceof SafetensorsError, String(error));
    assert.match(error.message, pattern);
    assert.match(error.message, /^some\.safetensors: /);
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

Deno.test("every dtype, scalars and empty tensors survive a round trip", () => {
  const tensors = {
    "a.weight": { shape: [2, 3], data: new Float32Array([1, -0, NaN, Infinity, 1e-45, 3]) },
    scalar: { shape: [], data: new Float32Array([7]) },
    none: { shape: [0, 4], data: new Float32Array(0) },
    doubles: { shape: [2], data: new Float64Array([Math.PI, -1e300]) },
    ints: { shape: [3], data: new Int32Array([-1, 0, 2 ** 31 - 1]) },
    longs: { shape: [2], data: new BigInt64Array([-1n, 2n ** 62n]) },
    bytes: { shape: [5], data: new Uint8Array([0, 1, 2, 254, 255]) },
  };
  const metadata = { format: "pt", "ключ \n": '"value"' };
  const file = parseSafetensors(encodeSafetensors(tensors, metadata), "round trip");
  assert.deepEqual(file, { tensors, metadata });
  assert.ok(file.tensors.longs.data instanceof BigInt64Array);
});

Deno.test("the encoding does not depend on the order of the input, and its header is padded to eight bytes", () => {
  const [a, b] = [{ shape: [1], data: new Float32Array([1]) }, { shape: [3], data: new Uint8Array([1, 2, 3]) }];
  const bytes = encodeSafetensors({ a, b }, { x: "1", y: "2" });
  assert.deepEqual(encodeSafetensors({ b, a }, { y: "2", x: "1" }), bytes);
  assert.equal(new DataView(bytes.buffer).getBigUint64(0, true) % 8n, 0n);
});

Deno.test("a file of the Python library is read, and encoded again bit for bit", async () => {
  for (const name of ["weights.safetensors", "after_1_steps.safetensors"]) {
    const { tensors, metadata } = await readSafetensors(REFERENCE + name);
    assert.deepEqual(tensors["layers.0.weight"].shape, [16, 3]);
    assert.equal(Object.keys(tensors).length, 8);
    const copy = encodeSafetensors(Object.fromEntries(Object.entries(tensors).reverse()), metadata);
    assert.deepEqual(copy, await Deno.readFile(REFERENCE + name));
  }
});

Deno.test("aligned float32 data is a view of the file, unaligned data a copy", () => {
  const bytes = encodeSafetensors({ x: { shape: [2], data: new Float32Array([1.5, -2]) } });
  assert.equal(parseSafetensors(bytes, "x").tensors.x.data.buffer, bytes.buffer);
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  const { x } = parseSafetensors(shifted.subarray(1), "x").tensors;
  assert.deepEqual(x.data, new Float32Array([1.5, -2]));
  assert.notEqual(x.data.buffer, shifted.buffer);
});

Deno.test("a view of a larger array is encoded alone", () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const file = parseSafetensors(encodeSafetensors({ x: { shape: [2], data } }), "x");
  assert.deepEqual(file.tensors.x.data, new Float32Array([1, 2]));
});

Deno.test("names of Object's own members are ordinary names", () => {
  const one = { shape: [1], data: new Float32Array([1]) };
  const tensors = Object.fromEntries([["__proto__", one], ["constructor", one], ["a b", one]]);
  const file = parseSafetensors(encodeSafetensors(tensors, Object.fromEntries([["__proto__", "x"]])), "x");
  assert.deepEqual(Object.keys(file.tensors).sort(), ["__proto__", "a b", "constructor"]);
  assert.deepEqual(Object.keys(file.metadata), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(file.tensors), Object.prototype);
});

Deno.test("what cannot be stored is refused", () => {
  const data = new Float32Array(2);
  assert.throws(() => encodeSafetensors({ x: { shape: [3], data } }), /"x" has the shape \[3\] but 2 values/);
  assert.throws(() => encodeSafetensors({ "__metadata__": { shape: [2], data } }), SafetensorsError);
  assert.throws(() => encodeSafetensors({ "\ud800": { shape: [2], data } }), SafetensorsError);
});

Deno.test("a pointer of Git LFS is told from a damaged file", async () => {
  const pointer = new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 143\n");
  const message = /is a pointer of Git LFS, not the file itself\. Run git lfs pull where it was cloned, or download/;
  assert.throws(() => parseSafetensors(pointer, "x.safetensors"), { name: "SafetensorsError", message });
  await inFolder(async (folder) => {
    const path = join(folder, "x.safetensors");
    await Deno.writeFile(path, pointer);
    await assert.rejects(readSafetensors(path), { name: "SafetensorsError", message });
    await assert.rejects(openTensor(path, "x", path), { message });
  });
});

Deno.test("each kind of corruption is named", () => {
  const header = (tensors: Record<string, unknown>) => JSON.stringify(tensors);
  const f = (begin: unknown, end: unknown, shape: unknown = [1]) => entry("F32", shape, begin, end);
  assertDamaged(new Uint8Array(0), /it has 0 bytes/);
  assertDamaged(new Uint8Array(7), /it has 7 bytes/);
  assertDamaged(new Uint8Array(8), /not valid JSON/);
  assertDamaged(new Uint8Array(16).fill(255), /claims 18446744073709551615 bytes, but at most/);
  assertDamaged(new Uint8Array([200, 0, 0, 0, 0, 0, 0, 0, 0]), /claims 200 bytes, but only 1 follow/);
  assertDamaged(fileOf("[]"), /not a JSON object/);
  assertDamaged(fileOf("null"), /not a JSON object/);
  assertDamaged(fileOf(' {"x":1}'), /not a JSON object/);
  assertDamaged(fileOf("{"), /not valid JSON/);
  assertDamaged(fileOf("[".repeat(100_000)), /nests more deeply/);
  assertDamaged(fileOf(`{"x":[${"[],".repeat(600_000)}1]}`), /its header holds more than the 1000000 values/);
  assertDamaged(new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x28]), /not valid UTF-8/);
  assertDamaged(fileOf('{"x":1,"y":{},"\\u0078":2}'), /key "x" twice/);
  assertDamaged(fileOf('{"x":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4), /"dtype" twice/);
  assertDamaged(fileOf(header({ x: 1 })), /"x" is not described by an object/);
  assertDamaged(fileOf(header({ x: [] })), /"x" is not described by an object/);
  assertDamaged(fileOf(header({ x: { shape: [1] } })), /"x" has no dtype/);
  assertDamaged(fileOf(header({ x: entry("F8_E4M3", [1], 0, 1) }), 1), /dtype "F8_E4M3", but only F32.*Convert/);
  assertDamaged(fileOf(header({ x: entry("toString", [1], 0, 2) }), 2), /dtype "toString"/);
  for (const shape of [1, "1", [-1], [0.5], [null], [1e300], { 0: 1 }]) {
    assertDamaged(fileOf(header({ x: f(0, 4, shape) }), 4), /shape of tensor "x" is not a list of whole numbers/);
  }
  assertDamaged(fileOf(header({ x: f(0, 4, [2 ** 40, 2 ** 40]) }), 4), /shape of tensor "x" overflows/);
  assertDamaged(fileOf(header({ x: f(0, 4, [2]) }), 4), /"x" has 4 bytes, but F32 of shape \[2\] takes 8/);
  for (const [begin, end] of [["0", 4], [-4, 0], [0, 1.5]]) {
    assertDamaged(fileOf(header({ x: f(begin, end) }), 4), /data_offsets of tensor "x" are not/);
  }
  assertDamaged(fileOf(header({ x: { dtype: "F32", shape: [1], data_offsets: [0, 4, 4] } }), 4), /data_offsets/);
  assertDamaged(fileOf(header({ x: f(4, 0) }), 4), /begins at byte 4, after its end/);
  assertDamaged(fileOf(header({ x: f(0, 4) }), 3), /ends at byte 4, but the data has 3/);
  assertDamaged(fileOf(header({ x: f(0, 4), y: f(8, 12) }), 12), /"y" begins at byte 8 and leaves a hole/);
  assertDamaged(fileOf(header({ x: f(0, 8, [2]), y: f(4, 8) }), 8), /"y" begins at byte 4 and overlaps/);
  assertDamaged(fileOf(header({ x: f(4, 8) }), 8), /leaves a hole/);
  assertDamaged(fileOf(header({ x: f(0, 4) }), 5), /tensors take 4 bytes, but the data has 5/);
  assertDamaged(fileOf(header({ "__metadata__": [] })), /__metadata__ is not an object/);
  assertDamaged(fileOf(header({ "__metadata__": { a: 1 } })), /__metadata__ entry "a" is not a string/);
  assertDamaged(fileOf(header({ ["n\n".repeat(5000)]: 1 })), /…" is not described/);
});

Deno.test("reading names the path that is missing, a folder, or damaged", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assert.rejects(readSafetensors(`${folder}/none.safetensors`), /Cannot read .*none.*: there is no such file/);
    await assert.rejects(readSafetensors(folder), SafetensorsError);
    const path = `${folder}/cut.safetensors`;
    const whole = await Deno.readFile(REFERENCE + "weights.safetensors");
    for (const length of [0, 5, 8, 300, whole.length - 1]) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await assert.rejects(readSafetensors(path), (error) => {
        assert.ok(error instanceof SafetensorsError && error.message.startsWith(path), String(error));
        return true;
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("F16 and BF16 are read as the float32 of the same value, wherever they lie", () => {
  const half = new Uint8Array(Float16Array.of(1, -0, 65504, 2 ** -24, Infinity, NaN).buffer);
  const top = new Uint8Array(Uint16Array.of(0x3f80, 0x8000, 0x7f7f, 0xff80).buffer);
  for (const pad of ["", " "]) {
    const header = JSON.stringify({ h: entry("F16", [2, 3], 0, 12), b: entry("BF16", [4], 12, 20) }) + pad;
    const bytes = fileOf(header, 20);
    bytes.set(half, bytes.length - 20);
    bytes.set(top, bytes.length - 8);
    const { h, b } = parseSafetensors(bytes, "x").tensors;
    assert.ok(h.data instanceof Float32Array && b.data instanceof Float32Array);
    assert.deepEqual([h.shape, [...h.data]], [[2, 3], [1, -0, 65504, 2 ** -24, Infinity, NaN]]);
    assert.deepEqual([...b.data], [1, -0, 3.3895313892515355e38, -Infinity]);
  }
  assertDamaged(
    fileOf(JSON.stringify({ x: entry("F16", [3], 0, 4) }), 4),
    /"x" has 4 bytes, but F16 of shape \[3\] takes 6/,
  );
});

Deno.test("one tensor is read alone, as data", async () => {
  const path = new URL("../../reference/files/tensors.safetensors", import.meta.url).pathname;
  const { tensors } = await readSafetensors(path);
  assert.deepEqual((await tensorNames(path)).sort(), Object.keys(tensors).sort());
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    assert.deepEqual(await readTensor(path, name, "x"), { shape, data }, name);
  }
  await assert.rejects(readTensor(path, "nothing", "x"), /has no tensor "nothing"\. It has: .*transposed/);
  await assert.rejects(tensorNames(`${path}.none`), SafetensorsError);
});

Deno.test("host tensors must be float32", () => {
  const x = { shape: [1], data: new Float32Array([1]) };
  const i = { shape: [1], data: new Int32Array([1]) };
  assert.deepEqual(hostTensors({ tensors: { x }, metadata: {} }, "file"), { x });
  assert.throws(() => hostTensors({ tensors: { x, i }, metadata: {} }, "file"), /file: tensor "i" is I32/);
});

/** Mulberry32: uniform on [0, 1). */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

Deno.test("damaged bytes give a valid file or a SafetensorsError, never anything else", () => {
  const random = generator(1);
  const below = (n: number) => Math.floor(random() * n);
  const whole = encodeSafetensors({
    "a.weight": { shape: [3, 2], data: new Float32Array(6) },
    "b": { shape: [2], data: new BigInt64Array(2) },
    "c": { shape: [5], data: new Uint8Array(5) },
  }, { format: "pt" });
  const headerBytes = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
  const alphabet = '{}[]",:0123456789-.eE\\ntfu BF32I64U8dtypeshape';
  let refused = 0;
  for (let i = 0; i < 6000; i++) {
    let bytes = whole.slice();
    const kind = i % 4;
    if (kind === 0) bytes = bytes.slice(0, below(bytes.length));
    else if (kind === 1) { for (let n = 1 + below(4); n > 0; n--) bytes[below(headerBytes)] = below(256); }
    else if (kind === 2) bytes[8 + below(headerBytes - 8)] = alphabet.charCodeAt(below(alphabet.length));
    else {bytes = fileOf(Array.from({ length: below(60) }, () => alphabet[below(alphabet.length)]).join(""), below(20))
        .slice();}
    try {
      const { tensors } = parseSafetensors(bytes, "fuzz");
      const size = Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
      assert.ok(size <= 2 * bytes.length, "float16 becomes float32");
    } catch (error) {
      assert.ok(error instanceof SafetensorsError, `case ${i}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > 3000, `only ${refused} of 6000 were refused`);
});
