import assert from "assert";
import { philox4x32, Random } from "../../../core/random/random.ts";

const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
const draw = (random: Random, n: number) => Array.from({ length: n }, () => random.uint32());

Deno.test("philox4x32 gives Random123's known answers", () => {
  const ones = 0xffffffff;
  assert.equal(hex(philox4x32([0, 0, 0, 0], [0, 0])), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  assert.equal(hex(philox4x32([ones, ones, ones, ones], [ones, ones])), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  assert.equal(
    hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

Deno.test("a seed is the key and the position the counter", () => {
  assert.equal(hex(draw(Random.fromSeed(0), 4)), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  const random = Random.fromSeed(2 ** 32 * 5 + 7);
  random.seek(2 ** 34 * 3 + 4);
  assert.deepEqual(draw(random, 4), philox4x32([1, 3, 0, 0], [7, 5]));
  const fill = Random.fromSeed(2 ** 32 * 5 + 7);
  fill.seek(2 ** 34 * 3 + 4);
  const expected = philox4x32([1, 3, 0, 0], [7, 5]).map((word) => (word + 0.5) / 2 ** 32);
  assert.deepEqual([...fill.fillUniform(new Float64Array(4))], expected);
});

Deno.test("the same seed gives the same numbers, another seed others", () => {
  assert.deepEqual(draw(Random.fromSeed(3), 9), draw(Random.fromSeed(3), 9));
  assert.notDeepEqual(draw(Random.fromSeed(3), 9), draw(Random.fromSeed(4), 9));
});

Deno.test("a seed that is not a whole number from 0 on is refused", () => {
  for (const seed of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => Random.fromSeed(seed), { name: "RangeError", message: new RegExp(`The seed is ${seed},`) });
  }
});

Deno.test("split depends on the label and the key, not on the position, and draws nothing", () => {
  const random = Random.fromSeed(1);
  const before = random.split("data").state;
  const first = random.uint32();
  assert.deepEqual(random.split("data").state, before);
  assert.equal(Random.fromSeed(1).uint32(), first);
  assert.notDeepEqual(Random.fromSeed(2).split("data").state.key, before.key);
});

Deno.test("all labels give different streams", () => {
  const random = Random.fromSeed(1);
  const labels = [
    "",
    "0",
    "1",
    "a",
    "b",
    "ab",
    "a\0",
    "a\0\0\0\0\0\0\0\0",
    "12345678",
    "123456789",
    "é",
    0,
    1,
    2,
    -1,
    0.5,
  ];
  const keys = labels.map((label) => random.split(label).state.key.join());
  keys.push(random.state.key.join(), random.split("a").split("b").state.key.join());
  assert.equal(new Set(keys).size, keys.length);
  assert.deepEqual(random.split(-0).state, random.split(0).state);
});

Deno.test("streams of neighbouring labels and the parent's are uncorrelated", () => {
  const n = 20_000, random = Random.fromSeed(5);
  const streams = [random, random.split(0), random.split(1), random.split("0"), random.split("1")]
    .map((stream) => stream.fillNormal(new Float64Array(n)));
  for (let i = 0; i < streams.length; i++) {
    for (let j = 0; j < i; j++) {
      const correlation = streams[i].reduce((sum, x, k) => sum + x * streams[j][k], 0) / n;
      assert.ok(Math.abs(correlation) < 4.5 / Math.sqrt(n), `streams ${i} and ${j}: ${correlation}`);
    }
  }
});

Deno.test("a generator restored from its JSON state goes on alike, also amid a block", () => {
  for (const words of [0, 1, 2, 3, 4, 7]) {
    const random = Random.fromSeed(11).split("x");
    draw(random, words);
    const copy = Random.restore(JSON.parse(JSON.stringify(random.state)));
    assert.deepEqual(copy.fillNormal(new Float64Array(5)), random.fillNormal(new Float64Array(5)));
    assert.deepEqual(draw(copy, 5), draw(random, 5));
    assert.deepEqual(copy.state, random.state);
  }
});

Deno.test("a state that is damaged is refused with the field named", () => {
  const good = Random.fromSeed(1).state;
  for (const state of [null, 3, "x", {}, { ...good, algorithm: "mt19937" }]) {
    assert.throws(() => Random.restore(state), { name: "TypeError", message: /saved algorithm is/ });
  }
  for (const key of [undefined, [1], [1, 2, 3], [1, -1], [1, 0.5], [1, 2 ** 32], ["1", 2]]) {
    assert.throws(() => Random.restore({ ...good, key }), { name: "TypeError", message: /saved key is/ });
  }
  for (const position of [undefined, -1, 0.5, "0", 2 ** 53]) {
    assert.throws(() => Random.restore({ ...good, position }), { name: "TypeError", message: /saved position is/ });
  }
});

Deno.test("seek equals skipping", () => {
  for (const position of [0, 1, 2, 3, 4, 5, 10, 17]) {
    const skipped = Random.fromSeed(9), sought = Random.fromSeed(9);
    draw(skipped, position);
    sought.seek(position);
    assert.deepEqual(draw(sought, 6), draw(skipped, 6));
  }
  assert.throws(() => Random.fromSeed(1).seek(-1), { name: "RangeError", message: /position is -1/ });
});

Deno.test("fills of any start and length equal the stream's numbers one by one", () => {
  const whole = Random.fromSeed(2).fillUniform(new Float64Array(40));
  for (const start of [0, 1, 2, 3, 4, 6]) {
    for (const length of [0, 1, 2, 3, 4, 5, 8, 13]) {
      const random = Random.fromSeed(2);
      random.seek(start);
      assert.deepEqual(random.fillUniform(new Float64Array(length)), whole.slice(start, start + length));
      assert.equal(random.state.position, start + length);
      assert.equal(random.uniform(), whole[start + length]);
    }
  }
});

Deno.test("normals start at even positions and take two words a pair", () => {
  const whole = Random.fromSeed(2).fillNormal(new Float64Array(40));
  for (const start of [0, 1, 2, 3, 4, 5, 6]) {
    for (const length of [0, 1, 2, 3, 4, 5, 8, 13]) {
      const random = Random.fromSeed(2), aligned = start + start % 2;
      random.seek(start);
      assert.deepEqual(random.fillNormal(new Float64Array(length)), whole.slice(aligned, aligned + length));
      assert.equal(random.state.position, length === 0 ? start : aligned + length + length % 2);
    }
  }
  const random = Random.fromSeed(2);
  assert.deepEqual([random.normal(), random.normal()], [whole[0], whole[2]]);
});

Deno.test("a float32 fill is the float64 one rounded, and stays below 1", () => {
  const float32 = Random.fromSeed(8).fillUniform(new Float32Array(1000));
  assert.deepEqual(float32, new Float32Array(Random.fromSeed(8).fillUniform(new Float64Array(1000))));
  // A stream position whose word is so large that rounding alone would give 1.
  const random = Random.fromSeed(0), position = 44_126_575;
  random.seek(position);
  assert.equal(Math.fround(random.uniform()), 1);
  for (const start of [position, position - position % 4]) {
    random.seek(start);
    const filled = random.fillUniform(new Float32Array(8));
    assert.equal(filled[position - start], 1 - 2 ** -24);
  }
});

/** The largest distance between the empirical distribution of sorted `values` and `cdf` (Kolmogorov's statistic). */
function kolmogorov(values: Float64Array, cdf: (x: number) => number): number {
  const n = values.length;
  return values.sort().reduce((d, x, i) => Math.max(d, cdf(x) - i / n, (i + 1) / n - cdf(x)), 0);
}

Deno.test("uniform numbers have the moments and the distribution of uniform ones", () => {
  const n = 100_000, values = Random.fromSeed(21).fillUniform(new Float64Array(n));
  for (let k = 1; k <= 4; k++) {
    const moment = values.reduce((sum, x) => sum + x ** k, 0) / n;
    const error = Math.sqrt((1 / (2 * k + 1) - 1 / (k + 1) ** 2) / n);
    assert.ok(Math.abs(moment - 1 / (k + 1)) < 4 * error, `moment ${k}: ${moment}`);
  }
  const d = kolmogorov(values, (x) => x);
  assert.ok(d < 1.95 / Math.sqrt(n) && d > 0.2 / Math.sqrt(n), `${d}`);
});

Deno.test("normal numbers have the moments and the distribution of normal ones", () => {
  const n = 100_000, values = Random.fromSeed(22).fillNormal(new Float64Array(n));
  const expected = [0, 1, 0, 3, 0, 15], variance = [1, 2, 15, 96, 945, 10170];
  expected.forEach((moment, i) => {
    const got = values.reduce((sum, x) => sum + x ** (i + 1), 0) / n;
    assert.ok(Math.abs(got - moment) < 4 * Math.sqrt(variance[i] / n), `moment ${i + 1}: ${got}`);
  });
  const pairs = values.reduce((sum, x, i) => i % 2 ? sum + x * values[i - 1] : sum, 0) / (n / 2);
  assert.ok(Math.abs(pairs) < 4 / Math.sqrt(n / 2), `correlation within a pair: ${pairs}`);
  const d = kolmogorov(values, normalCdf);
  assert.ok(d < 1.95 / Math.sqrt(n) && d > 0.2 / Math.sqrt(n), `${d}`);
});

/** Φ by its Taylor series around 0, exact enough for |x| < 6. */
function normalCdf(x: number): number {
  let term = x, sum = x;
  for (let k = 1; Math.abs(term) > 1e-17; k++) sum += term *= x * x / (2 * k + 1);
  return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}

Deno.test("integer is unbiased and within range", () => {
  const random = Random.fromSeed(4), counts = new Array(7).fill(0), n = 70_000;
  for (let i = 0; i < n; i++) counts[random.integer(7)]++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - n / 7) ** 2 / (n / 7), 0);
  assert.ok(chiSquare < 22.5, `χ² of 6 degrees of freedom: ${chiSquare}`);
  // Of three quarters of all words the top quarter must be rejected: folding it over would favour the low third.
  const range = 3 * 2 ** 30, low = Array.from({ length: 3000 }, () => random.integer(range)).filter((i) => i < 2 ** 30);
  assert.ok(Math.abs(low.length - 1000) < 4 * Math.sqrt(3000 * 2 / 9), `${low.length} of 3000 in the low third`);
  assert.equal(random.integer(1), 0);
  for (const bad of [0, -1, 1.5, NaN, 2 ** 32 + 1]) assert.throws(() => random.integer(bad), { name: "RangeError" });
});

Deno.test("permutation is one, and each order of three is as likely", () => {
  const random = Random.fromSeed(6);
  assert.deepEqual([...random.permutation(1000).sort()], Array.from({ length: 1000 }, (_, i) => i));
  assert.deepEqual([...random.permutation(0)], []);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random.permutation(3).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 20.5, `χ² of 5 degrees of freedom: ${chiSquare}`);
  assert.throws(() => random.permutation(-1), { name: "RangeError", message: /length is -1/ });
});

Deno.test("tensors have the shape and range asked for", () => {
  const uniform = Random.fromSeed(1).uniformTensor([3, 500], -2, 5);
  assert.deepEqual([uniform.shape, uniform.data.length], [[3, 500], 1500]);
  assert.ok(uniform.data.every((x) => x >= -2 && x <= 5));
  assert.ok(Math.min(...uniform.data) < -1.9 && Math.max(...uniform.data) > 4.9);
  const normal = Random.fromSeed(1).normalTensor([2, 3]);
  assert.deepEqual(normal, { shape: [2, 3], data: Random.fromSeed(1).fillNormal(new Float32Array(6)) });
});
