import { fileURLToPath } from "node:url";
import configuration from "../../deno.json" with { type: "json" };
import { withoutPlace } from "../mpi/environment.ts";

/** How a task ended. */
export interface EndedChild {
  /** The exit code, or the signal that ended it. */
  readonly ended: number | Deno.Signal;
  /** The end of what it wrote to stderr. */
  readonly complaint: string;
}

/** Characters of a complaint that are kept. */
const MAX_COMPLAINT = 1 << 16;

/**
 * Runs a task of deno.json in a process of its own, with the permissions that it has there, as one that is alone.
 *
 * @param signal Has it save and end, as Ctrl-C does.
 * @param lock A file that it locks while it runs; it ends with the code `TAKEN` if another process has it.
 * @param hosts Those that it may import plugins from.
 */
export async function runChild(
  task: string,
  args: readonly string[],
  { signal, lock, hosts = [] }: {
    readonly signal?: AbortSignal;
    readonly lock?: string;
    readonly hosts?: readonly string[];
  } = {},
): Promise<EndedChild> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...denoArguments(task, hosts), ...args],
    // Ctrl-C reaches all of a terminal's processes; a second one, from here, would end the run before it is saved.
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    clearEnv: true,
    env: {
      ...withoutPlace(Deno.env.toObject()),
      NO_COLOR: "1",
      ITDIFFUSION_SWEEP_PID: String(Deno.pid),
      ...(lock === undefined ? {} : { ITDIFFUSION_SWEEP_LOCK: lock }),
    },
  }).spawn();
  const stop = () => {
    try {
      child.kill(Deno.build.os === "windows" ? "SIGKILL" : "SIGINT");
    } catch {
      // It has ended by itself.
    }
  };
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  let complaint = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    complaint = (complaint + text).slice(-MAX_COMPLAINT);
  }
  const status = await child.status;
  signal?.removeEventListener("abort", stop);
  return { ended: status.signal ?? status.code, complaint };
}

/** The error that a complaint tells of, or else its last line; empty if there is none. */
export function errorIn(complaint: string): string {
  const lines = complaint.trim().split("\n");
  const line = lines.find((line) => line.startsWith("error: "))?.slice("error: ".length) ?? lines.at(-1)!;
  return line.replaceAll(/\p{Cc}/gu, "").trim().slice(0, 500);
}

/** What `deno` is given to run a task as deno.json has it, bound to this process. */
function denoArguments(task: string, hosts: readonly string[]): string[] {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const tasks: Readonly<Record<string, string>> = configuration.tasks;
  const [, , ...words] = tasks[task].split(" ");
  const script = words.pop()!;
  const common = ["--quiet", "--config", path("../../deno.json"), "--preload", path("./preload.ts")];
  // deno.lock is the project's own, and takes in nothing of a plugin's.
  const imports = hosts.length > 0 ? ["--no-lock", `--allow-import=${hosts.join()}`] : [];
  return ["run", ...common, ...words, ...imports, path(`../../${script}`)];
}
