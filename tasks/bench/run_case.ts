import type { Backend } from "../../core/engine/mod.ts";
import { density2d, train2d } from "./cases.ts";

/** One benchmark case in a process of its own, so that its peak memory is its own: NAME BACKEND THREADS STEPS. */
const [name, backend, threads, steps] = Deno.args;
const cases = { "train-2d": train2d, "density-2d": density2d };
const run = cases[name as keyof typeof cases];
console.log(JSON.stringify(await run({ backend: backend as Backend, threads: Number(threads) }, Number(steps))));
