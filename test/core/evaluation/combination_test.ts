import { ok } from "assert";
import { ErrorForm, type Weights } from "../../../core/evaluation/combination.ts";
import { BLEND_NODES } from "../../../core/reference/blend.ts";
import { Random } from "../../../core/random/random.ts";

const RANGE = [-5, 7] as const, MEMBERS = 3;

/** Measurements of members whose errors share a part and have sizes of their own along the log SNRs. */
function measured(seed: number, n = 2000) {
  const random = Random.fromSeed(seed);
  const logsnr = random.fillUniform(new Float64Array(n)).map((u) => RANGE[0] + (RANGE[1] - RANGE[0]) * u);
  const products = new Float64Array(n * MEMBERS ** 2), e = new Float64Array(MEMBERS + 1);
  for (let i = 0; i < n; i++) {
    random.fillNormal(e);
    const errors = [1, 2, 3].map((size, m) => e[MEMBERS] + e[m] * (0.3 + Math.abs(logsnr[i] - 2 * size) / 5));
    errors.forEach((a, j) => errors.forEach((b, k) => products[(i * MEMBERS + j) * MEMBERS + k] = a * b));
  }
  return { logsnr, products };
}

const isSimplex = (weights: Weights) =>
  weights.length === BLEND_NODES &&
  weights.every((own) => own.every((w) => w >= 0) && Math.abs(own.reduce((a, b) => a + b) - 1) < 1e-9);

Deno.test("the error of weights is the sum of the combination's squared errors", () => {
  const { logsnr, products } = measured(1, 50), form = new ErrorForm(MEMBERS, RANGE);
  form.add({ logsnr, products });
  const random = Random.fromSeed(2);
  const weights = Array.from({ length: BLEND_NODES }, () => [...random.fillUniform(new Float64Array(MEMBERS))]);
  let direct = 0;
  logsnr.forEach((alpha, i) => {
    const at = (alpha - RANGE[0]) / (RANGE[1] - RANGE[0]) * (BLEND_NODES - 1), node = Math.floor(at), share = at - node;
    const own = weights[node].map((w, m) => (1 - share) * w + share * weights[node + 1][m]);
    own.forEach((a, j) => own.forEach((b, k) => direct += a * b * products[(i * MEMBERS + j) * MEMBERS + k]));
  });
  ok(Math.abs(form.error(weights) / direct - 1) < 1e-9, `${form.error(weights)} and ${direct}`);
});

Deno.test("the least error is on the simplex, and no step within it finds a smaller one", () => {
  const form = new ErrorForm(MEMBERS, RANGE);
  form.add(measured(3));
  const constant = form.leastConstant(), least = form.least(constant);
  ok(isSimplex(constant) && isSimplex(least));
  const best = form.error(least), random = Random.fromSeed(4);
  ok(best < form.error(constant) * 0.999);
  for (let trial = 0; trial < 500; trial++) {
    const towards = least.map(() => {
      const raw = random.fillUniform(new Float64Array(MEMBERS)).map((u) => -Math.log(1 - u));
      const sum = raw.reduce((a, b) => a + b);
      return [...raw].map((w) => w / sum);
    });
    for (const step of [1e-3, 0.1]) {
      const moved = least.map((own, k) => own.map((w, m) => (1 - step) * w + step * towards[k][m]));
      ok(form.error(moved) >= best * (1 - 1e-6), `${form.error(moved)} below ${best}`);
    }
  }
});

Deno.test("without measurements nothing is not a number", () => {
  const form = new ErrorForm(MEMBERS, RANGE);
  ok(isSimplex(form.least(form.leastConstant())));
});
