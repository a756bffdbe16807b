import { equal, ok } from "assert";
import { Random } from "../../../core/random/random.ts";
import { cholesky, congruence, inverseTranspose } from "../../../core/reference/cholesky.ts";

/** A·B, or A·Bᵀ, of `[d, d]` matrices. */
function product(a: Float64Array, b: Float64Array, d: number, transposed = false): Float64Array {
  return Float64Array.from({ length: d * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    let sum = 0;
    for (let k = 0; k < d; k++) sum += a[i * d + k] * b[transposed ? j * d + k : k * d + j];
    return sum;
  });
}

/** A positive definite matrix, whose upper triangle is not to be read. */
function positive(random: Random, d: number): { whole: Float64Array; lower: Float64Array } {
  const root = random.fillNormal(new Float64Array(d * d)), whole = product(root, root, d, true);
  for (let i = 0; i < d; i++) whole[i * d + i] += 0.1;
  return { whole, lower: whole.map((value, at) => at % d > Math.floor(at / d) ? NaN : value) };
}

function near(got: Float64Array, expected: ArrayLike<number>, tolerance: number): void {
  equal(got.length, expected.length);
  got.forEach((value, i) => ok(Math.abs(value - expected[i]) < tolerance, `${value} for ${expected[i]} at ${i}`));
}

for (const d of [1, 2, 7, 20]) {
  Deno.test(`factors of a covariance in ${d}-D give it back, whiten it, and carry others over`, () => {
    const random = Random.fromSeed(d), { whole, lower } = positive(random, d);
    const factor = cholesky(lower, d)!;
    near(product(factor, factor, d, true), whole, 1e-12 * d * d);
    factor.forEach((value, at) => ok(at % d <= Math.floor(at / d) || value === 0, "lower triangular"));

    const inverse = inverseTranspose(factor, d), identity = whole.map((_, at) => Number(at % (d + 1) === 0));
    inverse.forEach((value, at) => ok(at % d >= Math.floor(at / d) || value === 0, "upper triangular"));
    // Lᵀ·L⁻ᵀ = I, and a row x of N(0, A) is whitened by x·L⁻ᵀ: (L⁻ᵀ)ᵀ·A·L⁻ᵀ = I.
    const transposed = inverse.map((_, at) => inverse[(at % d) * d + Math.floor(at / d)]);
    near(product(transposed, factor, d), identity, 1e-9);
    near(product(product(transposed, whole, d), inverse, d), identity, 1e-9);

    const other = positive(random, d).whole, got = congruence(factor, other, d);
    near(got, product(product(factor, other, d), factor, d, true), 1e-11 * d * d);
    got.forEach((value, at) => equal(value, got[(at % d) * d + Math.floor(at / d)], "symmetric to the bit"));
  });
}

Deno.test("what is not positive definite has no factor", () => {
  for (const a of [[1, 0, 2, 1], [1, 0, 1, 1], [0, 0, 0, 0], [-1, 0, 0, 1], [NaN, 0, 0, 1], [1, 0, NaN, 1]]) {
    equal(cholesky(Float64Array.from(a), 2), undefined, `${a}`);
  }
});
