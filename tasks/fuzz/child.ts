import fc from "fast-check";
import { join } from "node:path";
import { messageOf, UserError } from "../../core/errors/user_error.ts";
import { type Damage, damaged, damages } from "./mutations.ts";
import type { ChildRequest, Line } from "./protocol.ts";
import type { Seed, Target } from "./seed.ts";

/** A message is one line, and not much longer than one. */
const MAX_MESSAGE = 700;

/** Memory after which a new process goes on, since what libraries keep is no fault of the next file. */
const RESTART_MEMORY = 500 << 20;

/** How long a failure may be made smaller, in milliseconds. */
const SHRINK_LIMIT = 4000;

const request: ChildRequest = JSON.parse(Deno.args[0]);
const { format, seed, first, last, folder, limits, write } = request;
const { TARGETS }: { TARGETS: Readonly<Record<string, Target>> } = await import(request.targets);
const target = TARGETS[format], seeds = await target.seeds();

// What goes wrong in a promise that nobody waits for is a fault of the file that is read.
let stray: unknown;
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  stray ??= event.reason ?? new Error("a promise failed without a reason");
});

if (write !== undefined) {
  const { bytes, ending } = await fileOf(first);
  await Deno.writeFile(`${write}.${ending}`, bytes);
  Deno.exit(0);
}

Deno.stdout.writeSync(new TextEncoder().encode("\n"));
for (let number = first; number < last; number++) {
  resetPeak();
  const begin = performance.now();
  const { isRead, problem, bytes, ending } = await tryCase(number);
  const seconds = (performance.now() - begin) / 1000, memory = peakMemory();
  const memoryProblem = memory > limits.bytes ? `it takes ${Math.round(memory / 2 ** 20)} MB of memory` : undefined;
  const failure = problem ?? memoryProblem;
  if (failure !== undefined) {
    const path = join(request.out, `${format}-${seed}-${number}.${ending}`);
    await Deno.mkdir(request.out, { recursive: true });
    await Deno.writeFile(path, bytes);
    tell({ number, failure, path, seconds });
    // What has failed once may fail at whatever comes next.
    break;
  } else tell({ number, isRead, seconds });
  if (Deno.memoryUsage().rss > RESTART_MEMORY) break;
}
// A library that has left much open may take long to end by itself.
Deno.exit(0);

/** Reads a damaged file; where that fails as it must not, with as little damage as still makes it fail. */
async function tryCase(
  number: number,
): Promise<{ isRead: boolean; problem?: string; bytes: Uint8Array; ending: string }> {
  const whole = await fileOf(number), outcome = await read(target, whole);
  if (outcome.problem === undefined) return { ...whole, ...outcome };
  let smallest = { ...whole, problem: outcome.problem };
  await fc.check(
    fc.asyncProperty(damages(seeds.length), async (damage) => {
      const file = await damagedFile(damage), { problem } = await read(target, file);
      if (problem !== undefined) smallest = { ...file, problem };
      return problem === undefined;
    }),
    { seed: caseSeed(number), numRuns: 1, interruptAfterTimeLimit: SHRINK_LIMIT },
  );
  return { isRead: false, ...smallest };
}

async function read(
  { read }: Target,
  { bytes, ending }: { readonly bytes: Uint8Array; readonly ending: string },
): Promise<{ isRead: boolean; problem?: string }> {
  const path = join(folder, `x${Math.random().toString(36).slice(2, 10)}.${ending}`);
  stray = undefined;
  await Deno.writeFile(path, bytes);
  try {
    await read(path, bytes);
    return { isRead: true, ...(await strayProblem()) };
  } catch (error) {
    if (!(error instanceof UserError)) {
      return { isRead: false, problem: error instanceof Error ? error.stack ?? error.message : String(error) };
    }
    const { message } = error;
    if (message.includes("\n")) return { isRead: false, problem: `a message of several lines: ${message}` };
    if (message.length > MAX_MESSAGE) return { isRead: false, problem: `a message of ${message.length}: ${message}` };
    return { isRead: false, ...(await strayProblem()) };
  } finally {
    await Deno.remove(path);
  }
}

/** What failed beside, once the event loop had its turn. */
async function strayProblem(): Promise<{ problem?: string }> {
  await new Promise((resolve) => setImmediate(resolve));
  return stray === undefined ? {} : { problem: `a promise that nobody waits for: ${messageOf(stray)}` };
}

function fileOf(number: number): Promise<{ bytes: Uint8Array; ending: string }> {
  return damagedFile(fc.sample(damages(seeds.length), { seed: caseSeed(number), numRuns: 1 })[0]);
}

async function damagedFile(damage: Damage): Promise<{ bytes: Uint8Array; ending: string }> {
  const { ending }: Seed = seeds[damage.seed];
  return { bytes: await damaged(seeds, damage), ending };
}

/** A case's own seed, so that each can be made again alone. */
function caseSeed(number: number): number {
  return Math.imul(seed + 1, 0x9e3779b1) + Math.imul(number, 0x85ebca6b) | 0;
}

/** Lets the system count the most memory anew, where it does so. */
function resetPeak(): void {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Elsewhere the memory after each file is looked at.
  }
}

/** The most memory since then, in bytes. */
function peakMemory(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))!;
    return 1024 * Number(kilobytes);
  } catch {
    return Deno.memoryUsage().rss;
  }
}

function tell(line: Line): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
}
