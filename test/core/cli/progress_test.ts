import assert from "assert";
import { formatDuration, Progress, type ProgressRecord } from "../../../core/cli/progress.ts";

const CLEAR = "\r\x1b[2K";

/** A progress on a stream that records what is written, with a clock that is set by hand. */
function recorded(
  { terminal, columns = 100, quiet = false }: { terminal: boolean; columns?: number; quiet?: boolean },
) {
  const written: string[] = [];
  const clock = { ms: 1000 };
  const progress = new Progress({
    quiet,
    now: () => clock.ms,
    stream: { write: (text) => written.push(text), isTerminal: () => terminal, columns: () => columns },
  });
  return { progress, written, clock };
}

function epoch(done: number, fields: readonly string[] = ["NLL 0.731 nats", "2410 steps/s"]): ProgressRecord {
  return { label: "epoch", done, total: 160, fields };
}

Deno.test("a terminal shows a bar, the fields and the time left", () => {
  const { progress, written, clock } = recorded({ terminal: true, columns: 80 });
  progress.update(epoch(0));
  clock.ms += 40_000;
  progress.update(epoch(40));
  assert.equal(
    written[1],
    `${CLEAR}epoch  40/160 ━━━━━╸───────────────── NLL 0.731 nats · 2410 steps/s · 2:00 left`,
  );
});

Deno.test("a terminal is drawn at most ten times a second, and cleared at the end", () => {
  const { progress, written, clock } = recorded({ terminal: true });
  for (let i = 0; i <= 100; i++, clock.ms += 10) progress.update(epoch(i));
  assert.equal(written.length, 11);
  progress.finish();
  assert.equal(written.at(-1), CLEAR);
  progress.finish();
  assert.equal(written.length, 12);
});

Deno.test("the line fits every width of terminal", () => {
  for (let columns = 1; columns <= 120; columns++) {
    const { progress, written, clock } = recorded({ terminal: true, columns });
    progress.update(epoch(0));
    clock.ms += 1000;
    progress.update(epoch(80));
    for (const text of written) assert.ok(text.slice(CLEAR.length).length <= Math.max(0, columns - 1), text);
    if (columns === 50) assert.match(written[1], /^[^N]*━╸?─+ NLL 0\.731 nats$/);
    if (columns === 16) assert.match(written[1], /epoch {2}80\/160$/);
  }
});

Deno.test("the bar is empty at the start, full at the end, and never beyond", () => {
  for (
    const [done, bar] of [[0, /0\/160 ─{30}$/], [159.9, /159\/160 ━{29}╸$/], [160, /━{30}$/], [170, /━{30}$/]] as const
  ) {
    const { progress, written } = recorded({ terminal: true });
    progress.update(epoch(done, []));
    assert.match(written[0], bar);
  }
  const { progress, written } = recorded({ terminal: true });
  progress.update({ label: "sample", done: 0, total: 0 });
  assert.match(written[0], /sample 0\/0 ─{30}$/);
});

Deno.test("a log gets a line every five seconds and one for the end", () => {
  const { progress, written, clock } = recorded({ terminal: false });
  for (let i = 1; i <= 160; i++) {
    clock.ms += 100;
    progress.update(epoch(i, ["NLL 0.731 nats"]));
  }
  progress.finish();
  progress.finish();
  assert.deepEqual(written, [
    "epoch  50/160 · NLL 0.731 nats · 0:11 left\n",
    "epoch 100/160 · NLL 0.731 nats · 0:06 left\n",
    "epoch 150/160 · NLL 0.731 nats · 0:01 left\n",
    "epoch 160/160 · NLL 0.731 nats\n",
  ]);
});

Deno.test("a log that is up to date gets no second last line", () => {
  const { progress, written, clock } = recorded({ terminal: false });
  clock.ms += 6000;
  progress.update(epoch(160, []));
  progress.finish();
  assert.deepEqual(written, ["epoch 160/160\n"]);
});

Deno.test("resumed work is judged by what this process did", () => {
  const { progress, written, clock } = recorded({ terminal: false });
  progress.update(epoch(150, []));
  clock.ms += 5000;
  progress.update(epoch(155, []));
  assert.deepEqual(written, ["epoch 155/160 · 0:05 left\n"]);
});

Deno.test("a line of its own goes above the bar", () => {
  const { progress, written } = recorded({ terminal: true });
  progress.update(epoch(1, []));
  progress.note("saved");
  assert.deepEqual(written.slice(1, 3), [CLEAR, "saved\n"]);
  assert.equal(written[3], written[0], "the bar is there again");
  progress.finish();
  progress.note("done");
  assert.deepEqual(written.slice(4), [CLEAR, "done\n"]);
});

Deno.test("a log gets every line of its own, without waiting", () => {
  const { progress, written } = recorded({ terminal: false });
  progress.update(epoch(1, []));
  for (const line of ["one", "two"]) progress.note(line);
  assert.deepEqual(written, ["one\n", "two\n"]);
});

Deno.test("time left is reckoned anew when something else is counted", () => {
  const { progress, written, clock } = recorded({ terminal: false });
  progress.update(epoch(160, []));
  clock.ms += 5000;
  progress.update({ label: "sample", done: 0, total: 10 });
  clock.ms += 5000;
  progress.update({ label: "sample", done: 5, total: 10 });
  assert.deepEqual(written, ["sample  0/10\n", "sample  5/10 · 0:05 left\n"]);
});

Deno.test("a stream that is closed ends the display, not the task", () => {
  let writes = 0;
  const write = () => {
    writes++;
    throw new Deno.errors.BrokenPipe("gone");
  };
  const progress = new Progress({ stream: { write, isTerminal: () => true, columns: () => 80 } });
  progress.update(epoch(1));
  progress.note("saved");
  progress.finish();
  assert.equal(writes, 1);
});

Deno.test("quiet shows nothing", () => {
  for (const terminal of [true, false]) {
    const { progress, written, clock } = recorded({ terminal, quiet: true });
    progress.update(epoch(1));
    clock.ms += 10_000;
    progress.note("saved");
    progress.update(epoch(160));
    progress.finish();
    assert.deepEqual(written, []);
  }
});

Deno.test("durations are short and clear", () => {
  const cases: [number, string][] = [
    [0, "0:00"],
    [12.4, "0:12"],
    [59.6, "1:00"],
    [3599, "59:59"],
    [3723, "1:02:03"],
    [86400, "1 d 0:00:00"],
    [-3, "0:00"],
    [NaN, "-:--"],
    [Infinity, "-:--"],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text);
});
