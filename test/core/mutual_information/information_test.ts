import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import { floatSamples } from "../../../core/data/samples.ts";
import { loadData } from "../../../core/model/load_data.ts";
import { informationFigure } from "../../../core/mutual_information/figure.ts";
import { renderSvg } from "../../../core/figures/render.ts";
import { mutualInformation } from "../../../core/mutual_information/information.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";

const SMALL = { epochs: 1, rounds: 4, threads: 1, x: [0], y: [1] } as const;

function rowsOf(n: number, f: (x: number, random: Random) => number): number[][] {
  const random = Random.fromSeed(2);
  return Array.from({ length: n }, () => {
    const x = random.normal();
    return [x, f(x, random)];
  });
}

Deno.test("the estimate is the mixture's; a network that is told y or nothing has it in two forms", async () => {
  const rows = rowsOf(1500, (x, random) => 0.8 * x + 0.6 * random.normal());
  const truth = -0.5 * Math.log(1 - 0.64);
  const both = await mutualInformation(rows, { ...SMALL, estimator: "both" });
  equal(both.estimator, "mixture");
  deepEqual([both.nats, both.stderr], [both.mixture?.nats, both.mixture?.stderr]);
  ok(Math.abs(both.nats - truth) < 3 * both.stderr, `${both.nats} ± ${both.stderr}, not ${truth}`);
  const [{ difference, orthogonal, gap, reference, curves, epochs, ...direction }] = both.directions;
  for (const { mean, stderr } of [difference, orthogonal, reference]) {
    ok(Math.abs(mean - truth) < 3 * stderr && stderr < 0.1, `${mean} ± ${stderr}, not ${truth}`);
  }
  ok(Math.abs(gap.mean - (difference.mean - orthogonal.mean)) < 1e-9 && Math.abs(gap.mean) < 3 * gap.stderr);
  deepEqual([epochs, direction.likelihoodOf, difference.perRow.length], [1, "x", 300]);
  deepEqual(both.network, { mean: difference.mean, stderr: difference.stderr });
  const svg = await renderSvg(informationFigure("pairs", "y", curves));
  ok(svg.startsWith("<svg") && svg.includes("| y)") && !svg.includes("NaN"));

  const mixture = await mutualInformation(rows, SMALL);
  deepEqual([mixture.nats, mixture.network, mixture.directions.length], [both.nats, undefined, 0]);
  const network = await mutualInformation(rows, { ...SMALL, estimator: "network" });
  deepEqual([network.estimator, network.mixture, network.nats], ["network", undefined, both.network!.mean]);
});

Deno.test("a network finds what is bent, and both directions tell the same", async () => {
  // x = y² + ε/2: 0.803 nats.
  const rows = rowsOf(1500, (x, random) => x * x + random.normal() / 2);
  const { network, directions, checks } = await mutualInformation(rows, {
    ...{ ...SMALL, epochs: 4, estimator: "network", direction: "both" },
  });
  deepEqual(directions.map(({ likelihoodOf }) => likelihoodOf), ["x", "y"]);
  ok(Math.abs(network!.mean - 0.8027) < 4 * network!.stderr, `${network!.mean} ± ${network!.stderr}`);
  const [x, y] = directions.map(({ difference }) => difference.mean);
  ok(Math.abs(checks.symmetry!.mean - (x - y)) < 1e-9);

  // Left open, the likelihood is that of the side of fewer columns.
  const wide = rows.slice(0, 300).map(([a, b], i) => [a, (i * 17) % 300, b]);
  const auto = await mutualInformation(wide, { ...SMALL, estimator: "network", x: [0, 1], y: [2] });
  equal(auto.directions[0].likelihoodOf, "y");
});

/** The correlation of values. */
function correlationOf(a: Float64Array, b: Float64Array): number {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value / values.length, 0);
  const [ma, mb] = [mean(a), mean(b)], product = (f: (i: number) => number) => a.reduce((sum, _, i) => sum + f(i), 0);
  const covariance = product((i) => (a[i] - ma) * (b[i] - mb));
  return covariance / Math.sqrt(product((i) => (a[i] - ma) ** 2) * product((i) => (b[i] - mb) ** 2));
}

Deno.test("the information of each row is that of its place, of rows, of a file that is split and of its parts", async () => {
  const rho = 0.8, rows = rowsOf(800, (x, random) => rho * x + 0.6 * random.normal());
  const truth = Float64Array.from(
    rows,
    ([x, y]) => -Math.log(1 - rho ** 2) / 2 - (rho ** 2 * (x ** 2 + y ** 2) - 2 * rho * x * y) / 2 / (1 - rho ** 2),
  );
  await inFolder(async (folder) => {
    const path = join(folder, "pairs.csv");
    await Deno.writeTextFile(path, rows.map((row) => row.join()).join("\n"));
    const part = (begin: number, end: number) => floatSamples(Float32Array.from(rows.slice(begin, end).flat()), 2);
    const parts = { shape: [2], train: part(0, 500), validation: part(500, 600), test: part(600, 800) };
    for (const data of [rows, await loadData(rows), await loadData(path), parts]) {
      const { perRow, mixture } = await mutualInformation(data, { ...SMALL, estimator: "mixture" });
      ok(correlationOf(perRow!, truth) > 0.98, `${correlationOf(perRow!, truth)}`);
      const mean = perRow!.reduce((sum, value) => sum + value, 0) / 800;
      ok(Math.abs(mean - mixture!.heldOut) < 1e-12, `${mean}, not ${mixture!.heldOut}`);
    }
  });
});

