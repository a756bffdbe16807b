import { deepEqual, ok } from "assert";
import { floatSamples } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { flooredBy } from "../../../core/reference/held_out_floor.ts";
import { mixtureNll, onlyGaussian, sampleMixture } from "../../../core/reference/mixture.ts";

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

Deno.test("directions that hardly vary in training are as wide as in samples that are held out", () => {
  const random = Random.fromSeed(1), d = 6, n = 2000;
  const draw = (count: number, rare: number) => {
    const x = new Float32Array(count * d);
    random.fillNormal(x);
    // One pixel is black in all training samples, and now and then grey in others.
    for (let i = 0; i < count; i++) x[i * d + 5] = random.uniform() < rare ? 0.2 : 0;
    return floatSamples(x, d);
  };
  const train = draw(n, 0), others = draw(n, 0.05), fresh = draw(n, 0.05);
  const gaussian = fitGaussian(train), floored = flooredBy(gaussian, others);
  const [before, after] = [gaussian, floored].map((each) => mean(mixtureNll(fresh, onlyGaussian(each))));
  ok(after < before - 1000, `${after} after ${before}`);
  const least = Math.min(...floored.eigenvalues), variance = 0.05 * 0.2 ** 2;
  ok(least > variance / 2.1 && least < variance * 2.1, `${least}`);
});

Deno.test("a Gaussian that others are as likely under stays as it is", () => {
  const truth = gaussianOf([0, 1, 2], [2, 0.5, 0, 0.5, 1, 0, 0, 0, 0.01]), random = Random.fromSeed(2);
  const draw = (count: number) => floatSamples(sampleMixture(onlyGaussian(truth), random, count), 3);
  const gaussian = fitGaussian(draw(20_000));
  deepEqual(flooredBy(gaussian, draw(20_000)).eigenvalues, gaussian.eigenvalues);
});
