import { deepEqual, match } from "assert";
import { labelInformation } from "../../core/mutual_information/label_entropy.ts";
import { beyondEntropy } from "../../tasks/mi/text.ts";

Deno.test("more information of a label than there is is warned of, and what its error allows is not", () => {
  const of = (mean: number, stderr: number) => beyondEntropy(labelInformation([500, 500], { mean, stderr }), "label");
  const [warning, ...rest] = of(Math.LN2 + 2, 0.5);
  match(warning, /^Warning: this is 2\.0000 ± 0\.5\d* nats more than the entropy of label/);
  deepEqual([rest, of(Math.LN2 + 0.5, 0.5), of(0.3, 0.01)], [[], [], []]);
});
