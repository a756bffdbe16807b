import "../../core/cli/listen.ts";
import { join } from "node:path";
import { main, parseCommandLine, UsageError } from "../../core/cli/mod.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { Random } from "../../core/random/random.ts";
import { type Case, casesOf, writeData } from "./cases.ts";
import { canMount, disks } from "./full_disk.ts";
import { trainInputs } from "./inputs.ts";
import { interrupts } from "./interrupts.ts";
import type { Kind } from "./kind.ts";
import { kills } from "./kills.ts";
import { pairs } from "./pairs.ts";
import { hasTerminals } from "./process.ts";
import { know } from "./try_case.ts";
import { TrialFolders, tryKind } from "./try_kind.ts";

class TrialsFailed extends UserError {
  override readonly exitCode = 1;
}

const count = (what: string, part: string) =>
  ({ optional: "number", min: 0, max: 1e6, integer: true, help: `${what} (default ${part} --trials).` }) as const;

await main(async (stop) => {
  const { options: o } = await parseCommandLine({
    name: "test:crash",
    summary:
      "Kills, interrupts and doubles tasks and fills their disk, and compares all that they leave with what they " +
      "leave in peace.",
    options: {
      trials: { default: 300, min: 0, max: 1e6, integer: true, help: "Kills, at random moments and at writes." },
      interrupts: count("Interrupts by INT, TERM and HUP", "two thirds of"),
      pairs: count("Pairs started at once", "a third of"),
      disks: count("Disks that are full", "a fifth of"),
      seed: { default: 0, min: 0, max: 2 ** 31 - 1, integer: true, help: "Of what is drawn." },
      case: { default: "", placeholder: "text", help: "Only the case of this name, or those with this in their name." },
      jobs: { default: 2, min: 1, max: 1024, integer: true, help: "Trials at a time." },
      repeat: { optional: "string", placeholder: "text", help: "One trial, as the line of one that failed says it." },
    },
  }, Deno.args);
  const names = chosenNames(o.case);
  const isMounted = await canMount();
  const counts = new Map<Kind, number>([
    [kills, o.trials],
    [interrupts, o.interrupts ?? Math.ceil(2 * o.trials / 3)],
    [pairs, o.pairs ?? Math.ceil(o.trials / 3)],
    [disks(isMounted), o.disks ?? Math.ceil(o.trials / 5)],
  ]);
  const [repeated, ...how] = o.repeat?.split(" ") ?? [], kinds = [...counts.keys()].filter(({ absent }) => !absent);
  if (repeated !== undefined && !kinds.some(({ name }) => name === repeated)) {
    throw new UsageError(
      `--repeat is ${o.repeat}, expected it to begin with ${kinds.map(({ name }) => name).join(", ")}.`,
    );
  }
  console.log(
    `Seed ${o.seed}; a full disk is ${isMounted ? "a small tmpfs" : "a limit of a file's size, by ulimit -f"}`,
  );
  if (!hasTerminals) console.log("Not tried: HUP, since util-linux' script is not there to make a terminal");
  for (const { name, absent } of counts.keys()) if (absent) console.log(`Not tried: ${name}, since there is ${absent}`);

  const begun = performance.now();
  const work = await Deno.makeTempDir({ prefix: "crash-" }), data = join(work, "data"), inputs = join(work, "inputs");
  const cases = casesOf(data).filter(({ name }) => names.includes(name));
  await writeData(data);
  await trainInputs(cases, data, inputs);
  const folders = new TrialFolders(work);
  const options = { random: Random.fromSeed(o.seed), folders, jobs: o.jobs, signal: stop };
  let passed = 0, failed = 0;
  for (const each of cases) {
    if (stop.aborted) break;
    const known = await know(each, inputs, folders.next());
    for (const kind of kinds) {
      const share = shareOf(each, cases, kind, counts.get(kind)!);
      const drawn = repeated === undefined ? Array.from({ length: share }, (_, k) => k) : [];
      const hows = kind.name === repeated ? [how.join(" ")] : drawn;
      if (hows.length === 0) continue;
      const tried = await tryKind(known, kind, hows, options);
      passed += tried.passed;
      failed += tried.failures.length;
      const numbers = `${String(tried.passed).padStart(4)} passed ${String(tried.failures.length).padStart(3)} failed`;
      const voids = tried.voids > 0 ? `   ${tried.voids} more ${kind.ofVoid}` : "";
      console.log(`${each.name.padEnd(16)} ${kind.name.padEnd(10)} ${numbers}${voids}`);
      for (const line of tried.failures) console.log(`  FAILED ${each.name}, ${line}`);
    }
  }
  if (failed === 0) await Deno.remove(work, { recursive: true });
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(`${failed === 0 ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed (${seconds}s)`);
  stop.throwIfAborted();
  if (failed > 0) throw new TrialsFailed(`${failed} of ${passed + failed} trials failed; they are named above.`);
});

function chosenNames(text: string): readonly string[] {
  const names = casesOf("").map(({ name }) => name);
  if (names.includes(text)) return [text];
  const chosen = names.filter((name) => name.includes(text));
  if (chosen.length > 0) return chosen;
  throw new UsageError(`--case is ${text}, expected some of ${names.join(", ")}.`);
}

/** A case's part of the trials of a kind, which are dealt evenly to those that it is for. */
function shareOf(each: Case, cases: readonly Case[], kind: Kind, total: number): number {
  const own = cases.filter((one) => kind.isFor(one)), at = own.indexOf(each);
  const upTo = (k: number) => Math.ceil(total * k / own.length);
  return at < 0 ? 0 : upTo(at + 1) - upTo(at);
}
