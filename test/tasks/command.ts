import { fileURLToPath } from "node:url";

/** What a task's process left. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The command of a task, as deno.json gives it, with these arguments. */
export async function taskCommand(task: string, args: readonly string[], cwd?: string): Promise<Deno.Command> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as { tasks: Record<string, string> };
  const words = tasks[task].split(" ");
  if (words[0] !== "deno") throw new Error(`The task ${task} does not start with deno.`);
  const rest = words.slice(1).map((word) => word.endsWith(".ts") ? `${ROOT}${word}` : word);
  return new Deno.Command(Deno.execPath(), {
    args: [rest[0], "--frozen", "--quiet", "--config", `${ROOT}deno.json`, ...rest.slice(1), ...args],
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

/** Runs a task to its end. */
export async function runTask(task: string, args: readonly string[], cwd?: string): Promise<Ended> {
  const { code, stdout, stderr } = await (await taskCommand(task, args, cwd)).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
