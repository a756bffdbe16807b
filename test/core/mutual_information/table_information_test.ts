import { equal, ok } from "assert";
import { type Label, labelOf } from "../../../core/mutual_information/label_entropy.ts";
import { tableInformation } from "../../../core/mutual_information/table_information.ts";
import { Random } from "../../../core/random/random.ts";

/** Labels of rows. */
function labels(rows: readonly (readonly [number, number])[]): [Label, Label] {
  return [0, 1].map((side) => labelOf(Float64Array.from(rows, (row) => row[side]))!) as [Label, Label];
}

Deno.test("of frequent cells it is the plug-in information less Miller's and Panzeri's bias", () => {
  const counts = [[400, 100, 100], [50, 300, 50]], n = 1000;
  const rows = counts.flatMap((row, x) =>
    row.flatMap((count, y) => Array.from({ length: count }, () => [x, y] as const))
  );
  const [x, y] = labels(rows), got = tableInformation(x, y);
  const plugIn = counts.flatMap((row, i) =>
    row.map((count, j) => count / n * Math.log(count * n / x.counts[i] / y.counts[j]))
  ).reduce((a, b) => a + b);
  ok(Math.abs(got.nats - (plugIn - 2 / (2 * n))) < 2e-4, `${got.nats}, plug-in ${plugIn}`);
  ok(Math.abs(got.fitted - plugIn) < 1e-3 && got.heldOut < got.fitted && got.stderr > 0.01 && got.stderr < 0.02);
  ok(Math.abs(tableInformation(y, x).nats - got.nats) < 1e-12);
  ok(Math.abs(got.perRow.reduce((sum, value) => sum + value, 0) / n - got.heldOut) < 1e-12);
});

Deno.test("labels that are alike tell all, and independent ones of many values nothing", () => {
  const random = Random.fromSeed(3), bits = Array.from({ length: 500 }, () => Math.floor(2 * random.uniform()));
  ok(Math.abs(tableInformation(...labels(bits.map((bit) => [bit, 7 * bit]))).nats - Math.LN2) < 0.01);
  // Of 2500 cells, of 1000 rows, the plug-in information is above one nat.
  const level = () => Math.floor(50 * random.uniform());
  const none = tableInformation(...labels(Array.from({ length: 1000 }, () => [level(), level()])));
  ok(Math.abs(none.nats) < 2 * none.stderr && none.stderr < 0.06, `${none.nats} ± ${none.stderr}`);
});

Deno.test("a value that one row alone has tells nothing of that row, and breaks nothing", () => {
  const rows = Array.from({ length: 100 }, (_, i) => [i === 0 ? 5 : i % 2, i % 2] as const);
  const { perRow, nats, stderr } = tableInformation(...labels(rows));
  equal(perRow[0], 0);
  ok(Math.abs(nats - Math.LN2) < 3 * stderr, `${nats} ± ${stderr}`);
});
