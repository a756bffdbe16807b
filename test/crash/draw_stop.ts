import type { Random } from "../../core/random/random.ts";
import type { Ended } from "./process.ts";
import type { Moment, Stop, When } from "./stop.ts";
import type { KnownCase } from "./try_case.ts";

/**
 * Moments at which a case is stopped: by turns at a write, each before, within and after it in an order of the seed's, and
 * at any time.
 */
export function drawMoment({ writes, ms }: KnownCase, random: Random, index: number): Moment {
  const turn = index >> 1;
  if (index % 2 === 1) return { kind: "time", ms: Math.round(random.split(index).uniform() * ms) };
  const places = writes.flatMap(({ hasParts }, i) => {
    const whens: readonly When[] = hasParts ? ["before", "within", "after"] : ["before", "after"];
    return whens.map((when): Moment => ({ kind: "write", at: i + 1, when }));
  });
  return places[random.split("places").permutation(places.length)[turn % places.length]];
}

/** What was done to a process, in words. */
export function describeStop({ signals, moment, ofChild }: Stop, { writes }: Pick<Ended, "writes">): string {
  const by = signals.map((signal) => signal.slice("SIG".length)).join(" and ");
  if (moment.kind === "time") return `${by}${ofChild ? " to its child" : ""} after ${Math.round(moment.ms)} ms`;
  const name = writes[moment.at - 1]?.name ?? "which it did not come to";
  return `${by} ${moment.when} write ${moment.at}: ${name}`;
}
