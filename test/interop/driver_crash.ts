import { join } from "node:path";
import { type Ended, runTask } from "../tasks/command.ts";

/** The exit codes of a process that SIGABRT or SIGSEGV ended. */
const CRASHES = [134, 139];

/** What a driver's crash ended is tried so often. */
const TRIES = 3;

/**
 * Mesa's llvmpipe, which stands for a GPU, may crash by SIGSEGV. Such a crash is said and tried again; what is wrong in any
 * other way is not.
 *
 * @param crashed Whether a result is such a crash.
 */
export async function despiteCrashes<T>(run: () => Promise<T>, crashed: (result: T) => boolean): Promise<T> {
  for (let tries = 1;; tries++) {
    const result = await run();
    if (!crashed(result) || tries === TRIES) return result;
    console.log(`THE DRIVER CRASHED, in try ${tries} of ${TRIES}`);
  }
}

/** Runs a task on the driver to its end. The folder that a crashed one was to make is removed. */
export function runOnDriver(task: string, args: readonly string[], cwd: string): Promise<Ended> {
  return despiteCrashes(async () => {
    const ended = await runTask(task, args, cwd);
    const out = args.indexOf("--out");
    if (CRASHES.includes(ended.code) && out >= 0) {
      await Deno.remove(join(cwd, args[out + 1]), { recursive: true }).catch(() => {});
    }
    return ended;
  }, ({ code }) => CRASHES.includes(code));
}
