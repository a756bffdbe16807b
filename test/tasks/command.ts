import { fileURLToPath } from "node:url";

/** What a task's process left. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The arguments that Deno runs a task with, as deno.json gives it. */
export async function taskArguments(task: string, args: readonly string[]): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as { tasks: Record<string, string> };
  const words = tasks[task].split(" ");
  if (words[0] !== "deno") throw new Error(`The task ${task} does not start with deno.`);
  const rest = words.slice(1).map((word) => word.endsWith(".ts") ? `${ROOT}${word}` : word);
  return [rest[0], "--quiet", "--config", `${ROOT}deno.json`, ...rest.slice(1), ...args];
}

/** The command of a task with these arguments. @param flags More for Deno itself. @param env More variables. */
export async function taskCommand(
  task: string,
  args: readonly string[],
  cwd?: string,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Deno.Command> {
  const [run, ...rest] = await taskArguments(task, args);
  return new Deno.Command(Deno.execPath(), {
    args: [run, ...flags, ...rest],
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1", ...env },
  });
}

/** Runs a task to its end. */
export async function runTask(task: string, args: readonly string[], cwd?: string): Promise<Ended> {
  const { code, stdout, stderr } = await (await taskCommand(task, args, cwd)).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
