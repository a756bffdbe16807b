import { deepEqual, equal, ok } from "assert";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { anomalyMeasures } from "../../../core/evaluation/anomaly_measures.ts";
import { RowComparison } from "../../../core/evaluation/row_comparison.ts";
import { scoreRows } from "../../../core/evaluation/row_scores.ts";
import { pValues, ranksFromHighest } from "../../../core/evaluation/score_ranks.ts";
import { Random } from "../../../core/random/random.ts";
import { mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixedTable } from "../reference/mixed_table.ts";
import { RowExcess, usualOf } from "../../../core/evaluation/row_excess.ts";

Deno.test("AUROC and average precision are scikit-learn's, ties included", () => {
  const scores = [0.1, 0.4, 0.4, 0.4, 0.9, 0.7, 0.7, 0.2, 0.3, 0.8];
  const labels = [0, 0, 1, 0, 1, 0, 1, 0, 0, 1].map(Boolean), measures = anomalyMeasures(scores, labels)!;
  // roc_auc_score and average_precision_score of scikit-learn 1.7.
  ok(Math.abs(measures.auroc - 0.8958333333333334) < 1e-12, `${measures.auroc}`);
  ok(Math.abs(measures.averagePrecision - 0.8303571428571428) < 1e-12, `${measures.averagePrecision}`);
  equal(anomalyMeasures(scores, labels.map(() => false)), undefined);
});

Deno.test("p-values of rows like the reference rows are uniform, and ranks begin with the highest", () => {
  const random = Random.fromSeed(1), reference = random.fillNormal(new Float64Array(999));
  const p = pValues(random.fillNormal(new Float64Array(4000)), reference);
  for (const level of [0.01, 0.1, 0.5]) {
    const share = p.filter((value) => value <= level).length / 4000;
    ok(Math.abs(share - level) < 0.03, `${level}: ${share}`);
  }
  deepEqual([...pValues(Float64Array.of(-9, 9), reference)], [1, 0.001]);
  deepEqual([...ranksFromHighest(Float64Array.of(2, 7, 7, 1))], [3, 1, 2, 4]);
});

Deno.test("a row that lacks values is compared with reference rows that lack them too", async () => {
  const mixture = mixedTable(), scorer = { reference: mixture, proposal: { loc: 0, scale: 2 } };
  const rowsOf = (label: string, count: number, lacks: readonly number[]): Samples => {
    const flags = Float32Array.from({ length: count * 7 }, (_, i) => Number(lacks.includes(i % 7)));
    const x = sampleMixture(mixture, Random.fromSeed(4).split(label), count);
    return { ...floatSamples(x.map((value, i) => flags[i] === 1 ? 0 : value), 7), gaps: floatSamples(flags, 7) };
  };
  const whole = rowsOf("reference", 1500, []), random = Random.fromSeed(5);
  const scores = (await scoreRows(scorer, whole, random, { rounds: 1 }))!;
  const comparison = new RowComparison(scorer, { samples: whole, scores });
  const open = rowsOf("open", 1500, [0, 1, 2, 4, 5]), nll = mixtureNll(open, mixture);
  const p = comparison.pValues(open, nll);
  for (const level of [0.05, 0.5]) {
    const share = p.filter((value) => value <= level).length / 1500;
    ok(Math.abs(share - level) < 0.04, `${level}: ${share}`);
  }
  // Nor is a value above usual because others are unknown that would tell it.
  const usual = usualOf(mixture, whole), rows = { samples: whole, scores, usual };
  const excess = new RowExcess(scorer, rows).of(open), width = usual.length;
  for (let k = 0; k < width; k++) {
    const own = Float64Array.from({ length: 1500 }, (_, row) => excess[row * width + k]).filter((x) =>
      !Number.isNaN(x)
    );
    if (own.length > 0) ok(Math.abs(own.sort()[own.length >> 1]) < 0.15, `${k}: ${own[own.length >> 1]}`);
  }
  ok(usualOf(mixture, open).some((nats, k) => nats !== 0 && Math.abs(nats - usual[k]) > 0.2));
  // Beside whole rows they would all pass for usual.
  ok(pValues(nll, scores.nll).filter((value) => value <= 0.05).length < 15);
});
