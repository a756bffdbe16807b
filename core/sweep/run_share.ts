import { runChild } from "./child.ts";
import type { RunState, SweepFolder } from "./folder.ts";
import { TAKEN } from "./taken.ts";
import type { Share } from "./share.ts";
import type { SweepCommand } from "./template.ts";

/** What a process does with its share of a sweep. */
export interface ShareOptions {
  /** Runs at a time. */
  readonly jobs: number;
  /** Given to runs before their own arguments, as `--threads=1`. */
  readonly extraArgs: readonly string[];
  /** The hosts that runs may import plugins from. */
  readonly hosts: readonly string[];
  /** Has the runs save and end. */
  readonly signal: AbortSignal;
  /** Told a line for people, and the number of runs that are over. */
  readonly onChange: (line: string, done: number) => void;
}

/** The commands that are a process's. */
export function commandsOf(commands: readonly SweepCommand[], { index, count }: Share): SweepCommand[] {
  return commands.filter((_, i) => i % count === index);
}

/**
 * Runs the commands of a process's share that are not finished, and goes on with those that were interrupted. A run that
 * fails does not stop the others.
 *
 * @throws {UserError} When the sweep's folder cannot be written; its runs are then stopped, and saved.
 */
export async function runShare(
  folder: SweepFolder,
  commands: readonly SweepCommand[],
  { jobs, extraArgs, hosts, signal, onChange }: ShareOptions,
): Promise<void> {
  const broken = new AbortController();
  const stop = AbortSignal.any([signal, broken.signal]);
  const waiting = commands.values();
  let done = 0;
  const work = async () => {
    for (const command of waiting) {
      if (stop.aborted) return;
      try {
        await runOne(
          folder,
          command,
          { extraArgs, hosts, signal: stop },
          (line, isOver) => onChange(line, isOver ? ++done : done),
        );
      } catch (error) {
        broken.abort();
        throw error;
      }
    }
  };
  // What went wrong before the sweep was stopped or repeated is not what goes wrong now.
  for (const command of commands) {
    if ((await folder.stateOf(command)).kind === "failed") await folder.writeLog(command, "");
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(jobs, commands.length) }, work));
  const failure = ends.find((end) => end.status === "rejected");
  if (failure) throw failure.reason;
}

async function runOne(
  folder: SweepFolder,
  command: SweepCommand,
  { extraArgs, hosts, signal: stop }: Pick<ShareOptions, "extraArgs" | "hosts" | "signal">,
  onChange: (line: string, isOver: boolean) => void,
): Promise<void> {
  const { name, args } = command;
  const taken = `${name} is being trained by another process`;
  const ready = await folder.prepare(command);
  if (!ready) return onChange(taken, true);
  if (ready.state.kind === "finished") return onChange(`${name} is finished: ${resultOf(ready.state)}`, true);
  onChange(`${name} ${ready.isBegun ? "goes on" : "starts"}`, false);
  const where = `--${ready.isBegun ? "resume" : "out"}=${folder.run(command)}`;
  const child = runChild(folder.sweep.task, [where, "--json", ...extraArgs, ...args], {
    signal: stop,
    lock: folder.log(command),
    hosts,
  });
  // After the child's own listener: it has been asked by then.
  const tell = () => onChange(`${name} is stopping`, false);
  stop.addEventListener("abort", tell);
  const { ended, complaint } = await child;
  stop.removeEventListener("abort", tell);
  if (ended === TAKEN) return onChange(taken, true);
  if (stop.aborted && ended !== 0) return onChange(`${name} is stopped`, false);
  if ((await folder.stateOf(command)).kind !== "finished") {
    const how = typeof ended === "string" ? ended : `exit code ${ended}`;
    await folder.writeLog(command, `${complaint.trim()}\nIt ended by ${how} without a result.\n`.trimStart());
  }
  const state = await folder.stateOf(command);
  onChange(`${name} ${state.kind}: ${resultOf(state)}`, true);
}

function resultOf(state: RunState): string {
  if (state.kind === "failed") return state.message;
  if (state.kind === "unfinished") return "no result";
  const { val_nll, val_nll_stderr, total_seconds } = state.numbers;
  return `${val_nll.toFixed(3)} ± ${val_nll_stderr.toFixed(3)} nats in ${total_seconds.toFixed(1)} s`;
}
