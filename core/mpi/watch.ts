/** What ranks tell each other beside what they compute: a question, and the two answers to it. */
export const SIGNS = ["asks", "waits", "works"] as const;

export type Sign = typeof SIGNS[number];

/** Sends signs to other ranks and takes those that have come, without waiting for anyone. */
export interface Signs {
  send(rank: number, sign: Sign): void;
  /** The ranks of which a sign of a kind has come since it was looked for last. */
  received(sign: Sign): readonly number[];
}

/** A part of the patience that answers are waited for. */
const ANSWERING = 1 / 2;

/** Looks that an answer is waited for as well: a process that was stopped itself finds that much time has gone by. */
const LEAST_LOOKS = 3;

/**
 * Finds out which ranks do not answer where this one waits for them too long: their processes are stopped, or their hosts
 * gone, of which MPI says nothing. A rank whose event loop has its turn answers, however long it computes. It costs
 * nothing until a rank has waited for half of the patience.
 */
export class Watch {
  #since: number | undefined;
  #told = 0;
  #asked: { readonly looks: number; readonly answers: Map<number, Sign> } | undefined;
  #looks = 0;

  /**
   * @param job This process's place, and how it reaches the others, if it can while they wait.
   * @param patience Milliseconds after which it is told, and from then on after twice as many each time.
   * @param tell Told a line.
   */
  constructor(
    readonly job: { readonly rank: number; readonly size: number; readonly signs?: Signs },
    readonly patience: number,
    readonly tell: (line: string) => void,
  ) {}

  /** This rank waits for the others from now on. */
  begin(now: number): void {
    this.#since = now;
    this.#told = 0;
    this.#asked = undefined;
  }

  /** All others have come. */
  end(): void {
    this.#since = undefined;
  }

  /** To be called every now and then: answers, asks, and tells. */
  look(now: number): void {
    this.#looks++;
    this.#hear();
    if (this.#since === undefined) return;
    const waited = now - this.#since, due = this.patience * 2 ** this.#told;
    if (!this.#asked && waited >= due * (1 - ANSWERING)) {
      this.#asked = { looks: this.#looks, answers: new Map() };
      for (const rank of this.#others()) this.job.signs?.send(rank, "asks");
    }
    if (waited < due || !this.#asked || this.#looks - this.#asked.looks < LEAST_LOOKS) return;
    this.#conclude(Math.round(waited / 1000), this.#asked.answers);
    this.#told++;
    this.#asked = undefined;
  }

  #hear(): void {
    if (!this.job.signs) return;
    for (const rank of this.job.signs.received("asks")) {
      this.job.signs.send(rank, this.#since === undefined ? "works" : "waits");
    }
    for (const sign of ["waits", "works"] as const) {
      for (const rank of this.job.signs.received(sign)) this.#asked?.answers.set(rank, sign);
    }
  }

  #conclude(seconds: number, answers: ReadonlyMap<number, Sign>): void {
    const { rank: own, size, signs } = this.job;
    if (!signs) {
      this.tell(
        `rank ${own} of ${size} has waited ${seconds} s for another: it is stopped, its host is gone, or it computes ` +
          "for long",
      );
      return;
    }
    // The first of those that wait tells for all.
    if (this.#others().some((rank) => rank < own && answers.get(rank) === "waits")) return;
    const silent = this.#others().filter((rank) => !answers.has(rank));
    if (silent.length === 0) return;
    const one = silent.length === 1;
    this.tell(
      `${one ? "rank" : "ranks"} ${listed(silent)} of ${size} ${one ? "has" : "have"} not answered for ${seconds} s: ` +
        (one
          ? "it is stopped, its host is gone, or it computes for long; the others wait"
          : "they are stopped, their hosts are gone, or they compute for long; the others wait"),
    );
  }

  #others(): number[] {
    return Array.from({ length: this.job.size }, (_, rank) => rank).filter((rank) => rank !== this.job.rank);
  }
}

/** Ranks that are named. */
const NAMED = 10;

function listed(ranks: readonly number[]): string {
  const named = ranks.slice(0, NAMED).join(", ");
  return ranks.length > NAMED ? `${named} and ${ranks.length - NAMED} more` : named;
}
