/** A computation that asks for values on its way, yielding what it needs for them and being told them. */
export type Asking<Question, Answer, Result> = Generator<Question, Result, Answer>;

/**
 * Runs computations side by side, so that the questions of all are answered at once. One that is finished makes room for
 * the next, so that nothing waits for the slowest, and each is as it would be by itself.
 *
 * @param all Made as there is room for them.
 * @param lanes How many run at once.
 * @param answer Answers questions in their order.
 * @returns The results as they come, each with its place among all.
 */
export async function* inLanes<Question, Answer, Result>(
  all: Iterable<Asking<Question, Answer, Result>>,
  lanes: number,
  answer: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): AsyncGenerator<{ readonly place: number; readonly result: Result }, void> {
  const waiting = all[Symbol.iterator]();
  let running: { place: number; computation: Asking<Question, Answer, Result>; question: Question }[] = [];
  let place = 0;
  for (let isMore = true; isMore || running.length > 0;) {
    while (isMore && running.length < lanes) {
      const next = waiting.next();
      isMore = !next.done;
      if (next.done) break;
      const first = next.value.next();
      if (first.done) yield { place, result: first.value };
      else running.push({ place, computation: next.value, question: first.value });
      place++;
    }
    if (running.length === 0) return;
    const answers = await answer(running.map(({ question }) => question));
    const still: typeof running = [];
    for (const [i, { place, computation }] of running.entries()) {
      const next = computation.next(answers[i]);
      if (next.done) yield { place, result: next.value };
      else still.push({ place, computation, question: next.value });
    }
    running = still;
  }
}
