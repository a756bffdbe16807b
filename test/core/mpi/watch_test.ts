import { deepEqual, equal, throws } from "assert";
import { askedPatience } from "../../../core/mpi/ranks.ts";
import { type Sign, type Signs, Watch } from "../../../core/mpi/watch.ts";

const SECOND = 1000, PATIENCE = 60 * SECOND;

/** Ranks that tell each other signs, on one clock; a rank that is stopped does not look. */
function job(size: number, options: { readonly withSigns?: boolean } = {}) {
  const boxes = Array.from({ length: size }, (): { from: number; sign: Sign }[] => []);
  const signs = (rank: number): Signs => ({
    send: (to, sign) => void boxes[to].push({ from: rank, sign }),
    received(sign) {
      const found = boxes[rank].filter((each) => each.sign === sign).map(({ from }) => from);
      boxes[rank] = boxes[rank].filter((each) => each.sign !== sign);
      return found;
    },
  });
  const told: string[] = [], stopped = new Set<number>();
  let now = 0;
  const watches = Array.from({ length: size }, (_, rank) => {
    const job = { rank, size, ...(options.withSigns === false ? {} : { signs: signs(rank) }) };
    return new Watch(job, PATIENCE, (line) => told.push(`${now / SECOND} s, rank ${rank}: ${line}`));
  });
  return {
    ...{ told, stopped, watches },
    begin: (...ranks: number[]) => ranks.forEach((rank) => watches[rank].begin(now)),
    pass(seconds: number) {
      for (const end = now + seconds * SECOND; now < end;) {
        now += 2 * SECOND;
        watches.forEach((watch, rank) => stopped.has(rank) || watch.look(now));
      }
    },
  };
}

const LINE = "has not answered for 60 s: it is stopped, its host is gone, or it computes for long; the others wait";

Deno.test("a rank that does not answer is told of after a minute, by the first that waits, and at growing intervals", () => {
  const { told, stopped, begin, pass } = job(4);
  stopped.add(2);
  begin(0);
  pass(30);
  begin(1, 3);
  pass(28);
  deepEqual(told, []);
  pass(2);
  deepEqual(told, [`60 s, rank 0: rank 2 of 4 ${LINE}`]);
  pass(540);
  deepEqual(told.map((line) => line.replace(/:.*/, "")), [60, 120, 240, 480].map((time) => `${time} s, rank 0`));
});

Deno.test("the first rank and several are told of by who is left", () => {
  const { told, stopped, begin, pass } = job(4);
  [0, 1].forEach((rank) => stopped.add(rank));
  begin(2, 3);
  pass(60);
  deepEqual(told, [
    "60 s, rank 2: ranks 0, 1 of 4 have not answered for 60 s: they are stopped, their hosts are gone, or they compute " +
    "for long; the others wait",
  ]);
});

Deno.test("a rank that computes for long and answers is not told of, nor one that came after all", () => {
  const { told, stopped, watches, begin, pass } = job(3);
  begin(0, 1);
  pass(600);
  deepEqual(told, []);
  watches.forEach((watch) => watch.end());
  stopped.add(2);
  begin(0, 1);
  pass(54);
  stopped.delete(2);
  begin(2);
  pass(600);
  deepEqual(told, []);
});

Deno.test("a process that was stopped itself blames nobody when it goes on", () => {
  const { told, stopped, begin, pass } = job(2);
  stopped.add(0);
  begin(0);
  pass(40);
  begin(1);
  // The other one waits for less than a minute.
  pass(30);
  stopped.delete(0);
  pass(100);
  deepEqual(told, []);
});

Deno.test("where the library cannot send while others wait, it is told that somebody is waited for", () => {
  const { told, stopped, begin, pass } = job(2, { withSigns: false });
  stopped.add(1);
  begin(0);
  pass(60);
  deepEqual(told, [
    "60 s, rank 0: rank 0 of 2 has waited 60 s for another: it is stopped, its host is gone, or it computes for long",
  ]);
});

Deno.test("the patience is the user's, in seconds", () => {
  deepEqual(["", undefined, "0", "2.5"].map((text) => askedPatience(text)), [60_000, 60_000, Infinity, 2500]);
  throws(() => askedPatience("soon"), /^UsageError: ITDIFFUSION_RANK_PATIENCE is soon, expected a number of seconds/);
  equal(new Watch({ rank: 0, size: 2 }, Infinity, () => {}).look(1e12), undefined);
});
