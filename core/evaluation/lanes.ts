/** A computation that asks for values on its way, yielding what it needs for them and being told them. */
export type Asking<Question, Answer, Result> = Generator<Question, Result, Answer>;

/** Where computations are. */
export interface LaneStep<Question, Result> {
  /** What has come out since the step before, each with its place among all. */
  readonly results: readonly { readonly place: number; readonly result: Result }[];
  /** What those that go on ask next. */
  readonly questions: readonly Question[];
}

/**
 * Runs computations side by side, so that the questions of all are answered at once. One that is finished makes room for
 * the next, so that nothing waits for the slowest, and each is as it would be by itself.
 *
 * @param all Made as there is room for them.
 * @param lanes How many run at once.
 * @param answer Answers questions in their order.
 * @returns A step for each answering.
 */
export async function* inLanes<Question, Answer, Result>(
  all: Iterable<Asking<Question, Answer, Result>>,
  lanes: number,
  answer: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): AsyncGenerator<LaneStep<Question, Result>, void> {
  const waiting = all[Symbol.iterator]();
  let running: { place: number; computation: Asking<Question, Answer, Result>; question: Question }[] = [];
  for (let place = 0, isMore = true;;) {
    const results: { place: number; result: Result }[] = [];
    while (isMore && running.length < lanes) {
      const next = waiting.next();
      if (next.done) {
        isMore = false;
        break;
      }
      const first = next.value.next();
      if (first.done) results.push({ place, result: first.value });
      else running.push({ place, computation: next.value, question: first.value });
      place++;
    }
    const answers = running.length > 0 ? await answer(running.map(({ question }) => question)) : [];
    running = running.flatMap(({ place, computation }, i) => {
      const next = computation.next(answers[i]);
      if (!next.done) return [{ place, computation, question: next.value }];
      results.push({ place, result: next.value });
      return [];
    });
    if (results.length > 0 || running.length > 0) yield { results, questions: running.map(({ question }) => question) };
    if (!isMore && running.length === 0) return;
  }
}
