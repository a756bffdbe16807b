import { equal, ok } from "assert";
import { shiftOfRound, WAVE, waveVariances } from "../../../core/evaluation/wave.ts";
import { Random } from "../../../core/random/random.ts";

const random = Random.fromSeed(3), SAMPLES = 20_000;
const places = random.fillUniform(new Float64Array(SAMPLES));
const mean = (values: Float64Array) => values.reduce((sum, x) => sum + x / values.length, 0);

/** Rounds of values that are a function of each sample's quantile, and noise. */
function roundsOf(count: number, f: (u: number) => number, deviation: (u: number) => number): Float64Array[] {
  return Array.from({ length: count }, (_, round) => {
    const noise = random.fillNormal(new Float64Array(SAMPLES));
    return places.map((place, i) => {
      const u = (place + shiftOfRound(round)) % 1;
      return f(u) + deviation(u) * noise[i];
    });
  });
}

Deno.test("a wave's variance is that of the noise, without what depends smoothly on the log SNR", () => {
  const hump = (u: number) => 3 * (1 - Math.cos(2 * Math.PI * u));
  const rounds = roundsOf(WAVE, hump, () => 1);
  const spread = mean(waveVariances(rounds, "spread")), independent = mean(waveVariances(rounds, "independent"));
  ok(independent > 5.5, `${independent}`);
  ok(spread > 0.95 && spread < 1.6, `${spread}`);
});

Deno.test("noise of any size along the log SNRs counts as much as there is of it", () => {
  for (const count of [2, 3, 5, WAVE]) {
    const got = mean(waveVariances(roundsOf(count, () => 7, (u) => u < 0.25 ? 2 : 0), "spread"));
    ok(Math.abs(got - 1) < 0.07, `${count} rounds: ${got}`);
  }
});

Deno.test("of two rounds it is their variance, and of one it is not known", () => {
  const rounds = [Float64Array.of(1, 5), Float64Array.of(3, 5)];
  for (const spacing of ["independent", "spread"] as const) {
    equal(String(waveVariances(rounds, spacing)), "2,0");
    equal(String(waveVariances(rounds.slice(1), spacing)), "Infinity,Infinity");
  }
});
