import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { shellWord } from "../../core/options/shell_word.ts";
import { taskArguments } from "../tasks/command.ts";
import { untilFile } from "../wait.ts";
import type { Stop } from "./stop.ts";
import { type ListedWrite, listedWrites, WRITE_PLAN, type WritePlan } from "./write_plan.ts";

/** A task with its arguments, in a folder. */
export interface Start {
  readonly task: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Whether its writes are listed. They are where it is stopped at one. */
  readonly isListed?: boolean;
  /** How it is stopped. */
  readonly stop?: Stop;
  /** Bytes that a file may have at most. */
  readonly maxFileBytes?: number;
}

/** How a process ended. */
export interface Ended {
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal?: Deno.Signal;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
  /** Whether it came to where it was to be stopped. */
  readonly isMet: boolean;
  /** Its writes, where they were listed. */
  readonly writes: readonly ListedWrite[];
}

/** Without a terminal nobody is told that it goes. */
const SCRIPT = "/usr/bin/script";

/** Whether a process can be given a terminal. */
export const hasTerminals = existsSync(SCRIPT);

const AT_WRITE = fileURLToPath(new URL("./at_write.ts", import.meta.url));

/** Blocks of `ulimit -f`, as POSIX has them. */
const BLOCK = 512;

/** Runs a task to its end, which it may be helped to. */
export async function run(
  { task, args, cwd, stop, isListed = stop?.moment.kind === "write", maxFileBytes }: Start,
): Promise<Ended> {
  const list = `${cwd}.writes`, pid = `${cwd}.pid`;
  const words = [Deno.execPath(), ...await denoArguments(task, args, isListed)];
  const hasTerminal = stop?.signals.includes("SIGHUP") ?? false;
  const command = hasTerminal ? inTerminal(words, cwd) : limited(words, maxFileBytes);
  const plan: WritePlan = {
    list,
    ...(stop?.moment.kind === "write" ? { ...stop.moment, signals: stop.signals } : {}),
  };
  const begun = performance.now();
  const child = new Deno.Command(command[0], {
    ...{ args: command.slice(1), cwd, stdin: "null", stdout: "piped", stderr: "piped" },
    env: { NO_COLOR: "1", SHELL: "/bin/sh", ...(isListed ? { [WRITE_PLAN]: JSON.stringify(plan) } : {}) },
  }).spawn();
  const output = child.output();
  let isMet = false, timer: ReturnType<typeof setTimeout> | undefined;
  if (stop?.moment.kind === "time") {
    const { signals, moment: { ms }, ofChild } = stop;
    if (hasTerminal) await untilFile(pid, (text) => text.endsWith("\n"), child);
    const inner = hasTerminal ? Number(await Deno.readTextFile(pid)) : undefined;
    const send = (signal: Deno.Signal) => inner === undefined ? child.kill(signal) : Deno.kill(inner, signal);
    const strike = () => isMet = signals.filter((signal) => isThere(() => send(signal))).length > 0;
    const strikeChild = async () => {
      const [first] = await childrenOf(child.pid);
      if (first !== undefined) isMet = isThere(() => Deno.kill(first, signals[0]));
    };
    timer = setTimeout(ofChild ? strikeChild : strike, ms);
  }
  const { code, signal, stdout, stderr } = await output;
  clearTimeout(timer);
  const text = async (name: string, bytes: Uint8Array) =>
    hasTerminal ? await taken(`${cwd}.${name}`) : new TextDecoder().decode(bytes);
  const writes = isListed ? listedWrites(await taken(list)) : [];
  if (hasTerminal) await taken(pid);
  if (stop?.moment.kind === "write") isMet = writes.length >= stop.moment.at;
  return {
    code,
    ...(signal ? { signal } : {}),
    stdout: await text("stdout", stdout),
    stderr: await text("stderr", stderr),
    ms: performance.now() - begun,
    ...{ isMet, writes },
  };
}

async function denoArguments(task: string, args: readonly string[], isListed: boolean): Promise<string[]> {
  const [command, ...words] = await taskArguments(task, args);
  // Of what is given besides, a task sees no more than that it may send itself a signal.
  return [command, ...(isListed ? ["--preload", AT_WRITE, "--allow-run"] : []), ...words];
}

/** The command in a terminal of its own, which its output does not go to. */
function inTerminal(words: readonly string[], cwd: string): string[] {
  const [pid, out, error] = ["pid", "stdout", "stderr"].map((name) => shellWord(`${cwd}.${name}`));
  const line = `echo $$ > ${pid}; exec ${words.map(shellWord).join(" ")} > ${out} 2> ${error}`;
  return [SCRIPT, "--quiet", "--return", "--command", line, "/dev/null"];
}

/** The command with a limit of the system, of which the process is told by an error, and not by a signal. */
function limited(words: readonly string[], bytes: number | undefined): string[] {
  if (bytes === undefined) return [...words];
  return ["/bin/sh", "-c", `trap '' XFSZ; ulimit -f ${Math.ceil(bytes / BLOCK)}; exec "$@"`, "sh", ...words];
}

/** The processes that one has started. */
async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", String(pid)] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.trim() !== "").map(Number);
}

/** Whether a process was still there to be sent a signal. */
function isThere(send: () => void): boolean {
  try {
    send();
    return true;
  } catch {
    return false;
  }
}

/** A file's text, after which it is removed. */
async function taken(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "");
  await Deno.remove(path).catch(() => {});
  return text;
}
