import { ok } from "assert";
import { RoundSums } from "../../../core/evaluation/round_sums.ts";
import { Random } from "../../../core/random/random.ts";

Deno.test("a sample far out does not make the errors of the others large", () => {
  const n = 20, rounds = 16, baseline = new Float64Array(n), random = Random.fromSeed(0);
  const stderrOf = (far: number) => {
    const sums = new RoundSums(n, "independent");
    for (let round = 0; round < rounds; round++) {
      const own = random.split(round);
      sums.add(Float64Array.from({ length: n }, (_, i) => own.normal() * (i === 3 ? far : 1)), baseline);
    }
    return sums.perSample(baseline).stderr;
  };
  const usual = stderrOf(1), others = stderrOf(1e6);
  for (let i = 0; i < n; i++) {
    if (i !== 3) ok(others[i] < 1.6 * usual[i] && others[i] < 0.6, `${i}: ${others[i]}, ${usual[i]}`);
  }
  ok(others[3] > 1e5, String(others[3]));
});