Deno.test("the mixture of Gaussian columns holds what an information must; columns are told apart", async () => {
  const random = Random.fromSeed(6);
  const rows = Array.from({ length: 1000 }, () => {
    const [a, b] = [random.normal(), random.normal()];
    return [a, random.normal(), b, a + random.normal(), b + a / 2 + random.normal()];
  });
  const { checks, labels } = await mutualInformation(rows, { ...SMALL, x: "0-2", y: "3-4", estimator: "mixture" });
  deepEqual([checks.warnings, labels, checks.symmetry], [[], [], undefined]);
  ok(Math.abs(checks.normalisation!.nats) < 4 * checks.normalisation!.stderr);
  // The correlations of a, b, y₁ and y₂ give these in closed form.
  const part = (side: string, column: number) =>
    checks.columns.find((one) => one.side === side && one.column === column)!;
  equal(checks.columns.length, 5);
  const told: [string, number, number][] = [
    ["x", 0, 0.5 * Math.log(9 / 4)],
    ["x", 1, 0],
    ["x", 2, 0.5 * Math.LN2],
  ];
  for (const [side, column, truth] of told) {
    const { nats, stderr } = part(side, column);
    ok(Math.abs(nats - truth) < 3 * stderr + 0.003, `${column}: ${nats} ± ${stderr}, not ${truth}`);
  }
});

Deno.test("a label's entropy and what is left of it, and what has to hold, are told", async () => {
  const random = Random.fromSeed(2);
  const rows = Array.from({ length: 600 }, () => {
    const y = random.uniform() < 0.5 ? 1 : 0;
    return [2 * y + random.normal(), y];
  });
  const { labels: [label, ...others], checks, nats } = await mutualInformation(rows, SMALL);
  deepEqual([label.side, label.column, label.levels, others], ["y", 1, 2, []]);
  ok(Math.abs(label.entropy - Math.LN2) < 0.01);
  deepEqual([label.conditional.mean, label.part], [label.entropy - nats, nats / label.entropy]);
  // The best classifier errs where a normal lies beyond one standard deviation.
  ok(label.leastError < 0.1587 && label.mostError > 0.1587 && label.mostError < 0.35, JSON.stringify(label));
  ok(checks.normalisation);
});

Deno.test("a monotone map of a column changes nothing; what is a function of the other side is refused", async () => {
  const f = (x: number, random: Random) => x + random.normal();
  const plain = await mutualInformation(rowsOf(400, f), { ...SMALL, estimator: "mixture" });
  const bent = await mutualInformation(rowsOf(400, (x, random) => Math.sinh(f(x, random))), {
    ...SMALL,
    estimator: "mixture",
  });
  equal(bent.nats, plain.nats);
  for (const map of [(x: number) => -3 * x, (x: number) => x ** 3]) {
    await rejects(mutualInformation(rowsOf(400, map), SMALL), /information is infinite/);
  }
});

Deno.test("shuffled rows have no information, and columns that are given are those of neither side", async () => {
  const random = Random.fromSeed(3);
  const rows = Array.from({ length: 300 }, () => {
    const z = random.normal();
    return [z + random.normal(), z + random.normal(), z];
  });
  const shuffled = await mutualInformation(rows, { ...SMALL, estimator: "mixture", shuffles: 9 });
  ok(shuffled.shuffled && shuffled.shuffled.pValue === 0.1, JSON.stringify(shuffled.shuffled));
  ok(Math.abs(shuffled.shuffled.nats) < 0.03, `${shuffled.shuffled.nats}`);
  ok(shuffled.nats > shuffled.shuffled.nats + 3 * shuffled.shuffled.scatter);

  const given = await mutualInformation(rows, { ...SMALL, z: [2] });
  deepEqual([given.estimator, given.z, given.network], ["mixture", [2], undefined]);
  ok(Math.abs(given.nats) < 4 * given.stderr + 0.01, `${given.nats} ± ${given.stderr}`);
  ok(Math.abs(given.gaussianNats) < 0.02, `${given.gaussianNats}`);
  await rejects(mutualInformation(rows, { ...SMALL, z: [1] }), /Column 1 is in --z and in --y/);
  await rejects(mutualInformation(rows, { ...SMALL, z: [2], estimator: "both" }), /--z is for the mixture/);
  await rejects(mutualInformation(rows, { ...SMALL, z: [2], shuffles: 3 }), /--shuffles with --z/);
});
