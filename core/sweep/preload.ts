/**
 * Binds a task's process to the sweep that started it. `deno run --preload` loads this before the task's own script: the
 * run is locked while it is at work, and ends when its sweep is gone, since a sweep that was killed cannot stop it.
 */
import { lockFile } from "../io/lock.ts";
import { PATIENCE, TAKEN } from "./taken.ts";

const sweep = Number(Deno.env.get("ITDIFFUSION_SWEEP_PID"));
const path = Deno.env.get("ITDIFFUSION_SWEEP_LOCK");
const lock = path === undefined ? undefined : await lockFile(path, PATIENCE);
if (path !== undefined && !lock) Deno.exit(TAKEN);

Deno.unrefTimer(setInterval(() => {
  if (Deno.ppid !== sweep) Deno.exit(130);
}, 500));
