import { deepEqual, ok } from "assert";
import { logStudentDensity, rankQuantiles, studentQuantile } from "../../../core/mutual_information/student.ts";

const close = (got: number, expected: number, relative: number) =>
  ok(Math.abs(got - expected) <= relative * Math.abs(expected), `${got}, not ${expected}`);

Deno.test("quantiles and densities of Student distributions are those of scipy.stats.t", () => {
  const probabilities = [0.001, 0.025, 0.3, 0.9];
  const quantiles: [number, number[], number][] = [
    [1, [-318.3088389855422, -12.706204736432102, -0.7265425280172028, 3.0776835372078066], -2.1342710794631476],
    [2, [-22.32712476997543, -4.3026527299112765, -0.6172133998483678, 1.8856180831641507], -1.9584396870786538],
    [3, [-10.214531852405337, -3.1824463052842638, -0.5843897272635452, 1.637744357215907], -1.8945294372036665],
    [5, [-5.893429532923186, -2.57058183661474, -0.5594296444681034, 1.4758840488244815], -1.842147474172834],
    [10, [-4.143700494046624, -2.2281388519649385, -0.5415280387550147, 1.3721836411103356], -1.8027151058455746],
    [Infinity, [-3.090232306167813, -1.9599639845400545, -0.5244005127080407, 1.2815515655446004], -1.7639385332046727],
  ];
  for (const [dof, expected, logDensity] of quantiles) {
    probabilities.forEach((p, i) => close(studentQuantile(p, dof), expected[i], 3e-8));
    close(logStudentDensity(1.3, dof), logDensity, 1e-12);
  }
});

Deno.test("the scores of ranks ascend and are symmetric", () => {
  for (const dof of [1, 4, Infinity]) {
    const scores = rankQuantiles(101, dof);
    deepEqual(scores, scores.slice().sort());
    scores.forEach((score, i) => ok(Math.abs(score + scores[100 - i]) < 1e-9 * (1 + Math.abs(score))));
  }
});
