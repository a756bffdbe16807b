import { describeStop, drawMoment } from "./draw_stop.ts";
import type { Kind } from "./kind.ts";
import { type Ended, run } from "./process.ts";
import { parseStops, type Stop, stopsText } from "./stop.ts";
import { endOf, finish, nextStart, prepare, startOf } from "./try_case.ts";

/** Kills a task, now and then also the one that goes on after it; then it goes on to its end. */
export const kills: Kind = {
  name: "kills",
  ofVoid: "ended before",
  isFor: () => true,
  draw(known, random, index) {
    const kill = (i: number): Stop => ({ signals: ["SIGKILL"], moment: drawMoment(known, random, i) });
    // A sweep is all right when it is one of its runs that is killed.
    if (known.task === "sweep" && index % 4 === 1) return stopsText([{ ...kill(index), ofChild: true }]);
    // One in four is killed twice.
    return stopsText(index % 4 === 3 ? [kill(index), kill(index + 2)] : [kill(index)]);
  },
  async attempt(known, folder, how) {
    await prepare(known, known.from, folder);
    let before: Ended | undefined, isMet = false;
    const told: string[] = [];
    for (const stop of parseStops(how)) {
      before = await run({ ...before ? nextStart(known, folder, before) : startOf(known, folder), stop });
      told.push(describeStop(stop, before));
      isMet ||= before.isMet;
      const isRefused = known.makes !== undefined && before.code === 2;
      const isTold = stop.ofChild && before.code === 1 && /^error: [^\n]+\n$/.test(before.stderr);
      if (before.signal !== "SIGKILL" && before.code !== 0 && !isRefused && !isTold) {
        return { what: told.join(", then "), problems: [`it ended by ${endOf(before)}: ${before.stderr.trim()}`] };
      }
    }
    return { what: told.join(", then "), problems: await finish(known, folder, before!), isVoid: !isMet };
  },
};
