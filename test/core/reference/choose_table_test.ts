import { equal, ok } from "assert";
import { floatSamples, selectRows, toFloat32 } from "../../../core/data/samples.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { Random } from "../../../core/random/random.ts";
import { chooseTable } from "../../../core/reference/choose_table.ts";
import { fitTable, levelShares, startingTable, tableRows } from "../../../core/reference/fit_table.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import { mixtureNll, referenceNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { TableConditionals } from "../../../core/reference/table_conditionals.ts";
import { covarianceOfGaussian, marginals } from "../../../core/reference/table_mixture.ts";
import { tableSamples } from "../../../core/rows/table_coding.ts";
import { gaussianTable, knownGaussian } from "../rows/gaussian_table.ts";
import { mixedTable } from "./mixed_table.ts";

/** −log p of the known values of rows, from the covariance itself. */
function truthOf(cells: Float64Array, mean: Float64Array, covariance: Float64Array): Float64Array {
  const d = mean.length;
  return Float64Array.from({ length: cells.length / d }, (_, row) => {
    const known = Array.from({ length: d }, (_, j) => j).filter((j) => !Number.isNaN(cells[row * d + j]));
    const [{ whitener, logNormaliser }] = marginals([covariance], d, known), r = known.length;
    let nll = -logNormaliser;
    for (let b = 0; b < r; b++) {
      let white = 0;
      for (let a = 0; a <= b; a++) white += whitener[a * r + b] * (cells[row * d + known[a]] - mean[known[a]]);
      nll += white ** 2 / 2;
    }
    return nll;
  });
}

for (const d of [5, 16]) {
  Deno.test(`a Gaussian in ${d} dimensions with a fifth of its values missing: likelihood, means and intervals`, () => {
    const known = knownGaussian(d, 7),
      { coding, train, validation, gaps } = gaussianTable(known.rows(8000, "train", 0.2), d);
    const mixture = chooseTable(train, validation, [], gaps, Random.fromSeed(0));
    equal(mixture.components.length, 1);
    const cells = known.rows(2000, "test", 0.2),
      whole = known.rows(2000, "test", 0),
      samples = tableSamples(coding, cells);
    const nll = referenceNll(samples, mixture), truth = truthOf(cells, known.mean, known.covariance);
    const { mean, stderr } = meanAndStderr(nll.map((value, i) => value - truth[i]));
    // What is left is what 7,200 rows leave open of d·(d + 3)/2 parameters.
    ok(mean < 2 * stderr + d * (d + 3) / 4 / 3000, `${mean} ± ${stderr}`);
    ok(mean < 2 * meanAndStderr(nll).stderr);

    const scaled = gaussianOf(
      coding.numbers.map(({ mean, scale }, j) => (known.mean[j] - mean) / scale),
      known.covariance.map((c, at) => c / coding.numbers[Math.floor(at / d)].scale / coding.numbers[at % d].scale),
    );
    const ideal = new TableConditionals({ weights: Float64Array.of(1), components: [scaled] });
    const own = new TableConditionals(mixture), x = toFloat32(samples), flags = toFloat32(samples.gaps!);
    let [error, best, covered, count] = [0, 0, 0, 0];
    for (let row = 0; row < samples.count; row++) {
      const given = own.given(x, flags, row * d), exact = ideal.given(x, flags, row * d);
      given.numbers.forEach((place, b) => {
        const { mean, scale } = coding.numbers[place], truth = (whole[row * d + place] - mean) / scale;
        error += (given.means[b] - truth) ** 2;
        best += (exact.means[b] - truth) ** 2;
        covered += Number(Math.abs(given.means[b] - truth) < 1.6449 * given.deviations[b]);
        count++;
      });
    }
    ok(Math.sqrt(error / best) < 1.05, `${Math.sqrt(error / best)}`);
    ok(covered / count > 0.88 && covered / count < 0.92, `${covered / count}`);
  });
}

Deno.test("a mixture of numbers and levels is found again from rows with unknown values", () => {
  const truth = mixedTable(), d = 7, random = Random.fromSeed(8);
  const rowsOf = (count: number, label: string) => {
    const x = sampleMixture(truth, random.split(label), count),
      u = random.split(label).split("gaps").fillUniform(new Float64Array(count * d));
    const flags = new Float32Array(count * d);
    for (let row = 0; row < count; row++) {
      for (const [begin, size] of [[0, 1], [1, 1], [2, 1], [3, 1], [4, 2], [6, 1]]) {
        if (u[row * d + begin] < 0.15) flags.fill(1, row * d + begin, row * d + begin + size);
      }
    }
    return { ...floatSamples(x.map((value, i) => flags[i] === 1 ? 0 : value), d), gaps: floatSamples(flags, d) };
  };
  const train = rowsOf(3000, "train"), validation = rowsOf(600, "validation"), test = rowsOf(4000, "test");
  const mixture = chooseTable(train, validation, truth.atoms!.blocks, truth.gaps, random.split("choice"));
  const exact = mixtureNll(test, truth);
  const { mean, stderr } = meanAndStderr(mixtureNll(test, mixture).map((nll, i) => nll - exact[i]));
  ok(mean < 0.08 && mean > -2 * stderr, `${mean} ± ${stderr} above the truth, ${mixture.components.length} components`);
});

Deno.test("a step never makes the rows less likely", () => {
  const truth = mixedTable(), samples = floatSamples(sampleMixture(truth, Random.fromSeed(9), 500), 7);
  const rows = tableRows(samples, truth.atoms!.blocks), shares = levelShares(rows);
  // As good as no prior, under which it is the likelihood alone that rises.
  const prior = { pseudoSamples: 1e-9, pseudoRows: 1e-9, floor: new Float64Array(4).fill(1e-9) };
  let fit = startingTable(samples, rows, 3, prior, shares, Random.fromSeed(1)), last = -Infinity;
  for (let step = 0; step < 20; step++) {
    const next = fitTable(rows, fit, prior, shares, { steps: 1, tolerance: 0 })!;
    ok(next.logLikelihood > last - 2e-3, `step ${step}: ${next.logLikelihood} after ${last}`);
    [fit, last] = [next, next.logLikelihood];
  }
  ok(
    last > -mixtureNll(
          selectRows(
            samples,
            Uint32Array.from({ length: 500 }, (_, i) => i),
          ),
          truth,
        ).reduce((sum, nll) => sum + nll / 500, 0) - 0.3,
  );
});

Deno.test("a number that few rows know has about the spread that they have", () => {
  const random = Random.fromSeed(3), d = 4, values = new Map([[5, -1.2], [40, 0.1], [90, 1.1]]);
  const rowsOf = (n: number, known: ReadonlyMap<number, number>) => {
    const x = new Float32Array(n * d), gaps = new Float32Array(n * d), z = random.fillNormal(new Float64Array(n * d));
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < 3; j++) x[i * d + j] = 0.3 * z[i * d + j] + (i % 3 === j ? 2 : 0);
      x[i * d + 3] = known.get(i) ?? 0;
      gaps[i * d + 3] = known.has(i) ? 0 : 1;
    }
    return { ...floatSamples(x, d), gaps: floatSamples(gaps, d) };
  };
  const mixture = chooseTable(rowsOf(120, values), rowsOf(30, new Map([[4, 0.3]])), [], [3], random.split("choice"));
  for (const gaussian of mixture.components) {
    const spread = Math.sqrt(covarianceOfGaussian(gaussian)[15]);
    ok(spread > 0.3 && spread < 2, `${spread}`);
  }
});
