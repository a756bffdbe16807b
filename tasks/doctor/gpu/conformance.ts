import type { Backend } from "../../../core/engine/mod.ts";
import { type ChildLimits, runChild, TEST_PERMISSIONS } from "../child.ts";
import type { CaseRecord } from "./record.ts";
import { type Trial, triesOf } from "./trial.ts";

/** What the conformance cases' process prints. */
type Line =
  | { readonly kind: "start"; readonly cases: readonly string[] }
  | { readonly kind: "absent"; readonly reason: string }
  | {
    readonly kind: "case";
    readonly name: string;
    readonly reference: string;
    readonly seconds: number;
    readonly deviations: readonly Deviation[];
    readonly failure?: string;
  }
  | { readonly kind: "end" };

interface Deviation {
  readonly what: string;
  readonly error: number | null;
  readonly of_tolerance: number | null;
}

/** A process of its own: the tests are no part of what the tasks import. */
const SCRIPT = new URL("../../../test/conformance/run_backend.ts", import.meta.url);

/** Cases in a row that end their process, after which the others are not tried. */
const MOST_ENDED = 3;

/**
 * Runs the conformance cases. One that ends its process, or says nothing for as long as `limits` has it, has failed, and
 * the ones after it go on in a new process.
 *
 * @param onCases Called with all that are done whenever one is, and how many there are.
 */
export async function runConformance(
  backend: Backend,
  trial: Trial,
  limits: ChildLimits,
  onCases: (done: readonly CaseRecord[], total: number) => Promise<void> | void,
  script: URL = SCRIPT,
): Promise<readonly CaseRecord[]> {
  const done: CaseRecord[] = [];
  let names: readonly string[] = [];
  for (let ended = 0, tries = 1;;) {
    const before = done.length;
    let told: Promise<void> = Promise.resolve();
    const { records, problem, crashed } = await runChild<Line>(
      script,
      [backend, String(trial.threads), "", String(before)],
      { ...limits, permissions: TEST_PERMISSIONS, renewed: true },
      {
        onRecord(line) {
          if (line.kind === "start" && before === 0) names = line.cases;
          if (line.kind === "case") done.push(worstOf(line));
          told = tellInTurn(told, () => onCases([...done], names.length));
        },
      },
    );
    await told;
    if (records.some(({ kind }) => kind === "end")) {
      if (problem === undefined) return done;
      // Some drivers crash as a process ends that has done its work.
      if (!trial.software) return [...done, { name: "the end of the process", reference: "", failure: problem }];
      trial.onCrash(`conformance, at its end: ${problem}`);
      return done;
    }
    if (done.length > before) [ended, tries] = [0, 1];
    const absent = records.find((line) => line.kind === "absent")?.reason;
    const failure = absent ?? problem ?? "its process ended before its time";
    const name = names[done.length] ?? "start";
    if (crashed && tries < triesOf(trial)) {
      trial.onCrash(`conformance, ${name}: ${failure}`);
      tries++;
      continue;
    }
    done.push({ name, reference: "", failure });
    await onCases([...done], names.length);
    if (absent !== undefined || done.length >= names.length || ++ended === MOST_ENDED) {
      const left = names.slice(done.length).map((name) => ({ name, reference: "", failure: "not tried after these" }));
      return [...done, ...left];
    }
    tries = 1;
  }
}

/** Does something after what went before. A failure is for who waits for it. */
function tellInTurn(before: Promise<void>, tell: () => Promise<void> | void): Promise<void> {
  const told = before.then(tell);
  told.catch(() => {});
  return told;
}

function worstOf({ name, reference, seconds, deviations, failure }: Extract<Line, { kind: "case" }>): CaseRecord {
  const about = { name, reference, seconds };
  if (failure !== undefined) return { ...about, failure: failure.trim().replaceAll(/\s*\n\s*/g, " ") };
  if (deviations.length === 0) return about;
  const size = ({ of_tolerance }: Deviation) => of_tolerance ?? Infinity;
  const { what, error, of_tolerance } = deviations.reduce((a, b) => size(b) > size(a) ? b : a);
  return { ...about, tensor: what, error, of_tolerance };
}
