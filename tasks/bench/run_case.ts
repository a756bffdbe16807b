import type { Backend } from "../../core/engine/mod.ts";
import type { Ranks } from "../../core/mpi/mod.ts";
import { mainOnRanks } from "../../core/cli/mod.ts";
import { NARROW_UNETS } from "./narrow_unets.ts";

/** One benchmark case in a process of its own, so that its peak memory is its own; only its own code is loaded. */
const [name, backend, threads, steps, ...more] = Deno.args;
const machine = { backend: backend as Backend, threads: Number(threads) };
const narrow = Object.keys(NARROW_UNETS).flatMap((unet) => [
  [`${unet}-train`, async () => (await import("./unet_cases.ts")).narrowTrain(`${unet}-train`, machine, Number(steps))],
  [`${unet}-eval`, async () => (await import("./unet_cases.ts")).narrowEval(`${unet}-eval`, machine, Number(steps))],
]);
const cases: Readonly<Record<string, (ranks: Ranks) => Promise<unknown>>> = {
  "train-2d": async () => (await import("./cases.ts")).train2d(machine, Number(steps)),
  "density-2d": async () => (await import("./cases.ts")).density2d(machine, Number(steps), more.map(Number)),
  "unet-train": async () => (await import("./unet_cases.ts")).unetTrain(machine, Number(steps)),
  "unet-small": async () => (await import("./unet_cases.ts")).unetSmall(machine, Number(steps)),
  ranks: async (ranks: Ranks) =>
    (await import("./ranks.ts")).trainOnRanks(machine, Number(steps), Number(more[0]), ranks),
  density: async ({ stop }: Ranks) => (await import("./density_fit.ts")).fitDensity(machine, more[0], more[1], stop),
  read: async () => (await import("./read_case.ts")).readTable(more[0]),
  "unet-eval": async () => (await import("./unet_cases.ts")).unetEval(machine, Number(steps), more[0]),
  ...Object.fromEntries(narrow),
};
await mainOnRanks(async (ranks) => {
  const result = await cases[name](ranks);
  if (ranks.rank === 0) console.log(JSON.stringify(result));
});
