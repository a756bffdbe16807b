import type { Kind } from "./kind.ts";
import { type Ended, run } from "./process.ts";
import { endOf, prepare, problemsOf, startOf } from "./try_case.ts";

const REFUSAL = /^error: [^\n]*(?:Another process|is not empty)[^\n]*\n$/;

/** Starts a task twice at once. One goes on and the other is refused, or both go on, as the task promises. */
export const pairs: Kind = {
  name: "pairs",
  ofVoid: "never met",
  isFor: (each) => each.pairs !== undefined,
  draw({ ms }, random, index) {
    return `${index % 2 === 0 ? 0 : Math.round(random.split(index).uniform() * ms)}ms`;
  },
  async attempt(known, folder, how) {
    await prepare(known, known.from, folder);
    const start = startOf(known, folder), later = Number.parseInt(how);
    const ends = await Promise.all([
      run(start),
      new Promise((resolve) => setTimeout(resolve, later)).then(() => run(start)),
    ]);
    const problems = ends.flatMap((ended) => problemsOfEnd(ended, known.pairs === "both go on"));
    if (ends.every(({ code }) => code !== 0)) problems.push("neither of them went on");
    return {
      what: `two at once, the second ${later} ms after the first`,
      problems: problems.length > 0 ? problems : await problemsOf(known, folder),
    };
  },
};

function problemsOfEnd(ended: Ended, goesOn: boolean): string[] {
  if (ended.code === 0 || !goesOn && ended.code === 2 && REFUSAL.test(ended.stderr)) return [];
  return [`one of them ended by ${endOf(ended)}: ${ended.stderr.trim()}`];
}
