import { deepEqual } from "assert";
import { floatSamples } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { referenceNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { rowNlls } from "../../../core/training/row_nlls.ts";
import { mixedTable } from "../reference/mixed_table.ts";

Deno.test("the NLLs of rows that are asked for in any order are those of all, beyond what is taken at a time too", () => {
  const mixture = mixedTable(), count = 20_000, random = Random.fromSeed(1), batch = 70;
  const samples = floatSamples(sampleMixture(mixture, random.split("rows"), count), 7);
  const expected = referenceNll(samples, mixture), nlls = rowNlls(samples, mixture);
  const orders = [0, 1].map((epoch) => random.split("order").split(epoch).permutation(count));
  for (const [order, first] of [[orders[0], 16_350], [orders[1], 0], [orders[1], 140], [orders[0], 0]] as const) {
    const got = nlls(order, first, first + batch), own = order.subarray(first, first + batch);
    deepEqual(Array.from(own, (row) => got[row]), Array.from(own, (row) => expected[row]));
  }
});
