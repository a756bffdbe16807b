import { join } from "node:path";
import { comparable, contentsOf } from "./compare.ts";
import { describeStop, drawMoment } from "./draw_stop.ts";
import type { Kind } from "./kind.ts";
import { type Ended, hasTerminals, run } from "./process.ts";
import { parseStops, stopsText } from "./stop.ts";
import { endOf, finish, isUntouched, type KnownCase, prepare, startOf } from "./try_case.ts";

const SIGNALS = ["SIGINT", "SIGTERM", ...hasTerminals ? ["SIGHUP"] as const : []] as const;

/** What a shell adds to the number of a signal that ended a process. */
const BY_SIGNAL = 128;
const NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** Interrupts a task, by one signal or two in a row; it says so in one line, and goes on to its end when started again. */
export const interrupts: Kind = {
  name: "interrupts",
  ofVoid: "came before the program's first line, or after its end",
  isFor: () => true,
  draw(known, random, index) {
    const first = SIGNALS[index % SIGNALS.length], second = SIGNALS[(index + 1) % SIGNALS.length];
    const isTwice = random.split("twice").split(index).uniform() < 0.5;
    return stopsText([{ signals: isTwice ? [first, second] : [first], moment: drawMoment(known, random, index) }]);
  },
  async attempt(known, folder, how) {
    await prepare(known, known.from, folder);
    const [stop] = parseStops(how), ended = await run({ ...startOf(known, folder), stop });
    const what = describeStop(stop, ended);
    if (isDeaf(ended, stop.signals)) {
      const problems = await isUntouched(known, folder) ? [] : ["it was not heard, though something was written"];
      return { what, problems, isVoid: problems.length === 0 };
    }
    const problems = problemsOfEnd(ended);
    if (problems.length === 0) problems.push(...await setPartAside(known, folder));
    if (problems.length === 0) problems.push(...await finish(known, folder, ended));
    return { what, problems, isVoid: !ended.isMet };
  },
};

/** Whether a signal came before the program's first line, or after its end, in which it begins to listen. */
function isDeaf({ code, signal, stderr }: Ended, signals: readonly Deno.Signal[]): boolean {
  return stderr === "" && signals.some((each) => signal === each || code === BY_SIGNAL + NUMBERS[each]);
}

function problemsOfEnd(ended: Ended): string[] {
  const { code, stderr } = ended;
  // In the last instant everything is finished, and nobody is asked any more.
  if (code === 0 && stderr === "") return [];
  if (code !== 130) return [`it ended by ${endOf(ended)}: ${stderr.trim()}`];
  return /^(?!error)[^\n]+\n$/.test(stderr) ? [] : [`it did not say so in one line, but ${JSON.stringify(stderr)}`];
}

/** Of samples that were finished when the task was stopped: checks that they are the first, and makes way for all. */
async function setPartAside({ makes, expected }: KnownCase, cwd: string): Promise<string[]> {
  if (makes === undefined) return [];
  const folder = join(cwd, makes);
  const summary = await Deno.readTextFile(join(folder, "summary.json")).catch(() => "{}");
  const whole = expected.get(join(makes, "summary.json")) ?? "{}";
  if (summary === "{}" || JSON.parse(summary).count === JSON.parse(whole).count) return [];
  const part = comparable(await contentsOf(cwd), cwd);
  const wrong = [...part].filter(([path, text]) => {
    if (path.startsWith(join(makes, "images/"))) return text !== expected.get(path);
    return path.endsWith(".csv") && !expected.get(path)?.startsWith(text);
  });
  await Deno.remove(folder, { recursive: true });
  return wrong.map(([path]) => `${path} is not the first of what it should be`);
}
