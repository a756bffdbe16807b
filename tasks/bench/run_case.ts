import type { Backend } from "../../core/engine/mod.ts";
import { density2d, train2d } from "./cases.ts";

/** One benchmark case in a process of its own, so that its peak memory is its own. */
const [name, backend, threads, steps, ...targets] = Deno.args;
const machine = { backend: backend as Backend, threads: Number(threads) };
const cases = {
  "train-2d": () => train2d(machine, Number(steps)),
  "density-2d": () => density2d(machine, Number(steps), targets.map(Number)),
};
console.log(JSON.stringify(await cases[name as keyof typeof cases]()));
