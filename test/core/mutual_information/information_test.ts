import { deepEqual, equal, ok, rejects } from "assert";
import { mutualInformation } from "../../../core/mutual_information/information.ts";
import { Random } from "../../../core/random/random.ts";

const SMALL = { epochs: 1, hiddenSize: 8, levels: 8, threads: 1, x: [0], y: [1] } as const;

function rowsOf(n: number, f: (x: number, random: Random) => number): number[][] {
  const random = Random.fromSeed(2);
  return Array.from({ length: n }, () => {
    const x = random.normal();
    return [x, f(x, random)];
  });
}

Deno.test("the estimate is the mixture's, or the networks' where held-out rows are likelier by them", async () => {
  const rows = rowsOf(800, (x, random) => 0.8 * x + 0.6 * random.normal());
  const truth = -0.5 * Math.log(1 - 0.64);
  const auto = await mutualInformation(rows, SMALL);
  equal(auto.estimator, "mixture");
  deepEqual([auto.nats, auto.stderr], [auto.mixture?.nats, auto.mixture?.stderr]);
  ok(auto.networks && auto.directions.length === 1);
  ok(Math.abs(auto.nats - truth) < 3 * auto.stderr, `${auto.nats} ± ${auto.stderr}, not ${truth}`);

  const mixture = await mutualInformation(rows, { ...SMALL, estimator: "mixture" });
  deepEqual([mixture.nats, mixture.networks, mixture.directions.length], [auto.nats, undefined, 0]);
  const networks = await mutualInformation(rows, { ...SMALL, estimator: "networks" });
  deepEqual([networks.estimator, networks.mixture, networks.nats], ["networks", undefined, auto.networks.mean]);
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
  deepEqual([given.estimator, given.z, given.networks], ["mixture", [2], undefined]);
  ok(Math.abs(given.nats) < 4 * given.stderr + 0.01, `${given.nats} ± ${given.stderr}`);
  ok(Math.abs(given.gaussianNats) < 0.02, `${given.gaussianNats}`);
  await rejects(mutualInformation(rows, { ...SMALL, z: [1] }), /Column 1 is in --z and in --y/);
  await rejects(mutualInformation(rows, { ...SMALL, z: [2], estimator: "networks" }), /--z is for the mixture/);
  await rejects(mutualInformation(rows, { ...SMALL, z: [2], shuffles: 3 }), /--shuffles with --z/);
});
