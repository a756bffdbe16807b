import { deepEqual, match } from "assert";
import { labelInformation } from "../../core/mutual_information/label_entropy.ts";
import { beyondEntropy, modelLabelLines } from "../../tasks/mi/text.ts";

Deno.test("more information of a label than there is is warned of, and what its error allows is not", () => {
  const of = (mean: number, stderr: number) => beyondEntropy(labelInformation([500, 500], { mean, stderr }), "label");
  const [warning, ...rest] = of(Math.LN2 + 2, 0.5);
  match(warning, /^Warning: the information is 2\.0000 ± 0\.5\d* nats more than the entropy of label/);
  deepEqual([rest, of(Math.LN2 + 0.5, 0.5), of(0.3, 0.01)], [[], [], []]);
});

Deno.test("of a model that has more than there is nothing is said of classifiers", () => {
  const of = (mean: number) => modelLabelLines(labelInformation([500, 500], { mean, stderr: 0.1 }), "label");
  const [entropy, warning, ...rest] = of(Math.LN2 + 2);
  match(entropy, /^Entropy of label +0\.6931 nats$/);
  match(warning, /^Warning: /);
  deepEqual(rest, []);
  // Within its error it may be all of it, of which no error of zero follows.
  match(of(Math.LN2 + 0.1).join("\n"), /error of classifiers +not bounded, .*; without X 50\.0 %$/);
  match(of(0.3).join("\n"), /of which X tells .*\n {2}error of classifiers +at least/);
});
