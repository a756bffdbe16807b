import { UserError } from "../errors/user_error.ts";
import type { Ranks } from "./ranks.ts";

/** Ranks that would not compute the same thing. */
export class RanksDifferError extends UserError {
  override readonly exitCode = 1;
}

/**
 * Checks that a number is the same on every rank.
 *
 * @param fault Says what is wrong where it is not, and what to do.
 * @throws {RanksDifferError}
 */
export async function requireSameNumber(ranks: Ranks, own: number, fault: string): Promise<void> {
  if (ranks.size === 1) return;
  const all = new Float64Array(ranks.size);
  all[ranks.rank] = own;
  await ranks.sum(all);
  const other = all.findIndex((value) => !Object.is(value, own));
  if (other >= 0) throw new RanksDifferError(`The ranks ${ranks.rank} and ${other} differ: ${fault}`);
}

/**
 * Checks that what a task goes by is the same on every rank.
 *
 * @param what Plain data.
 * @throws {RanksDifferError}
 */
export async function requireSameSettings(ranks: Ranks, what: unknown): Promise<void> {
  if (ranks.size === 1) return;
  const bytes = new TextEncoder().encode(JSON.stringify(what));
  const digest = new DataView(await crypto.subtle.digest("SHA-256", bytes));
  // So many bits as a double holds without loss.
  const number = digest.getUint32(0) * 2 ** 20 + (digest.getUint32(4) >>> 12);
  await requireSameNumber(
    ranks,
    number,
    "they have other options, data or versions. Give all the same command, program and files.",
  );
}
